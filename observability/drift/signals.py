"""What is compared between reference and window, how far apart they are, and which tickets show it.

labels.<field>, language       the mix of labels: Pearson's chi-square. Effect: total variation distance, the share of tickets
                               that moved, 0..1
confidence, score, length      a number of each ticket: rank sum (Wilcoxon). Effect: Cliff's delta, -1..1, under 0 where the
                               window's are lower
embeddings                     the texts' vectors: energy distance (Szekely and Rizzo, 2004). Effect: energy coefficient, 0..1
rejected                       the stream of escalations: the highest CUSUM (Page, 1954) for doubled odds. Effect: difference of
                               the rates, -1..1
accuracy, calibration          what people said: difference of the means, which is the effect too, -1..1

Every statistic becomes a p-value by permutation (see `permutation`). The CUSUM sees a rate that rises within the window earlier
than the window's mean does; a falling rate of escalations is no alarm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from observability.drift.permutation import Division, Floats, Places, Statistic, members
from observability.drift.sample import Observation

Kind: TypeAlias = Literal["mix", "rank", "topic", "rate", "mean"]
EXAMPLES = 5
ODDS = 2.0
"""The rise of the odds of an escalation that the CUSUM looks for."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal on `division.reference` + `division.window` tickets that have it.

    Args:
        examples: places of the window's tickets that show it best, counted among the window's tickets that have the signal.
        moved: what moved, in a word or two (a label, `up`, `down`); "" where there is nothing to name.
    """

    kind: Kind
    division: Division
    statistic: Statistic
    effect: float
    examples: Sequence[int]
    moved: str = ""


def mix(reference: Sequence[str], window: Sequence[str]) -> Signal:
    """Compares how often each label occurs."""
    labels, index = np.unique([*reference, *window], return_inverse=True)
    division = Division(len(reference), len(window))
    one_hot = np.eye(len(labels), dtype=np.float32)[index]
    totals = one_hot.sum(axis=0)
    expected = totals * (division.window / division.total)

    def statistic(places: Places) -> Floats:
        counts = members(places, division.total) @ one_hot
        return np.asarray((((counts - expected) ** 2) / totals).sum(axis=1), dtype=np.float64)

    now = one_hot[division.reference :].mean(axis=0)
    moved = now - one_hot[: division.reference].mean(axis=0)
    grown = int(moved.argmax())
    examples = [i for i, label in enumerate(index[division.reference :]) if label == grown]
    effect = float(0.5 * np.abs(moved).sum())
    return Signal("mix", division, statistic, effect, examples[-EXAMPLES:], str(labels[grown]) if effect else "")


def rank(reference: Floats, window: Floats) -> Signal:
    """Compares whether the window's numbers are lower or higher; any shape of distribution, ties count half."""
    from scipy.stats import rankdata

    division = Division(len(reference), len(window))
    ranks = rankdata(np.concatenate([reference, window]))
    centred = (ranks - ranks.mean()).astype(np.float64)
    delta = 2.0 * float(centred[division.reference :].sum()) / (division.reference * division.window)
    order = np.argsort(window, kind="stable")
    examples = (order[::-1] if delta > 0 else order)[:EXAMPLES]
    return Signal("rank", division, _of_means(centred), delta, examples.tolist(), _way(delta))


def topic(reference: NDArray[np.float32], window: NDArray[np.float32]) -> Signal:
    """Compares unit vectors, shapes (n, d) and (m, d). The examples are the window's that are furthest from the reference
    for how near they are to each other: what a new topic looks like."""
    division = Division(len(reference), len(window))
    return _topic(_distances(np.concatenate([reference, window])), division)


