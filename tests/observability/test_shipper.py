"""Shipping to Loki: nothing lost and nothing twice, whatever fails in between."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ShippingError, StorageError
from mocks.faults import FaultRule, Faults
from mocks.loki import Limits, create_loki
from mocks.serve import serve
from observability.journal import Journal
from observability.loki import Loki, Policy
from observability.loki_entry import line
from observability.records import now
from observability.shipper import Shipped, Shipper
from observability.shipping_state import ShippingState, read_standing, state_path
from tests.observability.loki_examples import decision, example, fill, nights, stored, times, written

ROOT = Path(__file__).parents[2]
QUICK = Policy(timeout=1.0, first=0.01, longest=0.3, patience=60.0)
PUSH = "/loki/api/v1/push"
FAULTS = Faults(
    seed=11,
    rules=(
        FaultRule(kind="status", route=PUSH, status=500, rate=0.06),
        FaultRule(kind="status", route=PUSH, status=503, rate=0.06, processed=True),
        FaultRule(kind="status", route=PUSH, status=429, rate=0.06, retry_after=0.05),
        FaultRule(kind="drop", route=PUSH, rate=0.06),
        FaultRule(kind="truncate", route=PUSH, rate=0.04),
        FaultRule(kind="latency", route=PUSH, rate=0.02, seconds=1.3),
    ),
)
"""Of a hundred pushes about thirty fail, half of these after they were stored, two with an answer after the client has gone."""
CHILD = """
import sys
from pathlib import Path
from observability.journal import Journal
from observability.loki import Loki, Policy
from observability.shipper import Shipper
from observability.shipping_state import ShippingState
policy = Policy(timeout=1.0, first=0.01, longest=0.3)
with Journal(Path(sys.argv[1])) as journal, ShippingState(Path(sys.argv[2])) as state, Loki(sys.argv[3], policy=policy) as loki:
    Shipper(journal, state, loki).ship(lambda count: None)
