"""What a review page shows of a ticket, in a language: everything that speaks for and against the proposal, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch.comment import reasons
from core.taxonomy import Taxonomy
from core.ticket import Exemplar
from core.triage import Reason
from core.words import say
from observability.records import DecisionRecord, HumanVerdict, NeighborSeen, Record, ReviewNote, WritebackRecord
from observability.reviews import Review

SHOWN = 6
"""Exemplars side by side."""
_LONG = 4
"""Letters of a word that can tell why two texts are near."""
WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Revisión", "Review"),
    "waiting": ("{n} tickets esperan a una persona", "{n} tickets wait for a person"),
    "nothing": ("Nada espera a una persona.", "Nothing waits for a person."),
    "order": ("Orden", "Order"),
    "mixed": ("lo que más enseña y lo más antiguo", "what teaches most and oldest in turns"),
    "teaches": ("lo que más enseña", "what teaches most"),
    "urgency": ("lo más urgente", "most urgent"),
    "oldest": ("lo más antiguo", "oldest"),
    "ticket": ("Ticket", "Ticket"),
    "proposal": ("Propuesta", "Proposal"),
    "confidence": ("Confianza", "Confidence"),
    "opinions": ("Qué dijo cada experto", "What each expert said"),
    "exemplars": ("Casos parecidos", "Past tickets like it"),
    "shared": ("Palabras comunes", "Words in common"),
    "critic": ("El crítico", "The critic"),
    "why": ("Por qué llegó aquí", "Why it came here"),
    "history": ("Historia", "History"),
    "missed": ("Lo más cerca que estuvo", "How near it was"),
    "approve": ("Aprobar", "Approve"),
    "correct": ("Guardar correcciones", "Save corrections"),
    "reject": ("Rechazar", "Reject"),
    "skip": ("Saltar", "Skip"),
    "undo": ("Deshacer", "Undo"),
    "reason": ("Motivo", "Reason"),
    "resolution": ("Su resolución es la buena", "Its resolution is right"),
    "proposed_resolution": ("Resolución propuesta", "Proposed resolution"),
    "none": ("ninguna", "none"),
    "queue": ("Cola", "Queue"),
    "keys": (
        "Teclas: a aprobar, c guardar, r rechazar, s saltar, u deshacer",
        "Keys: a approve, c save, r reject, s skip, u undo",
    ),
    "unknown": ("(sin propuesta)", "(nothing proposed)"),
    "other_language": ("English", "Español"),
    "approved": ("aprobado", "approved"),
    "corrected": ("corregido", "corrected"),
    "rejected": ("rechazado", "rejected"),
    "skipped": ("aplazado", "put off"),
    "undone": ("retirado", "taken back"),
    "desk_written": ("escrito en la mesa", "written to the desk"),
    "desk_already": ("ya estaba en la mesa", "was at the desk already"),
    "desk_conflict": ("la mesa no se tocó: el ticket cambió", "the desk was not touched: the ticket has changed"),
    "desk_failed": ("la mesa aún no lo sabe", "the desk does not know yet"),
    "desk_": ("", ""),
    "would": ("Habría pasado con {field} en {value}", "Would have passed with {field} at {value}"),
    "would_critic": ("Habría pasado con {value} del crítico", "Would have passed with {value} from the critic"),
}
REASONS: Mapping[str, tuple[str, str]] = {
    "": ("–", "–"),
    "wrong_label": ("etiqueta equivocada", "wrong label"),
    "wrong_group": ("grupo equivocado", "wrong group"),
    "two_issues": ("dos problemas en un ticket", "two problems in one ticket"),
    "no_information": ("falta información", "not enough information"),
    "not_like_these": ("no se parece a estos casos", "not like these past tickets"),
    "urgency": ("la urgencia no es esa", "that is not its urgency"),
}


def spoken(key: str, language: str, **values: object) -> str:
    """A word of the page."""
    return WORDS[key][language != "es"].format(**values)


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field as it is judged: `label` and the `labels` to choose from; `need` is the confidence that fills it in, or None."""

    name: str
    label: str
    labels: Sequence[str]
    confidence: float
    need: float | None
    opinions: Sequence[tuple[str, str, float]]


@dataclass(frozen=True, slots=True)
class NeighborView:
    """A past ticket beside the new one, and the words that both have."""

    id: str
    similarity: float
    text: str
    labels: Mapping[str, str]
    resolution: str
    shared: Sequence[str]


