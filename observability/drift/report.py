"""Reference against window: one report with every signal's effect, p-value, examples and what to do."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from observability.drift.correction import ALPHA, LOOKS, holm, over_looks
from observability.drift.permutation import Draws, permutation_p
from observability.drift.sample import Observation, digest
from observability.drift.signals import Signal, mean, mix, rank, rate, topic, values

Encode: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
Action: TypeAlias = Literal["topic", "labels", "sure", "texts", "rejected", "accuracy", "calibration"]
LEAST_REFERENCE, LEAST_WINDOW = 60, 30
"""With fewer tickets that have a signal it is not judged."""
MOST_REFERENCE, MOST_WINDOW = 1_000, 500
"""Of more tickets so many are drawn: the energy distance looks at every pair."""
DRAWS = 3
"""The draws are so many times those that the smallest p-value that counts would need."""
_READ: Mapping[str, tuple[Action, Callable[[Observation], float]]] = {
    "confidence": ("sure", lambda one: one.confidence),
    "score": ("sure", lambda one: one.score),
    "length": ("texts", lambda one: one.length),
}
_JUDGED: Mapping[str, tuple[Action, Callable[[Observation], float]]] = {
    "accuracy": ("accuracy", lambda one: one.right),
    "calibration": ("calibration", lambda one: one.gap),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of tickets: from `since` up to `until`, named by `version`."""

    version: str
    since: str
    until: str
    tickets: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What one signal says. `p_value` is its own, `p_adjusted` that of all signals and all looks; both None where it was not
    judged for want of tickets. `examples` are ticket ids, `moved` the label that grew or the way it went."""

    signal: str
    action: Action
    reference: int
    window: int
    effect: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    drifted: bool = False
    moved: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One look. `look` counts from 1 to `looks`, those that the reference serves; `alpha` is for all of them together.

    `changed` names the versions (of fit, model, ...) that the window's decisions have and the reference's had not.
    """

    reference: Span
    window: Span
    look: int
    looks: int
    alpha: float
    findings: tuple[Finding, ...]
    changed: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The signals with an alarm."""
        return tuple(one for one in self.findings if one.drifted)

    @property
    def refit(self) -> bool:
        """Whether to learn anew: people confirm less, confidences no longer hold, or other tickets come and are decided less
        surely. Other tickets that are decided as surely as ever are no reason."""
        alarms = {one.action for one in self.drifted}
        worse = {"accuracy", "calibration"} & {one.action for one in self.drifted if one.moved == "down"}
        return bool(worse) or bool(alarms & {"topic", "labels"} and alarms & {"sure", "rejected"})

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object, with `drifted` (names of signals) and `refit`."""
        return {**asdict(self), "drifted": [one.signal for one in self.drifted], "refit": self.refit}


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides, oldest first; `encode` gives unit vectors of texts, None leaves the embeddings out."""

    reference: Sequence[Observation]
    window: Sequence[Observation]
    encode: Encode | None = None

    def drawn(self) -> "Sides":
        """At most as many as can be compared pair by pair, always the same ones."""
        return Sides(_drawn(self.reference, MOST_REFERENCE), _drawn(self.window, MOST_WINDOW), self.encode)


def compare(sides: Sides, *, look: int = 1, looks: int = LOOKS, alpha: float = ALPHA, changed: Sequence[str] = ()) -> DriftReport:
    """Every signal of the window against the reference. The same observations give the same report.

    With `alpha` as the chance of any false alarm over all signals and `looks` looks (see `correction`).
    """
    drawn = sides.drawn()
    signals = dict(_signals(drawn))
    judged = {name: s for name, (_, s, _) in signals.items() if s is not None}
    most = math.ceil(DRAWS * max(1, len(judged)) * looks / alpha)
    draws = Draws(most, _seed(f"{digest(drawn.reference)} {digest(drawn.window)}"))
    p_values = {name: permutation_p(s.statistic, s.division, draws) for name, s in judged.items()}
    adjusted = {name: over_looks(p, looks) for name, p in holm(p_values).items()}
    findings = tuple(_finding(name, about, p_values.get(name), adjusted.get(name), alpha) for name, about in signals.items())
    return DriftReport(span(sides.reference), span(sides.window), look, looks, alpha, findings, tuple(changed))


def span(observations: Sequence[Observation]) -> Span:
    """The stretch that observations cover; of none it is empty."""
    moments = [one.at for one in observations]
    since, until = (min(moments), max(moments)) if moments else (None, None)
    return Span(digest(observations), _moment(since), _moment(until), len(observations))


_About: TypeAlias = tuple[Action, Signal | None, tuple[Sequence[Observation], Sequence[Observation]]]
"""What to do about it, the signal (None: too few tickets), and the tickets of each side that have it."""


def _signals(sides: Sides) -> Iterator[tuple[str, _About]]:
    fields = sorted({field for one in (*sides.reference, *sides.window) for field in one.labels})
    for field in fields:
        yield f"labels.{field}", _mixed(sides, "labels", lambda one, field=field: one.labels.get(field))  # type: ignore[misc]
    for name, (action, read) in _READ.items():
        yield name, _numbers(sides, action, read, rank)
    if sides.encode is not None:
        yield "embeddings", _topics(sides, sides.encode)
    yield "language", _mixed(sides, "texts", lambda one: one.language)
    yield "rejected", _rated(sides)
    for name, (action, read) in _JUDGED.items():
        yield name, _numbers(sides, action, read, mean)


def _mixed(sides: Sides, action: Action, read: Callable[[Observation], str | None]) -> _About:
    reference, window = ([one for one in side if read(one) is not None] for side in (sides.reference, sides.window))
    labels = [[read(one) or "" for one in side] for side in (reference, window)]
    return action, mix(*labels) if _enough(reference, window) else None, (reference, window)


def _numbers(sides: Sides, action: Action, read: Callable[[Observation], float], make: Callable[[Any, Any], Signal]) -> _About:
    (before, old), (now, new) = values(sides.reference, read), values(sides.window, read)
    had = [sides.reference[i] for i in old], [sides.window[i] for i in new]
    return action, make(before, now) if _enough(*had) else None, had


def _topics(sides: Sides, encode: Encode) -> _About:
    reference, window = ([one for one in side if one.text] for side in (sides.reference, sides.window))
    if not _enough(reference, window):
        return "topic", None, (reference, window)
    vectors = encode([one.text for one in (*reference, *window)])
    return "topic", topic(vectors[: len(reference)], vectors[len(reference) :]), (reference, window)


def _rated(sides: Sides) -> _About:
    had = sides.reference, sides.window
    streams = [np.array([one.rejected for one in side], dtype=bool) for side in had]
    return "rejected", rate(*streams) if _enough(*had) else None, had


def _enough(reference: Sequence[Observation], window: Sequence[Observation]) -> bool:
    return len(reference) >= LEAST_REFERENCE and len(window) >= LEAST_WINDOW


def _finding(name: str, about: _About, p_value: float | None, adjusted: float | None, alpha: float) -> Finding:
    action, signal, (reference, window) = about
    sizes = len(reference), len(window)
    if signal is None or p_value is None or adjusted is None:
        return Finding(name, action, *sizes)
    examples = tuple(window[i].ticket for i in signal.examples)
    return Finding(name, action, *sizes, signal.effect, p_value, adjusted, adjusted <= alpha, signal.moved, examples)


def _drawn(side: Sequence[Observation], most: int) -> Sequence[Observation]:
    if len(side) <= most:
        return side
    chosen = np.random.default_rng(_seed(digest(side))).choice(len(side), most, replace=False)
    return [side[i] for i in sorted(chosen.tolist())]


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
