"""P-values by permutation: how often a random part of all tickets differs from the rest as much as the window does.

If reference and window come from one distribution (more exactly: if their tickets are exchangeable), such a p-value is exact
for any statistic and any number of tickets: P(p <= a) <= a, without a table or an approximation for large numbers. It counts
the observed division as one of the draws (Phipson and Smyth, "Permutation p-values should never be zero", 2010).

Draws stop as soon as `ENOUGH` of them reach the observed value; then p is `ENOUGH` / draws, which is still a valid p-value
(Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991). So quiet signals cost a few dozen draws, and
only a real alarm costs all of them. Signals of the same tickets see the same draws: Holm's correction allows any dependence.

What is not exchangeable even in quiet times (weekdays, one incident with fifty tickets) is seen as a change. Windows of whole
weeks take care of the weekdays; an incident is a change, and the examples show it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
"""Shape (divisions, tickets of the window): which of the pooled tickets play the window, in their order."""
Statistic: TypeAlias = Callable[[Places], Floats]
"""The value of each division, shape (divisions,): the larger, the further the window is from the rest."""

ENOUGH = 20
FIRST_BLOCK, LARGEST_BLOCK = 64, 2_048


@dataclass(frozen=True, slots=True)
class Division:
    """`reference` tickets come first among the pooled ones, `window` tickets after them."""

    reference: int
    window: int

    @property
    def total(self) -> int:
        """All tickets."""
        return self.reference + self.window

    @property
    def observed(self) -> Places:
        """The division as it is, shape (1, window)."""
        return np.arange(self.reference, self.total)[None, :]


@dataclass(frozen=True, slots=True)
class Draws:
    """At most `most` random divisions, always the same ones for a `seed`, in blocks that grow; the first ones are kept."""

    most: int
    seed: int
    _kept: dict[tuple[Division, int], Places] = field(default_factory=dict)

    def blocks(self, division: Division) -> Iterator[Places]:
        """Who plays the window, in the order of the draw."""
        left, size, number = self.most, FIRST_BLOCK, 0
        while left > 0:
            yield self._block(division, number, min(size, left))
            left, size, number = left - size, min(2 * size, LARGEST_BLOCK), number + 1

    def _block(self, division: Division, number: int, rows: int) -> Places:
        key = (division, number)
        if key in self._kept:
            return self._kept[key]
        drawn = _drawn(division, rows, np.random.default_rng((self.seed, number)))
        if rows < LARGEST_BLOCK:
            self._kept[key] = drawn
        return drawn


def permutation_p(statistic: Statistic, division: Division, draws: Draws) -> float:
    """The p-value of the observed division against random ones; never under 1 / (draws.most + 1)."""
    observed = float(statistic(division.observed)[0])
    least = observed - 1e-9 * abs(observed)  # sums in another order differ in the last digits: a tie counts as reached
    reached = done = 0
    for places in draws.blocks(division):
        hits = np.flatnonzero(statistic(places) >= least)
        if reached + len(hits) >= ENOUGH:
            return ENOUGH / (done + int(hits[ENOUGH - reached - 1]) + 1)
        reached, done = reached + len(hits), done + len(places)
    return (reached + 1) / (done + 1)


def members(places: Places, total: int) -> NDArray[np.float32]:
    """1 for who plays the window, 0 for the rest: shape (divisions, total)."""
    marked = np.zeros((len(places), total), dtype=np.float32)
    np.put_along_axis(marked, places, 1.0, axis=1)
    return marked


def _drawn(division: Division, rows: int, rng: np.random.Generator) -> Places:
    """Drawn without putting back: the first places of `rows` shuffles (Fisher and Yates) side by side, shape (rows, window)."""
    order = np.repeat(np.arange(division.total)[:, None], rows, axis=1)
    column = np.arange(rows)
    for place in range(division.window):
        other = rng.integers(place, division.total, rows)
        taken = order[other, column]
        order[other, column] = order[place]
        order[place] = taken
    return np.ascontiguousarray(order[: division.window].T)
