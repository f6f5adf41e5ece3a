"""The order of review: what teaches most in turns with the oldest, either alone, or what is most urgent.

A ticket teaches by how unsure the triage was (entropy of the fused distributions), how much its experts disagreed (their
Jensen-Shannon divergence; Settles, "Active Learning Literature Survey", 2009, section 3.2) and how far it is from anything
known; one that somebody changed after our write teaches most. Of tickets that are alike the first teaches most: the others lose
with every word that was asked about before them.

Taken alone that order answers the hard tickets only, on which confidences are then calibrated: no threshold holds any more. The
oldest in between are there for that (docs/LOG.md).
"""

import heapq
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Literal, TypeAlias

from observability.records import DecisionRecord
from observability.reviews import Review

Order: TypeAlias = Literal["mixed", "teaches", "urgency", "oldest"]
ORDERS: tuple[Order, ...] = ("mixed", "teaches", "urgency", "oldest")
ALIKE = 0.8
"""How much of what it teaches a ticket loses where all its words were asked about before."""
_WORD = re.compile(r"\w{3,}")


def ordered(waiting: Sequence[Review], order: Order = "mixed") -> list[Review]:
    """The same tickets, the one to look at first in front; those put off come last."""
    by = _ORDERED[order]
    fresh = [one for one in waiting if one.state != "skipped"]
    return [*by(fresh), *by([one for one in waiting if one.state == "skipped"])]


def teaches(decision: DecisionRecord) -> float:
    """How much a person's word on it would teach, 0..1: mean of doubt, disagreement and distance; 0 where nothing was read."""
    if not decision.fusion:
        return 0.0
    return (_doubt(decision) + _disagreement(decision) + _distance(decision)) / 3.0


def _by_teaching(waiting: Sequence[Review]) -> list[Review]:
    """Greedy: the best of what is left, with regard to what was taken.

    A ticket never gains by what was asked about, so only the first of a heap has to be looked at again (lazy; Minoux, 1978).
    """
    worth = [(1.0 if one.state == "doubted" else teaches(one.decision), _words(one.decision)) for one in waiting]
    heap = [(-value, one.seq, place) for place, (one, (value, _)) in enumerate(zip(waiting, worth, strict=True))]
    heapq.heapify(heap)
    asked: set[str] = set()
    taken = []
    while heap:
        promised, seq, place = heapq.heappop(heap)
        value, words = worth[place]
        now = -value * (1.0 - ALIKE * _share(words, asked))
        if now > promised and heap and (now, seq, place) > heap[0]:
            heapq.heappush(heap, (now, seq, place))
            continue
        asked |= words
        taken.append(waiting[place])
    return taken


def _in_turns(waiting: Sequence[Review]) -> list[Review]:
    """What teaches most, the oldest, the next that teaches most, the next oldest, each once."""
    turns = chain.from_iterable(zip(_by_teaching(waiting), waiting, strict=True))
    return list({one.decision.ticket_id: one for one in turns}.values())


def _by_urgency(waiting: Sequence[Review]) -> list[Review]:
    """By the priority that urgency and impact give, whose first label sorts first ("P1"); those without one come last."""
    return sorted(waiting, key=lambda one: (one.decision.priority is None, one.decision.priority or "", one.seq))


def _doubt(decision: DecisionRecord) -> float:
    spread = [_entropy(f.distribution) for f in decision.fusion.values()]
    return sum(spread) / len(spread)


def _entropy(distribution: Mapping[str, float | None]) -> float:
    """Of the listed labels and of the rest together, 0..1."""
    listed = [p for p in distribution.values() if p]
    masses = [*listed, max(0.0, 1.0 - sum(listed))]
    nats = -sum(p * math.log(p) for p in masses if p > 0.0)
    return min(1.0, nats / math.log(len(masses))) if len(masses) > 1 else 0.0


def _disagreement(decision: DecisionRecord) -> float:
    """Mean over the fields of the experts' Jensen-Shannon divergence, in units of its maximum."""
    spread = []
    for field in decision.fusion:
        said = [{k: p or 0.0 for k, p in opinion[field].items()} for opinion in decision.opinions.values() if field in opinion]
        if len(said) > 1:
            labels = {label for one in said for label in one}
            pooled = {label: sum(one.get(label, 0.0) for one in said) / len(said) for label in labels}
            divergence = _nats(pooled) - sum(_nats(one) for one in said) / len(said)
            spread.append(min(1.0, max(0.0, divergence / math.log(len(said)))))
    return sum(spread) / len(spread) if spread else 0.0


def _nats(distribution: Mapping[str, float]) -> float:
    return -sum(p * math.log(p) for p in distribution.values() if p > 0.0)


def _distance(decision: DecisionRecord) -> float:
    return 1.0 - max((n.similarity or 0.0 for n in decision.neighbours), default=0.0)


def _words(decision: DecisionRecord) -> frozenset[str]:
    return frozenset(_WORD.findall(f"{decision.subject} {decision.body}".lower()))


def _share(words: frozenset[str], asked: set[str]) -> float:
    return len(words & asked) / len(words) if words else 1.0


_ORDERED: Mapping[Order, Callable[[Sequence[Review]], Sequence[Review]]] = {
    "mixed": _in_turns,
    "teaches": _by_teaching,
    "urgency": _by_urgency,
    "oldest": lambda waiting: waiting,
}