def rate(reference: NDArray[np.bool_], window: NDArray[np.bool_]) -> Signal:
    """Watches a stream of yes and no, oldest first, for a rise from the usual rate to doubled odds."""
    division = Division(len(reference), len(window))
    events = np.concatenate([reference, window]).astype(np.float64)
    usual = float(np.clip(events.mean(), 0.01, 0.9))
    odds = ODDS * usual / (1.0 - usual)
    risen = odds / (1.0 + odds)
    gains = np.array([np.log((1.0 - risen) / (1.0 - usual)), np.log(risen / usual)])
    steps: Floats = gains[events.astype(np.intp)]

    def statistic(places: Places) -> Floats:
        return _highest(np.take(steps, places))

    began = _began(steps[division.reference :])
    examples = [i for i in np.flatnonzero(window).tolist() if i >= began]
    difference = float(np.mean(window)) - float(np.mean(reference))
    return Signal("rate", division, statistic, difference, examples[:EXAMPLES], _way(difference))


def mean(reference: Floats, window: Floats) -> Signal:
    """Compares means; the examples are the window's lowest."""
    division = Division(len(reference), len(window))
    values = np.concatenate([reference, window])
    difference = float(window.mean() - reference.mean())
    examples = np.argsort(window, kind="stable")[:EXAMPLES].tolist()
    return Signal("mean", division, _of_means(values - values.mean()), difference, examples, _way(difference))


def values(observations: Sequence[Observation], read: Callable[[Observation], float]) -> tuple[Floats, NDArray[np.intp]]:
    """The numbers that are known, and at which places."""
    numbers = np.array([read(one) for one in observations], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(numbers))
    return numbers[known], known


def _of_means(centred: Floats) -> Statistic:
    def statistic(places: Places) -> Floats:
        return np.asarray(np.abs(np.take(centred, places).sum(axis=1)))

    return statistic


def _way(effect: float) -> str:
    return "up" if effect > 0 else "down" if effect < 0 else ""


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean, between unit vectors (n, d): shape (n, n)."""
    cosines = np.clip(vectors @ vectors.T, -1.0, 1.0)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0))
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances, dtype=np.float32)


def _topic(distances: NDArray[np.float32], division: Division) -> Signal:
    """Energy distance 2 E|X-Y| - E|X-X'| - E|Y-Y'|, from sums over who is in the window: z'D1, z'Dz and their rest."""
    n, m = division.reference, division.window
    sums = distances.sum(axis=1, dtype=np.float64)
    everything = float(sums.sum())

    def parts(places: Places) -> tuple[Floats, Floats]:
        """Energy distance and mean distance between the two sides, of each division."""
        marked = members(places, division.total)
        inside = np.einsum("ij,ij->i", marked @ distances, marked, dtype=np.float64)
        to_all = np.take(sums, places).sum(axis=1)
        between = (to_all - inside) / (n * m)
        outside = everything - 2.0 * to_all + inside
        return np.asarray(2.0 * between - inside / m**2 - outside / n**2), np.asarray(between)

    def statistic(places: Places) -> Floats:
        return parts(places)[0]

    energy, between = parts(division.observed)
    to_reference = distances[n:, :n].mean(axis=1)
    to_window = distances[n:, n:].mean(axis=1)
    examples = np.argsort(to_window - to_reference, kind="stable")[:EXAMPLES].tolist()
    effect = float(energy[0] / (2.0 * between[0])) if between[0] > 0 else 0.0
    return Signal("topic", division, statistic, max(0.0, effect), examples)


def _highest(steps: Floats) -> Floats:
    """The highest point of max(0, S + step) along the last axis."""
    total = np.cumsum(steps, axis=-1)
    lowest = np.minimum(np.minimum.accumulate(total, axis=-1), 0.0)
    return np.asarray((total - lowest).max(axis=-1))


def _began(steps: Floats) -> int:
    """Where the climb to the CUSUM's highest point began: the first place after its last zero."""
    total = np.cumsum(steps)
    lowest = np.minimum(np.minimum.accumulate(total), 0.0)
    top = int((total - lowest).argmax())
    before = np.flatnonzero(total[: top + 1] - lowest[: top + 1] <= 0.0)
    return int(before[-1]) + 1 if before.size else 0
