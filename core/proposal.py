"""From fused distributions to proposals with their evidence."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.consistency import consistent_labels
from core.resolution import propose_resolution
from core.summary import extract_summary, grounded
from core.taxonomy import Taxonomy
from core.ticket import Evidence, Neighbor
from core.triage import LogProbs, Opinions, Proposal, Triage

SHOWN = 5
"""Labels of a distribution that are kept for people and the journal."""
CITED = 5
"""Exemplars cited for one proposal."""


def propose(
    taxonomy: Taxonomy, evidence: Evidence, fused: Mapping[str, LogProbs], attempt: int = 0, summaries: Sequence[str] = ()
) -> list[Triage]:
    """One triage a ticket. A proposal's confidence is the fused, calibrated probability of its label.

    `summaries` are a language model's, one a ticket; each is taken only if it is grounded in its ticket.
    """
    written = summaries or [""] * len(evidence.tickets)
    return [_triage(taxonomy, evidence, fused, row, attempt, written[row]) for row in range(len(evidence.tickets))]


def _triage(
    taxonomy: Taxonomy, evidence: Evidence, fused: Mapping[str, LogProbs], row: int, attempt: int, written: str
) -> Triage:
    ticket, neighbors = evidence.tickets[row], evidence.neighbors[row]
    labels = consistent_labels(taxonomy, fused, row)
    proposals = {name: _proposal(taxonomy, name, label, fused[name], row, neighbors) for name, label in labels.items()}
    return Triage(
        ticket_id=ticket.id,
        revision=ticket.revision,
        proposals=proposals,
        resolution=propose_resolution(neighbors, labels, taxonomy),
        summary=written if grounded(written, ticket.text) else extract_summary(ticket.subject, ticket.body),
        summary_from="model" if grounded(written, ticket.text) else "extract",
        priority=taxonomy.itil_priority(labels),
        evidence=tuple(n.exemplar.id for n in neighbors),
        attempt=attempt,
    )


def _proposal(taxonomy: Taxonomy, field: str, label: str, log_p: LogProbs, row: int, neighbors: Sequence[Neighbor]) -> Proposal:
    names = taxonomy.labels(field)
    return Proposal(
        field=field,
        label=label,
        confidence=float(np.exp(log_p[row, names.index(label)])),
        distribution=likeliest(names, log_p, row),
        evidence=tuple(n.exemplar.id for n in neighbors if n.exemplar.labels.get(field) == label)[:CITED],
        mode=taxonomy.fields[field].mode,
    )


def likeliest(names: Sequence[str], log_p: LogProbs, row: int) -> dict[str, float]:
    """label -> probability of the SHOWN likeliest labels, most likely first."""
    order = np.argsort(-log_p[row], kind="stable")[:SHOWN]
    return {names[int(i)]: round(float(np.exp(log_p[row, i])), 4) for i in order}


def spoken(taxonomy: Taxonomy, opinions: Opinions, row: int) -> dict[str, dict[str, dict[str, float]]]:
    """What each expert said of one ticket: expert -> field -> label -> probability."""
    return {
        expert: {field: likeliest(taxonomy.labels(field), log_p, row) for field, log_p in said.items()}
        for expert, said in opinions.items()
    }