@dataclass(frozen=True, slots=True)
class TicketView:
    """Everything on the page of one ticket."""

    id: str
    state: str
    outcome: str
    subject: str
    body: str
    summary: str
    why: Sequence[str]
    missed: str
    fields: Sequence[FieldView]
    neighbors: Sequence[NeighborView]
    resolution: str
    critic: str
    history: Sequence[str]
    judged: bool


def view(review: Review, taxonomy: Taxonomy, exemplars: Mapping[str, Exemplar], language: str, approve_at: float) -> TicketView:
    """The page of a review; `exemplars` by id."""
    decision = review.decision
    return TicketView(
        id=decision.ticket_id,
        state=review.state,
        outcome=decision.outcome,
        subject=decision.subject,
        body=decision.body,
        summary=decision.summary,
        why=reasons(decision.causes, language),
        missed=nearest_missed(decision, approve_at, language),
        fields=[_field(decision, name, taxonomy) for name in taxonomy.active()],
        neighbors=[_neighbor(decision, one, exemplars.get(one.exemplar)) for one in decision.neighbours[:SHOWN]],
        resolution=_resolution(decision),
        critic=_critic(decision, language),
        history=[line for line in (event(record) for record in review.history) if line],
        judged=review.verdict is not None,
    )


def nearest_missed(decision: DecisionRecord, approve_at: float, language: str) -> str:
    """What would have let it pass: the critic's score where it was under `approve_at`, else the field nearest its threshold."""
    score = decision.verdict.score if decision.verdict else None
    if score is not None and score < approve_at:
        return spoken("would_critic", language, value=f"{approve_at:g}")
    gaps = []
    for name, fused in decision.fusion.items():
        threshold = decision.thresholds.get(name)
        if threshold is not None and threshold.value is not None and (fused.confidence or 0.0) < threshold.value:
            gaps.append((threshold.value - (fused.confidence or 0.0), name, threshold.value))
    if not gaps:
        return ""
    _, name, value = min(gaps)
    return spoken("would", language, field=name, value=f"{value:.2f}")


def event(record: Record) -> str:
    """A line of the history."""
    at = record.at.strftime("%Y-%m-%d %H:%M")
    if isinstance(record, HumanVerdict):
        labels = " ".join(f"{field}={label}" for field, label in record.labels.items())
        return f"{at} {record.who}: {record.action} {labels} {record.reason}".strip()
    if isinstance(record, ReviewNote):
        return f"{at} {record.who}: {record.state} {record.error}".strip()
    return f"{at} desk: {record.state} {record.error}".strip() if isinstance(record, WritebackRecord) else ""


def _field(decision: DecisionRecord, name: str, taxonomy: Taxonomy) -> FieldView:
    fused, threshold = decision.fusion.get(name), decision.thresholds.get(name)
    opinions = []
    for who, opinion in decision.opinions.items():
        if said := {label: p or 0.0 for label, p in opinion.get(name, {}).items()}:
            best = max(said, key=lambda label: said[label])
            opinions.append((who, best, said[best]))
    return FieldView(
        name=name,
        label=fused.label if fused else "",
        labels=taxonomy.labels(name),
        confidence=(fused.confidence or 0.0) if fused else 0.0,
        need=threshold.value if threshold else None,
        opinions=opinions,
    )


def _neighbor(decision: DecisionRecord, seen: NeighborSeen, exemplar: Exemplar | None) -> NeighborView:
    own = _words(f"{decision.subject} {decision.body}")
    text = exemplar.text if exemplar else ""
    shared = sorted(own & _words(text), key=lambda word: (-len(word), word))[:8]
    resolution = exemplar.resolution if exemplar else ""
    return NeighborView(seen.exemplar, seen.similarity or 0.0, text, seen.labels, resolution, shared)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.lower().replace("\n", " ").split() if len(word) >= _LONG and word.isalpha())


def _resolution(decision: DecisionRecord) -> str:
    proposed = decision.resolution
    return f"{proposed.kind}: {proposed.text}" if proposed and proposed.text else ""


def _critic(decision: DecisionRecord, language: str) -> str:
    verdict = decision.verdict
    if verdict is None:
        return ""
    score = "–" if verdict.score is None else f"{int(verdict.score)}"
    said = [say(Reason(one.code, one.values), language) for one in verdict.reasons]
    return f"{score}/100. {'; '.join(said)}"
