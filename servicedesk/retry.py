"""The one retry policy and the one timeout policy of every service desk adapter."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which a repeatable request may be sent again."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long one operation may take, its retries included.

    `timeout`: seconds to wait for a connection, for the desk to take the request, and for each part of the answer.
    `deadline`: seconds for the whole operation, pauses included. `attempts`: failures after which it gives up.
    `first` and `longest`: seconds of the first and the longest pause; each pause is twice the one before, less up to half
    at random, and never shorter than the desk's Retry-After. `knocks`: attempts for a desk that never answered yet.
    """

    timeout: float = 10.0
    deadline: float = 60.0
    attempts: int = 8
    first: float = 0.05
    longest: float = 5.0
    knocks: int = 3


class Attempts:
    """The attempts of one operation: ask `again` after each failure."""

    def __init__(
        self, policy: Policy, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + policy.deadline
        self.failures = 0

    @property
    def timeout(self) -> float:
        """Seconds for the next request: the policy's, or what is left until the deadline."""
        return max(0.001, min(self._policy.timeout, self._end - self._clock()))

    def again(self, at_least: float = 0.0, *, limit: int | None = None) -> bool:
        """Pause and give True, or give False at once where the attempts or the time would not suffice."""
        self.failures += 1
        longest = min(self._policy.longest, self._policy.first * 2 ** (self.failures - 1))
        pause = at_least + longest * random.uniform(0.5, 1.0)
        if self.failures >= (limit or self._policy.attempts) or self._clock() + pause >= self._end:
            return False
        self._sleep(pause)
        return True
