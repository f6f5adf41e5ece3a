"""The retry policy, with a clock of its own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from core.pauses import retry_after
from servicedesk.retry import Attempts, Policy


@dataclass
class Clock:
    """Time passes only while somebody sleeps."""

    now: float = 100.0
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def attempts(clock: Clock, **policy: float) -> Attempts:
    return Attempts(Policy(**policy), clock=clock, sleep=clock.sleep)  # type: ignore[arg-type]


def test_pauses_double_up_to_the_longest_with_up_to_half_taken_off() -> None:
    clock = Clock()
    tries = attempts(clock, first=1.0, longest=4.0, attempts=6, deadline=1000.0)
    assert [tries.again() for _ in range(6)] == [True] * 5 + [False]
    for pause, full in zip(clock.pauses, (1, 2, 4, 4, 4), strict=True):
        assert full / 2 <= pause <= full


def test_no_pause_is_shorter_than_the_desk_asks_for() -> None:
    clock = Clock()
    assert attempts(clock, first=0.1, deadline=60.0).again(7.0)
    assert 7.0 < clock.pauses[0] <= 7.1


def test_a_pause_beyond_the_deadline_is_not_begun() -> None:
    clock = Clock()
    assert not attempts(clock, deadline=10.0).again(10.0)
    assert clock.pauses == []


def test_a_request_never_waits_longer_than_what_is_left() -> None:
    clock = Clock()
    tries = attempts(clock, timeout=10.0, deadline=15.0)
    assert tries.timeout == 10.0
    clock.now += 12.0
    assert tries.timeout == pytest.approx(3.0)
    clock.now += 12.0
    assert tries.timeout > 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert retry_after(value, today=datetime(2026, 10, 21, 7, 28, tzinfo=UTC)) == seconds
