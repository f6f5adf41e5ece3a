"""The mock resolution systems: same request, same answer; one key, one action."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mocks.serve import serve
from mocks.systems import Action, create_systems, outcome

NAMES = ("directorio", "impresoras")
ACTION = {"action": "desbloquear", "ticket": "INC-1", "parameters": {"cuenta": "ana", "motivo": "olvido"}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serve(create_systems(tmp_path_factory.mktemp("state"), names=NAMES)) as url, httpx.Client(base_url=url) as http:
        yield http


def test_only_configured_systems_exist(client: httpx.Client) -> None:
    assert client.get("/systems").json() == {"systems": list(NAMES)}
    answer = client.post("/systems/nominas/actions", json=ACTION)
    assert answer.status_code == 404
    assert "directorio" in answer.json()["remedy"]
    assert client.get("/systems/nominas/calls").status_code == 404


def test_the_answer_follows_from_the_request_alone(client: httpx.Client) -> None:
    first = client.post("/systems/directorio/actions", json=ACTION).json()
    turned = {**ACTION, "parameters": {"motivo": "olvido", "cuenta": "ana"}}
    assert client.post("/systems/directorio/actions", json=turned).json() == first
    assert client.post("/systems/impresoras/actions", json=ACTION).json() != first
    assert client.post("/systems/directorio/actions", json={**ACTION, "ticket": "INC-2"}).json() != first


def test_a_key_is_carried_out_once_and_every_call_is_logged(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "k"}
    first, second = (client.post("/systems/directorio/actions", json=ACTION, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replay"] == "true"
    assert client.post("/systems/directorio/actions", json={"action": "borrar"}, headers=key).status_code == 422
    assert client.post("/systems/impresoras/actions", json={"action": "borrar"}, headers=key).status_code == 200
    calls = client.get("/systems/directorio/calls").json()["calls"]
    assert [(c["key"], c["replayed"], c["request"]["action"]) for c in calls if c["key"]] == [
        ("k", False, "desbloquear"),
        ("k", True, "desbloquear"),
    ]


def test_the_log_survives_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with serve(create_systems(tmp_path, names=NAMES)) as url:
            httpx.post(f"{url}/systems/directorio/actions", json=ACTION, headers={"Idempotency-Key": "k"})
            calls = httpx.get(f"{url}/systems/directorio/calls").json()["calls"]
    assert [c["replayed"] for c in calls] == [False, True]


def test_some_requests_are_rejected() -> None:
    results = [outcome("directorio", Action(action="x"), f"{n:02x}" + "0" * 62)["status"] for n in range(256)]
    assert results.count("rejected") == 16
