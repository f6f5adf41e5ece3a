"""Ships the journal to Loki: every record once, whatever fails in between. The journal is the truth, Loki a view of it.

Batches are written down with their timestamps before they are sent and settled after; see `observability.shipping_state`. Of a
batch that Loki refuses, halves are sent until the culprits are alone; these become dead letters, the rest is in Loki.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.errors import ShippingError
from observability.journal import Journal
from observability.loki import Loki
from observability.loki_entry import Entry, entry, packed, stamped, unpacked
from observability.shipping_state import DeadLetter, Pending, ShippingState

BATCH_BYTES = 2**20
"""Bytes of a push, before it is compressed; Loki takes 4 MB a second, 6 MB at once."""
BATCH_ENTRIES = 2000
PAGE = 250
"""Records read from the journal at a time."""
SPAN = 30 * 60 * 1_000_000_000
"""Nanoseconds between a stream's entries in one push: Loki refuses what is an hour behind its stream, also what it has."""
HOPELESS = 20
"""Records refused with none taken, after which nothing more is tried: it is not the records."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """How many records are in Loki now that were not, and how many it refused."""

    stored: int = 0
    refused: int = 0

    def __add__(self, other: "Shipped") -> "Shipped":
        return Shipped(self.stored + other.stored, self.refused + other.refused)


Advance = Callable[[int], None]
"""Called with the number of records that are settled."""


class Shipper:
    """Sends a journal to a Loki.

    Args:
        set_aside: make dead letters also of a batch of which Loki takes nothing, instead of stopping there.
        now: nanoseconds since 1970.
    """

    def __init__(
        self,
        journal: Journal,
        state: ShippingState,
        loki: Loki,
        *,
        set_aside: bool = False,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._journal = journal
        self._state = state
        self._loki = loki
        self._set_aside = set_aside
        self._now = now

    def ship(self, advance: Advance) -> Shipped:
        """Send all that the journal has and Loki has not.

        Raises:
            ShippingError: Loki does not answer, or refuses everything. What was not sent is sent the next time.
        """
        total = self._finish(advance)
        for batch in batches(self._timed(self._unsent())):
            total += self._deliver(batch, batch[-1].seq, advance)
        return total

    def resend(self, advance: Advance) -> Shipped:
        """Send the dead letters again, as the journal has them and with new timestamps. Raises as `ship` does."""
        total = self._finish(advance)
        seqs = [letter.seq for letter in self._state.dead()]
        letters = (entry(one, self._journal.name) for seq in seqs for one in self._journal.tail(seq - 1, 1))
        for batch in batches(self._timed(letters)):
            total += self._deliver(batch, 0, advance)
        return total

    def _unsent(self) -> Iterator[Entry]:
        after, name = self._state.standing().cursor, self._journal.name
        while page := self._journal.tail(after, PAGE):
            yield from (entry(one, name) for one in page)
            after = page[-1].seq

    def _timed(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries with timestamps that Loki takes, growing within each stream."""
        newest = self._state.newest()
        for one in entries:
            at = stamped(one.at, newest.get(one.stream, 0), self._now())
            newest[one.stream] = max(at, newest.get(one.stream, 0))
            yield replace(one, at=at)

    def _deliver(self, batch: Sequence[Entry], through: int, advance: Advance) -> Shipped:
        self._state.prepare(Pending(through, packed(batch)), {one.stream: one.at for one in batch})
        return self._finish(advance)

    def _finish(self, advance: Advance) -> Shipped:
        """Send what was written down, if anything was, and settle it."""
        pending = self._state.pending()
        if pending is None:
            return Shipped()
        entries = unpacked(pending.body)
        refused = self._send(entries, pending.body)
        dead = {letter.seq for letter in refused}
        self._state.settle([one.seq for one in entries if one.seq not in dead], refused, _shown_now())
        advance(len(entries))
        return Shipped(len(entries) - len(refused), len(refused))

    def _send(self, entries: Sequence[Entry], body: bytes) -> list[DeadLetter]:
        """Send a batch; what Loki refuses of it, each alone and for good.

        A part is every other entry: bad neighbours are parted soon, so that something is taken early where anything can be.
        """
        refused: list[DeadLetter] = []
        taken, parts = 0, [entries]
        while parts:
            some = parts.pop()
            cause = self._loki.push(body if some is entries else packed(some))
            if not cause:
                taken += len(some)
            elif len(some) > 1:
                parts += (some[1::2], some[::2])
            else:
                refused.append(DeadLetter(some[0].seq, _shown_now(), some[0].labels["kind"], cause))
                self._stop_where_hopeless(refused, taken)
        return refused

    def _stop_where_hopeless(self, refused: Sequence[DeadLetter], taken: int) -> None:
        if len(refused) >= HOPELESS and not taken and not self._set_aside:
            raise ShippingError(
                f"Loki at {self._loki.shown} refuses every record: {refused[-1].cause}.",
                remedy="Correct what it says and ship again. --set-aside goes on; `observe dead --resend` sends them then.",
            )


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in lists that fit into one push and can be sent again whole, in part and in any order."""
    batch: list[Entry] = []
    first: dict[str, int] = {}
    size = 0
    for one in entries:
        far = one.at - first.get(one.stream, one.at) > SPAN
        if batch and (far or size + one.size > BATCH_BYTES or len(batch) == BATCH_ENTRIES):
            yield batch
            batch, first, size = [], {}, 0
        batch.append(one)
        first.setdefault(one.stream, one.at)
        size += one.size
    if batch:
        yield batch


def _shown_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
