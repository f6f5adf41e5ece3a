"""A resolution for a ticket, taken from the past: always an exemplar's own words, never new ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from core.taxonomy import API_PREFIX, PLAIN_KINDS, RESOLUTION_FIELD, Taxonomy
from core.ticket import Neighbor
from core.triage import Resolution

PRECEDENT_FLOOR = 0.45
"""Cosine below which a past ticket is no precedent for what to do."""
GROUP_FIELD = "assignment_group"


def propose_resolution(neighbors: Sequence[Neighbor], labels: Mapping[str, str], taxonomy: Taxonomy) -> Resolution:
    """The resolution of the nearest precedent of the likeliest kind.

    A precedent is a neighbour at or above PRECEDENT_FLOOR that has a resolution text and a kind the taxonomy knows. The kind
    is the proposed label where a precedent has it, else the kind with the most similarity behind it. Among those, the one
    that shares the most proposed labels, then the nearest. None at all means `manual`, with that as the reason.
    """
    precedents = [n for n in neighbors if n.similarity >= PRECEDENT_FLOOR and n.exemplar.resolution and _kind(n, taxonomy)]
    if not precedents:
        return Resolution(kind="manual", reason="no_precedent")
    weight: dict[str, float] = defaultdict(float)
    for neighbor in precedents:
        weight[_kind(neighbor, taxonomy)] += neighbor.similarity
    proposed = labels.get(RESOLUTION_FIELD, "")
    kind = proposed if proposed in weight else max(weight, key=lambda k: weight[k])
    chosen = max((n for n in precedents if _kind(n, taxonomy) == kind), key=lambda n: (_shared(n, labels), n.similarity))
    return Resolution(
        kind=kind,
        text=chosen.exemplar.resolution,
        exemplar_id=chosen.exemplar.id,
        group=chosen.exemplar.labels.get(GROUP_FIELD, "") if kind == "reassign" else "",
        system=kind.removeprefix(API_PREFIX) if kind.startswith(API_PREFIX) else "",
        confidence=weight[kind] / sum(weight.values()),
    )


def _kind(neighbor: Neighbor, taxonomy: Taxonomy) -> str:
    """The exemplar's kind if it may be proposed: `api|system` only for a registered system, `reassign` only with a group."""
    kind = neighbor.exemplar.labels.get(RESOLUTION_FIELD, "manual")
    if kind.startswith(API_PREFIX):
        return kind if kind.removeprefix(API_PREFIX) in taxonomy.systems else ""
    if kind == "reassign" and not neighbor.exemplar.labels.get(GROUP_FIELD):
        return ""
    return kind if kind in PLAIN_KINDS else ""


def _shared(neighbor: Neighbor, labels: Mapping[str, str]) -> int:
    return sum(neighbor.exemplar.labels.get(field) == label for field, label in labels.items() if field != RESOLUTION_FIELD)
