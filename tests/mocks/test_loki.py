"""The mock Loki: its limits as Loki has them, what it stores of a bad request, and reading back."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mocks.faults import FaultRule, Faults
from mocks.loki import Limits, create_loki
from mocks.serve import serve

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
PUSH = "/loki/api/v1/push"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with serve(create_loki(tmp_path, clock=lambda: NOW)) as url, httpx.Client(base_url=url) as http:
        yield http


def push(client: httpx.Client, *values: list[Any], **labels: str) -> httpx.Response:
    body = {"streams": [{"stream": labels or {"app": "x"}, "values": list(values)}]}
    return client.post(PUSH, json=body)


def lines(client: httpx.Client, query: str = '{app="x"}', **more: object) -> list[str]:
    asked: dict[str, Any] = {
        "query": query,
        "start": str(NOW - 8 * 86400 * SECOND),
        "end": str(NOW + 3600 * SECOND),
        "limit": 5000,
        "direction": "forward",
    }
    answer = client.get("/loki/api/v1/query_range", params=asked | more)
    assert answer.status_code == 200, answer.text
    return [line for stream in answer.json()["data"]["result"] for _, line in stream["values"]]


@pytest.mark.parametrize(
    ("at", "line", "metadata", "labels", "said"),
    [
        (0, "x" * (256 * 1024 + 1), {}, {}, "Max entry size '262144' bytes exceeded"),
        (0, "é" * (128 * 1024 + 1), {}, {}, "length '262146' bytes"),
        (-7 * 86400 - 1, "x", {}, {}, "has timestamp too old"),
        (601, "x", {}, {}, "has timestamp too new"),
        (0, "x", {"a": "y" * 64 * 1024}, {}, "has structured metadata too large: '65537' bytes"),
        (0, "x", {f"n{i}": "" for i in range(129)}, {}, "too many structured metadata labels: '129', limit: '128'"),
        (0, "x", {}, {f"l{i}": "y" for i in range(16)}, "has 16 label names; limit 15"),
        (0, "x", {}, {"a": "y" * 2049}, "has label value too long"),
        (0, "x", {}, {"a" * 1025: "y"}, "has label name too long"),
        (0, "x", {}, {"a-b": "y"}, "Error parsing labels"),
    ],
)
def test_what_loki_refuses_is_refused_and_the_rest_is_stored(
    client: httpx.Client, at: int, line: str, metadata: dict[str, str], labels: dict[str, str], said: str
) -> None:
    streams = [
        {"stream": {"app": "x"}, "values": [[str(NOW), "good"]]},
        {"stream": labels or {"app": "x"}, "values": [[str(NOW + at * SECOND), line, metadata]]},
    ]
    answer = client.post(PUSH, json={"streams": streams})
    assert (answer.status_code, said in answer.text) == (400, True), answer.text[:300]
    assert lines(client) == ["good"]


def test_what_is_just_within_the_limits_is_stored(client: httpx.Client) -> None:
    labels = {"app": "x"} | {f"l{i}": "y" * 2048 for i in range(14)}
    oldest = [str(NOW - 7 * 86400 * SECOND), "old"]
    assert push(client, oldest, app="x", age="old").status_code == 204
    ahead = [str(NOW + 600 * SECOND), "x" * 256 * 1024, {"a": "y" * (64 * 1024 - 1)}]
    assert push(client, ahead, **labels).status_code == 204
    assert [len(line) for line in lines(client)] == [3, 256 * 1024]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"streams": []}', {}, 422),
        (b"{", {}, 400),
        (b'{"streams": [{"stream": {"app": "x"}, "values": [[1790000000000000000, "number"]]}]}', {}, 400),
        (b'{"streams": [{"stream": {"app": "x"}, "values": [["1790000000000000000", "l", {"n": 1}]]}]}', {}, 400),
        (b'{"streams": [{"stream": {"app": "x"}, "values": [["soon", "l"]]}]}', {}, 400),
        (b'{"streams": [{"stream": {}, "values": [["1790000000000000000", "l"]]}]}', {}, 400),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Content-Encoding": "br"}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 400),
    ],
)
def test_a_request_of_another_form_is_refused(client: httpx.Client, body: bytes, headers: dict[str, str], status: int) -> None:
    assert client.post(PUSH, content=body, headers={"Content-Type": "application/json"} | headers).status_code == status


def test_the_same_line_at_the_same_nanosecond_is_stored_once(client: httpx.Client) -> None:
    for _ in range(2):
        body = gzip.compress(json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(NOW), "a"]]}]}).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        assert client.post(PUSH, content=body, headers=headers).status_code == 204
    push(client, [str(NOW), "b"])
    push(client, [str(NOW + 1), "a"])
    push(client, [str(NOW), "a"], app="x", other="stream")
    assert sorted(lines(client)) == ["a", "a", "a", "b"]


def test_an_hour_behind_its_stream_is_too_far_also_for_what_is_there(client: httpx.Client) -> None:
    early, late = [str(NOW - 3601 * SECOND), "early"], [str(NOW), "late"]
    assert push(client, early, late).status_code == 204
    again = push(client, early, late)
    assert again.status_code == 400
    assert "entry too far behind, entry timestamp is: " in again.text
    assert push(client, [str(NOW - 3600 * SECOND), "in time"]).status_code == 204
    assert push(client, early, app="x", other="stream").status_code == 204
    assert lines(client, '{app="x", other=""}') == ["early", "in time", "late"]


def test_over_the_rate_nothing_is_stored_until_time_has_passed(tmp_path: Path) -> None:
    clock = [NOW]
    app = create_loki(tmp_path, limits=Limits(rate=1000, burst=1500), clock=lambda: clock[0])
    with serve(app) as url, httpx.Client(base_url=url) as http:
        assert push(http, [str(NOW), "x" * 1500]).status_code == 204
        over = push(http, [str(NOW), "y" * 1000], [str(NOW), "z" * 10])
        assert over.status_code == 429
        assert "Ingestion rate limit exceeded for user fake (limit: 1000 bytes/sec)" in over.text
        clock[0] += 2 * SECOND
        assert push(http, [str(NOW), "y" * 1000]).status_code == 204
        assert sorted({line[0] for line in lines(http)}) == ["x", "y"]


def test_queries(client: httpx.Client) -> None:
    for i in range(10):
        push(client, [str(NOW + i), f'line "{i}"', {"ticket": f"T-{i}"}], app="x", kind="odd" if i % 2 else "even")
    assert client.get("/ready").text == "ready\n"
    assert client.get("/loki/api/v1/labels").json()["data"] == ["app", "kind"]
    assert lines(client, '{app="x", kind!="even"}') == [f'line "{i}"' for i in range(1, 10, 2)]
    assert lines(client, '{kind=~"odd|even"} |= "\\"3\\""') == ['line "3"']
    assert lines(client, limit=2, direction="backward") == ['line "9"', 'line "8"']
    assert lines(client, start=str(NOW + 4), end=str(NOW + 6)) == ['line "4"', 'line "5"']
    found = client.get("/loki/api/v1/query_range", params={"query": '{app="x"}', "start": str(NOW), "end": str(NOW + 1)}).json()
    assert found["data"]["result"][0]["stream"] == {"app": "x", "kind": "even", "ticket": "T-0"}
    for wrong in ({"query": "sum(rate())"}, {"query": '{app="x"}', "limit": "5001"}, {"query": '{app="x"}', "start": "today"}):
        assert client.get("/loki/api/v1/query_range", params=wrong).status_code == 400


def test_faults_strike_before_or_after_it_is_stored(tmp_path: Path) -> None:
    rules = tuple(
        FaultRule(kind=kind, route=PUSH, skip=skip, limit=1, status=500, processed=True)
        for skip, kind in enumerate(("status", "drop", "truncate"))
    )
    with serve(create_loki(tmp_path, faults=Faults(rules=rules), clock=lambda: NOW)) as url, httpx.Client(base_url=url) as http:
        assert push(http, [str(NOW), "a"]).status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            push(http, [str(NOW), "b"])
        assert sorted(lines(http)) == ["a", "b"]
