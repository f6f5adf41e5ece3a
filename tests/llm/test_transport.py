"""Retries, pauses and rest of a line to a server, with a clock that nobody waits for."""

from collections.abc import Callable

import httpx
import pytest

from core.errors import ModelError
from llm.transport import Line, Policy

POLICY = Policy(timeout=10, attempts=3, first=1.0, longest=20.0, rest=30.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def line(clock: Clock, reply: Callable[[int], httpx.Response]) -> tuple[Line, list[int]]:
    count = [0]

    def handle(_: httpx.Request) -> httpx.Response:
        count[0] += 1
        return reply(count[0])

    url = httpx.URL("http://user:word@h/v1/chat/completions")
    return Line(url, {}, POLICY, transport=httpx.MockTransport(handle), clock=clock, sleep=clock.sleep), count


def refused(_: int) -> httpx.Response:
    raise httpx.ConnectError("refused")


def late(_: int) -> httpx.Response:
    raise httpx.ReadTimeout("late")


def test_pauses_grow_and_follow_retry_after() -> None:
    clock = Clock()
    asked, count = line(clock, lambda n: httpx.Response(429, headers={"retry-after": "7"}) if n < 3 else httpx.Response(200))
    assert asked.post(b"{}") == b""
    assert (count, clock.pauses) == ([3], [7.0, 7.0])
    clock = Clock()
    with pytest.raises(ModelError, match="Nothing answers at http://h/v1"):
        line(clock, refused)[0].post(b"{}")
    assert 0.5 <= clock.pauses[0] <= 1.0 <= clock.pauses[1] <= 2.0
    assert len(clock.pauses) == 2


@pytest.mark.parametrize("when", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_that_is_too_long_is_none(when: str) -> None:
    clock = Clock()
    asked, count = line(clock, lambda _: httpx.Response(429, headers={"retry-after": when}))
    with pytest.raises(ModelError, match="answered 429"):
        asked.post(b"{}")
    assert (count, clock.pauses) == ([1], [])


def test_a_dead_server_rests_and_is_then_asked_again() -> None:
    clock = Clock()
    asked, count = line(clock, lambda n: refused(n) if n < 4 else httpx.Response(200))
    for _ in range(5):
        with pytest.raises(ModelError, match="Nothing answers at"):
            asked.post(b"{}")
    assert count == [3]
    clock.now += 31
    assert asked.post(b"{}") == b""
    assert asked.post(b"{}") == b""


def test_two_late_answers_in_a_row_are_one_too_many() -> None:
    clock = Clock()
    asked, count = line(clock, lambda n: httpx.Response(200) if n == 2 else late(n))
    for cause in ("within 10 s", "", "within 10 s", "within 10 s", "is not asked"):
        if cause:
            with pytest.raises(ModelError, match=cause):
                asked.post(b"{}")
        else:
            asked.post(b"{}")
    assert count == [4]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refusal_is_not_repeated(status: int) -> None:
    asked, count = line(Clock(), lambda _: httpx.Response(status, text="why\n  not"))
    with pytest.raises(ModelError, match=f"http://h/v1/chat/completions answered {status}: why not"):
        asked.post(b"{}")
    assert count == [1]