"""


def nothing(count: int) -> None:
    """Progress that nobody watches."""


@contextmanager
def shipper(home: Path, url: str, *, set_aside: bool = False) -> Iterator[tuple[Shipper, ShippingState]]:
    path = home / "journal.sqlite"
    state_file = state_path(home, name_of(path), url)
    with Journal(path) as journal, ShippingState(state_file) as state, Loki(url, policy=QUICK) as loki:
        yield Shipper(journal, state, loki, set_aside=set_aside), state


@pytest.fixture
def loki(tmp_path: Path) -> Iterator[str]:
    with serve(create_loki(tmp_path / "loki")) as url:
        yield url


def name_of(path: Path) -> str:
    with Journal(path) as journal:
        return journal.name


def survive_kills(home: Path, url: str, kills: int) -> int:
    """Ship by processes that are killed at random, `kills` of them at most, until one comes to its end; how many were killed."""
    journal = home / "journal.sqlite"
    state, rng = state_path(home, name_of(journal), url), random.Random(5)
    for killed in range(kills + 1):
        before, more = read_standing(state).cursor, rng.randrange(1, 400)
        with subprocess.Popen([sys.executable, "-c", CHILD, str(journal), str(state), url], cwd=ROOT) as process:
            while killed < kills and process.poll() is None and read_standing(state).cursor < before + more:
                time.sleep(0.005)
            if killed == kills or process.poll() is not None:
                assert process.wait(600) == 0
                return killed
            time.sleep(rng.uniform(0.0, 0.2))
            process.send_signal(signal.SIGKILL)
    raise AssertionError("the last one is never killed")


def assert_each_is_there_once(home: Path, url: str, count: int) -> None:
    path = home / "journal.sqlite"
    entries = stored(url, name_of(path))
    assert len(entries) == count
    assert times(entries) == dict.fromkeys(range(1, count + 1), 1)
    with Journal(path) as journal:
        expected = {read.seq: read.record for read in journal.tail(0, count)}
    for one in entries:
        record = expected[one["seq"]]
        assert (one["kind"], one["run"]) == (record.kind, record.run)
        assert one["at"] == record.model_dump(mode="json")["at"]


NIGHTS = [timedelta(days=12), timedelta(days=5), timedelta(days=3), timedelta(hours=3)]


def test_killed_at_random_with_a_failing_loki_nothing_is_lost_and_nothing_is_twice(tmp_path: Path) -> None:
    count = fill(tmp_path / "journal.sqlite", nights(4996, ages=NIGHTS))
    with serve(create_loki(tmp_path / "loki", faults=FAULTS)) as url:
        killed = survive_kills(tmp_path, url, kills=3)
        assert_each_is_there_once(tmp_path, url, count)
    assert killed
    standing = read_standing(state_path(tmp_path, name_of(tmp_path / "journal.sqlite"), url))
    assert (standing.cursor, standing.shipped, standing.dead) == (count, count, 0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = fill(tmp_path / "journal.sqlite", nights(100_000, ages=NIGHTS))
    with serve(create_loki(tmp_path / "loki", faults=FAULTS)) as url:
        start = time.perf_counter()
        killed = survive_kills(tmp_path, url, kills=25)
        seconds = time.perf_counter() - start
        assert_each_is_there_once(tmp_path, url, count)
    with capsys.disabled():
        print(f"\n{count} records, {killed} shippers killed: {seconds:.0f} s, {count / seconds:.0f} records/s; 0 lost, 0 twice")


@pytest.mark.server
@pytest.mark.skipif("LOKI_URL" not in os.environ, reason="LOKI_URL is not set")
def test_a_real_loki(tmp_path: Path) -> None:
    url = os.environ["LOKI_URL"].rstrip("/")
    count = fill(tmp_path / "journal.sqlite", nights(5000, ages=[timedelta(hours=5), timedelta(hours=3)]))
    survive_kills(tmp_path, url, kills=5)
    assert_each_is_there_once(tmp_path, url, count)


def test_what_is_added_is_shipped_the_next_time_and_nothing_else(tmp_path: Path, loki: str) -> None:
    path = tmp_path / "journal.sqlite"
    fill(path, [[example.started(), *(decision(i, now()) for i in range(7))]])
    done: list[int] = []
    with shipper(tmp_path, loki) as (one, _):
        assert one.ship(done.append) == Shipped(8, 0)
        assert one.ship(done.append) == Shipped(0, 0)
    fill(path, [[written(1, now())]])
    with shipper(tmp_path, loki) as (one, _):
        assert one.ship(done.append) == Shipped(1, 0)
    assert sum(done) == 9
    assert_each_is_there_once(tmp_path, loki, 9)


def test_a_lost_state_stores_nothing_twice_of_what_loki_still_takes(tmp_path: Path, loki: str) -> None:
    start = now() - timedelta(minutes=50)
    count = fill(tmp_path / "journal.sqlite", [[decision(i, start + timedelta(minutes=i // 10)) for i in range(400)]])
    for _ in range(2):
        with shipper(tmp_path, loki) as (one, state):
            assert one.ship(nothing) == Shipped(count, 0)
        state.path.unlink()
    assert_each_is_there_once(tmp_path, loki, count)


def test_times_grow_within_a_stream_and_are_those_of_the_records_where_loki_takes_them(tmp_path: Path, loki: str) -> None:
    old, recent, ahead = now() - timedelta(days=30), now() - timedelta(hours=8), now() + timedelta(hours=2)
    moments = [old, old, recent, recent, recent - timedelta(hours=6), ahead]
    fill(tmp_path / "journal.sqlite", [[example.started(), *(decision(i, at) for i, at in enumerate(moments))]])
    with shipper(tmp_path, loki) as (one, _):
        assert one.ship(nothing) == Shipped(7, 0)
    found = sorted(stored(loki, name_of(tmp_path / "journal.sqlite"))[1:], key=lambda entry: entry["seq"])
    at = [entry["_at"] for entry in found]
    assert at == sorted(set(at))
    assert at[2] == round(recent.timestamp() * 10**6) * 1000
    assert at[3] == at[2] + 1
    assert at[4] == at[3] + 1
    assert [entry["at"] for entry in found] == [m.isoformat().replace("+00:00", "Z") for m in moments]
    assert all("ticket_id" in entry["_labels"] for entry in found), "structured metadata"


def test_a_bad_record_is_found_and_kept_and_the_others_are_stored(tmp_path: Path) -> None:
    """The mock takes shorter lines than Loki, so that three records are too long for it."""
    path = tmp_path / "journal.sqlite"
    long = [decision(i, now(), body="x" * 3000) if i in (3, 4, 90) else decision(i, now()) for i in range(200)]
    count = fill(path, [[example.started(), *long]])
    with serve(create_loki(tmp_path / "loki", limits=Limits(line=3000))) as url:
        with shipper(tmp_path, url) as (one, state):
            assert one.ship(nothing) == Shipped(count - 3, 3)
            letters = state.dead()
            assert one.ship(nothing) == Shipped(0, 0)
        assert sorted(times(stored(url, name_of(path)))) == [i for i in range(1, count + 1) if i not in (5, 6, 92)]
    assert [letter.seq for letter in letters] == [5, 6, 92]
    assert all(letter.cause.startswith("400 Max entry size '3000' bytes exceeded") for letter in letters)
    with serve(create_loki(tmp_path / "loki"), port=int(url.rpartition(":")[2])), shipper(tmp_path, url) as (one, state):
        assert one.resend(nothing) == Shipped(3, 0)
        assert state.dead() == []
        assert (state.standing().shipped, state.standing().cursor) == (count, count)
        assert_each_is_there_once(tmp_path, url, count)


def test_a_loki_that_refuses_everything_stops_the_shipper_unless_it_is_told_to_go_on(tmp_path: Path) -> None:
    fill(tmp_path / "journal.sqlite", [[decision(i, now()) for i in range(50)]])
    with serve(create_loki(tmp_path / "loki", limits=Limits(metadata=1))) as url:
        with shipper(tmp_path, url) as (one, state), pytest.raises(ShippingError, match="refuses every record: 400 stream"):
            one.ship(nothing)
        with shipper(tmp_path, url, set_aside=True) as (one, state):
            assert (state.dead(), state.standing().cursor) == ([], 0)
            assert one.ship(nothing) == Shipped(0, 50)
            assert len(state.dead()) == 50


def test_what_was_written_down_is_sent_byte_for_byte_after_a_crash(tmp_path: Path, loki: str) -> None:
    """Loki is gone for the first; what that had written down is what the second sends, whatever the time is by then."""
    path = tmp_path / "journal.sqlite"
    count = fill(path, [[decision(i, now() - timedelta(days=20)) for i in range(30)]])
    hours = 3600 * 10**9
    state_of_both = state_path(tmp_path, name_of(path), "x")
    with Journal(path) as journal:
        with ShippingState(state_of_both) as state, Loki("http://127.0.0.1:9", policy=Policy(patience=0.0)) as gone:
            with pytest.raises(ShippingError, match="does not take logs"):
                Shipper(journal, state, gone).ship(nothing)
            kept = state.pending()
        with ShippingState(state_of_both) as state, Loki(loki, policy=QUICK) as there:
            assert state.pending() == kept
            assert Shipper(journal, state, there, now=lambda: time.time_ns() + hours).ship(nothing) == Shipped(count, 0)
    assert_each_is_there_once(tmp_path, loki, count)


def test_two_shippers_at_once_are_refused(tmp_path: Path, loki: str) -> None:
    fill(tmp_path / "journal.sqlite", [[example.started()]])
    with shipper(tmp_path, loki), pytest.raises(StorageError, match="Another process is shipping"), shipper(tmp_path, loki):
        pass
    with shipper(tmp_path, loki) as (one, _):
        assert one.ship(nothing) == Shipped(1, 0)


def refusing(status: int, *, headers: tuple[tuple[bytes, bytes], ...] = (), times: int = 10**9) -> tuple[ASGIApp, list[int]]:
    """A server that answers `status` so many times, then 204, and counts."""
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        seen.append(status if len(seen) < times else 204)
        await send({"type": "http.response.start", "status": seen[-1], "headers": list(headers)})
        await send({"type": "http.response.body", "body": b""})

    return app, seen


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_wrong_address_or_password_is_an_error_at_once(status: int) -> None:
    app, seen = refusing(status)
    with serve(app) as url, Loki(url.replace("://", "://ana:s3cret@")) as loki, pytest.raises(ShippingError) as caught:
        loki.push(b"")
    assert "s3cret" not in str(caught.value)
    assert "observability.loki_" in caught.value.remedy
    assert seen == [status]


def test_pauses_double_with_jitter_and_honour_retry_after() -> None:
    for headers, least in (((), [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]), (((b"retry-after", b"3"),), [3.0, 3.0, 3.0, 4.0, 4.0, 4.0])):
        app, seen = refusing(429, headers=headers, times=6)
        pauses: list[float] = []
        with serve(app) as url, Loki(url, policy=Policy(first=1.0, longest=8.0, patience=1e9), sleep=pauses.append) as loki:
            assert loki.push(b"") == ""
        assert len(seen) == 7
        assert all(low <= pause <= max(2 * low, 3.0) for low, pause in zip(least, pauses, strict=True)), pauses


def test_it_gives_up_when_its_patience_is_at_an_end() -> None:
    app, _ = refusing(503)
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with serve(app) as url:
        policy = Policy(first=1.0, longest=4.0, patience=20.0)
        with Loki(url, policy=policy, clock=lambda: clock[0], sleep=sleep) as loki, pytest.raises(ShippingError, match="503"):
            loki.push(b"")
    assert 12.0 < clock[0] <= 20.0


@pytest.mark.parametrize("url", ["", "127.0.0.1:3100", "ftp://loki", "http://", "http://[::1"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(ShippingError, match="no address"):
        Loki(url)


def test_lines_are_what_the_journal_holds(tmp_path: Path, loki: str) -> None:
    fill(tmp_path / "journal.sqlite", [[example.started(), example.record(), example.finished()]])
    with shipper(tmp_path, loki) as (one, _):
        one.ship(nothing)
    with Journal(tmp_path / "journal.sqlite") as journal:
        expected = [line(read) for read in journal.tail()]
        entries = sorted(stored(loki, journal.name), key=lambda entry: entry["seq"])
    assert [json.loads(text) for text in expected] == [{k: v for k, v in e.items() if k[0] != "_"} for e in entries]
