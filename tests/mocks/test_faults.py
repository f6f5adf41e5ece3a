"""Fault injection: each kind as a client meets it, and the same schedule every time."""

from pathlib import Path

import httpx
import pytest

from core.errors import SettingsError
from mocks.desk import create_desk
from mocks.faults import FAULTS_VARIABLE, FaultRule, Faults, load_faults
from mocks.serve import serve


def faults(**rule: object) -> Faults:
    return Faults(seed=3, rules=(FaultRule.model_validate(rule),))


def statuses(folder: Path, schedule: Faults, count: int = 40) -> list[int]:
    with serve(create_desk(folder, faults=schedule)) as url, httpx.Client(base_url=url) as client:
        return [client.get("/tickets").status_code for _ in range(count)]


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another(tmp_path: Path) -> None:
    rule = FaultRule(kind="status", status=503, rate=0.3)
    first, again, other = (statuses(tmp_path / str(n), Faults(seed=s, rules=(rule,))) for n, s in enumerate((1, 1, 2)))
    assert first == again
    assert first != other
    assert 4 <= first.count(503) <= 20
    assert set(first) == {200, 503}


def test_skip_and_limit_bound_a_rule(tmp_path: Path) -> None:
    assert statuses(tmp_path, faults(kind="status", status=500, skip=2, limit=1), 5) == [200, 200, 500, 200, 200]


def test_rules_keep_to_their_route_and_method(tmp_path: Path) -> None:
    with serve(create_desk(tmp_path, faults=faults(kind="status", route="/tickets/*", methods=["PATCH"]))) as url:
        assert httpx.post(f"{url}/tickets", json={"id": "A"}).status_code == 201
        assert httpx.get(f"{url}/tickets/A").status_code == 200
        assert httpx.patch(f"{url}/tickets/A", json={"revision": 1}).status_code == 503


@pytest.mark.parametrize("kind", ["drop", "truncate"])
def test_a_lost_answer_does_not_undo_the_change(tmp_path: Path, kind: str) -> None:
    with serve(create_desk(tmp_path, faults=faults(kind=kind, methods=["POST"], limit=1))) as url:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            httpx.post(f"{url}/tickets", json={"id": "A"})
        assert httpx.get(f"{url}/tickets/A").json()["revision"] == 1


@pytest.mark.parametrize(("processed", "left"), [(False, 404), (True, 200)])
def test_a_failure_comes_before_or_after_the_change(tmp_path: Path, processed: bool, left: int) -> None:
    schedule = faults(kind="status", status=500, methods=["POST"], processed=processed)
    with serve(create_desk(tmp_path, faults=schedule)) as url:
        assert httpx.post(f"{url}/tickets", json={"id": "A"}).status_code == 500
        assert httpx.get(f"{url}/tickets/A").status_code == left


def test_429_says_when_to_come_again(tmp_path: Path) -> None:
    with serve(create_desk(tmp_path, faults=faults(kind="status", status=429, retry_after=2))) as url:
        answer = httpx.get(f"{url}/tickets")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")


def test_latency_delays_and_lets_through(tmp_path: Path) -> None:
    with serve(create_desk(tmp_path, faults=faults(kind="latency", seconds=0.3))) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/tickets", timeout=0.1)
        assert httpx.get(f"{url}/tickets", timeout=5).elapsed.total_seconds() >= 0.3


def test_a_schedule_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FAULTS_VARIABLE, raising=False)
    assert load_faults() == Faults()
    text = '{"seed": 9, "rules": [{"kind": "drop", "rate": 0.5}]}'
    path = tmp_path / "faults.json"
    path.write_text(text)
    assert load_faults(path).rules[0].kind == "drop"
    monkeypatch.setenv(FAULTS_VARIABLE, text)
    assert load_faults().seed == 9
    monkeypatch.setenv(FAULTS_VARIABLE, str(path))
    assert load_faults().seed == 9
    path.write_text('{"rules": [{"kind": "explode"}]}')
    with pytest.raises(SettingsError, match="kind"):
        load_faults()
