"""What a replayed ticket must not see: the exemplars that were made of itself after it was decided.

A verdict on a ticket becomes an exemplar at once, and by a night's ingest part of the index; a desk's export brings the closed
ticket in once more. With these among its neighbours a replay would copy its own answer. So each ticket is searched without

- every exemplar whose id at its source is the ticket's own, whether fresh from a verdict or in the index;
- every exemplar with exactly its words that was resolved on the day it was decided or later, or nobody knows when.

The index leaves out their near-duplicates too, which is more than needed and never less. Where such an exemplar is in the index,
the fit has learned from its labels, and so may a language model that was fine-tuned: these tickets are replayed and shown, but
count in no comparison with what people said.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.retrieval import Search
from core.text import fold
from core.ticket import CleanTicket, Exemplar, Neighbor, Vectors
from observability.records import DecisionRecord

if TYPE_CHECKING:
    from batch.assemble import House


@dataclass(frozen=True, slots=True)
class Leaks:
    """By ticket id: `own`, the ids of exemplars to leave out, and `learned`, the tickets that something was learned from."""

    own: Mapping[str, frozenset[str]]
    learned: frozenset[str]

    def without(self, search: Search) -> Search:
        """The search, in which no ticket finds its own exemplars."""

        def found(
            tickets: Sequence[CleanTicket], vectors: Vectors, k: int, exclude: Sequence[Collection[str]]
        ) -> Sequence[Sequence[Neighbor]]:
            left_out = [{*ids, *self.own.get(ticket.id, ())} for ticket, ids in zip(tickets, exclude, strict=True)]
            return search(tickets, vectors, k, left_out)

        return found


def leaks_of(records: Sequence[DecisionRecord], house: "House") -> Leaks:
    """The leaks of these tickets in the house's index, its people's verdicts and its language models."""
    indexed, said = house.knowledge.exemplars(), house.corrections.current().exemplars
    in_index, fresh = own_exemplars(records, indexed), own_exemplars(records, said)
    own = {record.ticket_id: in_index[record.ticket_id] | fresh[record.ticket_id] for record in records}
    read = {record.ticket_id for record in records if house.learned(text_of(record))}
    return Leaks(own, frozenset(read | {ticket for ticket, ids in in_index.items() if ids}))


def own_exemplars(records: Iterable[DecisionRecord], exemplars: Iterable[Exemplar]) -> dict[str, frozenset[str]]:
    """ticket id -> ids of the exemplars that are the ticket itself."""
    by_id: dict[str, list[Exemplar]] = defaultdict(list)
    by_text: dict[str, list[Exemplar]] = defaultdict(list)
    for exemplar in exemplars:
        by_id[exemplar.source_id].append(exemplar)
        by_text[fold(exemplar.text)].append(exemplar)
    return {
        record.ticket_id: frozenset(
            one.id
            for one in (*by_id.get(record.ticket_id, ()), *by_text.get(fold(text_of(record)), ()))
            if one.source_id == record.ticket_id or _later(one, record)
        )
        for record in records
    }


def text_of(record: DecisionRecord) -> str:
    """Subject and body as the pipeline read them."""
    return f"{record.subject}\n{record.body}".strip()


def _later(exemplar: Exemplar, record: DecisionRecord) -> bool:
    return not exemplar.resolved_at or exemplar.resolved_at[:10] >= record.at.date().isoformat()
