"""Retrieval in a ticket's own words and, where a language model is asked to put it differently, in those too."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from core.ticket import CleanTicket, Neighbor, Vectors
from core.triage import Generation

Search: TypeAlias = Callable[[Sequence[CleanTicket], Vectors, int, Sequence[Collection[str]]], Sequence[Sequence[Neighbor]]]
"""From tickets, their vectors (n, d), how many, and for each the ids to leave out, to the neighbours of each, best first."""
Encode: TypeAlias = Callable[[Sequence[str]], Vectors]
RANK_CONSTANT = 60
"""Of reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""


@dataclass(frozen=True, slots=True)
class Rephrased:
    """A ticket in the words of a language model, as a ticket to search with, and what the model read and wrote for it."""

    query: CleanTicket
    generation: Generation


def retrieve(
    search: Search,
    encode: Encode,
    tickets: Sequence[CleanTicket],
    vectors: Vectors,
    k: int,
    exclude: Sequence[Collection[str]],
    queries: Sequence[CleanTicket] = (),
) -> Sequence[Sequence[Neighbor]]:
    """The neighbours of each ticket; with `queries`, one a ticket, joined with those of its query."""
    found = search(tickets, vectors, k, exclude)
    if not queries:
        return found
    others = search(queries, encode([query.text for query in queries]), k, exclude)
    return [merged(own, other, k) for own, other in zip(found, others, strict=True)]


def merged(own: Sequence[Neighbor], other: Sequence[Neighbor], k: int) -> list[Neighbor]:
    """At most `k` by reciprocal-rank fusion, one of each group of near-duplicates.

    The similarity is that to the ticket's own words wherever they found it.
    """
    scores: dict[str, float] = {}
    first: dict[str, Neighbor] = {}
    for ranking in (own, other):
        for rank, neighbor in enumerate(ranking, start=1):
            key = neighbor.exemplar.duplicate_group or neighbor.exemplar.id
            scores[key] = scores.get(key, 0.0) + 1.0 / (RANK_CONSTANT + rank)
            first.setdefault(key, neighbor)
    return [first[key] for key in sorted(scores, key=lambda key: -scores[key])[:k]]
