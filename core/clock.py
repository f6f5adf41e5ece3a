"""Where the time of a batch goes, by stage."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up the seconds spent in each named stage; `stage` is the one entered last."""

    def __init__(self) -> None:
        self.stage = ""
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a `with` block as `stage`."""
        self.stage = stage
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def shares(self, tickets: int) -> dict[str, float]:
        """Seconds per ticket of each stage so far."""
        return {stage: seconds / tickets for stage, seconds in self.seconds.items()}
