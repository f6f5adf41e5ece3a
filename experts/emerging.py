"""What many new tickets say and no past one knows: dense groups of them (DBSCAN; Ester et al., KDD 1996)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from core.ticket import Vectors

CLOSE = 0.6
"""Cosine from which two tickets speak of the same."""
UNKNOWN_QUANTILE = 0.1
"""A ticket is unknown where its nearest exemplar is further than that of so many of the exemplars themselves."""
INCIDENT_SPAN = timedelta(hours=48)
INCIDENT_SIZE, GAP_SIZE = 5, 3
TOLD_WORDS = 6
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A ticket that was decided at `at`; `nearest` is the similarity of its nearest exemplar, -1 where it had none."""

    ticket: str
    at: datetime
    text: str
    nearest: float


@dataclass(frozen=True, slots=True)
class Emerging:
    """Tickets that speak of the same, which no exemplar is near: an `incident` where they came within two days, else a gap."""

    tickets: tuple[str, ...]
    first: datetime
    last: datetime
    words: tuple[str, ...]
    incident: bool


def usual_nearness(vectors: Vectors, groups: Sequence[str], quantile: float = UNKNOWN_QUANTILE, sample: int = 2_000) -> float:
    """The quantile of the exemplars' similarity to their nearest one outside their own group of near-duplicates.

    Args:
        vectors: unit rows (n, d), of which an evenly spread sample is compared with all.
        groups: the near-duplicate group of each, "" where it has none.
    """
    if len(vectors) < 2:
        return -1.0
    names = np.array([name or f"#{place}" for place, name in enumerate(groups)])
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(sample, len(vectors))).astype(np.intp))
    nearest = []
    for row in rows:
        cosines = vectors @ vectors[row]
        nearest.append(float(np.max(cosines[names != names[row]], initial=-1.0)))
    return float(np.quantile(nearest, quantile))


def emerging(sightings: Sequence[Sighting], vectors: Vectors, unknown_below: float) -> list[Emerging]:
    """The groups among tickets (oldest first, unit vectors (n, d)) that nothing known is near; the largest first."""
    from sklearn.cluster import DBSCAN

    rows = [i for i, one in enumerate(sightings) if one.nearest < unknown_below]
    if len(rows) < GAP_SIZE:
        return []
    labels = DBSCAN(eps=1.0 - CLOSE, min_samples=GAP_SIZE, metric="cosine").fit_predict(vectors[rows])
    found = []
    for label in range(int(labels.max()) + 1):
        members = [sightings[rows[i]] for i in np.flatnonzero(labels == label)]
        found.append(_described(members))
    return sorted(found, key=lambda one: (-len(one.tickets), one.first))


def _described(members: Sequence[Sighting]) -> Emerging:
    moments = sorted(one.at for one in members)
    counts = Counter(word for one in members for word in set(_WORD.findall(one.text.lower())))
    words = tuple(word for word, n in counts.most_common(TOLD_WORDS) if n > 1)
    densest = max(_within(moments, start) for start in moments)
    return Emerging(tuple(one.ticket for one in members), moments[0], moments[-1], words, densest >= INCIDENT_SIZE)


def _within(moments: Sequence[datetime], start: datetime) -> int:
    return sum(start <= moment <= start + INCIDENT_SPAN for moment in moments)
