"""What a review page shows of a ticket, in a language: everything that speaks for and against the proposal, as plain values."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from batch.comment import reasons
from batch.review_words import spoken
from core.taxonomy import Taxonomy
from core.text import fold
from core.ticket import Exemplar
from observability.records import DecisionRecord, HumanVerdict, LaterChange, NeighborSeen, Record, ReviewNote, WritebackRecord
from observability.reviews import Review

SHOWN = 6
"""Exemplars side by side."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_LONG = 4
"""Letters of a word that can tell why two texts are near; an acronym may be shorter."""
_COMMON = """
    para pero como cuando desde esta este esto estos estas todo todos toda todas porque donde sobre entre hasta buenos buenas dias
    tardes gracias hola saludos favor puedo puede tengo tiene hace hacer sale dice cada otra otro sino solo ayer despues with from
    this that have when what which there their them they your please thanks hello regards could would cannot been after since some
    also into only about just does were still where then than"""
"""Words of the long kind that tell nothing."""


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
    """A past ticket beside the new one, and the words that both have; `pieces` is its text, each piece with whether it is one."""

    id: str
    similarity: float
    pieces: Sequence[tuple[str, bool]]
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
    score: str
    critic: Sequence[str]
    history: Sequence[str]
    judged: bool
    json: str


def view(review: Review, taxonomy: Taxonomy, exemplars: Mapping[str, Exemplar], language: str, approve_at: float) -> TicketView:
    """The page of a review; `exemplars` by id."""
    decision = review.decision
    verdict = decision.verdict
    critic = reasons(verdict.reasons, language) if verdict else []
    causes = [*reasons(decision.causes, language), *(changed_later(one, language) for one in review.doubts)]
    return TicketView(
        id=decision.ticket_id,
        state=review.state,
        outcome=decision.outcome,
        subject=decision.subject,
        body=decision.body,
        summary=decision.summary,
        why=[one for one in causes if one not in critic],
        missed=nearest_missed(decision, approve_at, language),
        fields=[_field(decision, name, taxonomy) for name in taxonomy.active()],
        neighbors=[_neighbor(decision, one, exemplars.get(one.exemplar)) for one in decision.neighbours[:SHOWN]],
        resolution=_resolution(decision),
        score="" if verdict is None or verdict.score is None else f"{int(verdict.score)}",
        critic=critic,
        history=[line for line in (event(record, language) for record in review.history) if line],
        judged=review.verdict is not None,
        json=as_json(decision),
    )


def nearest_missed(decision: DecisionRecord, approve_at: float, language: str) -> str:
    """What would have let it pass: the critic's score where it was under `approve_at`, else the field nearest its threshold."""
    if decision.outcome == "accepted":
        return ""
    score = decision.verdict.score if decision.verdict else None
    if score is not None and score < approve_at:
        return spoken("would_critic", language, value=f"{approve_at:g}", have=f"{int(score)}")
    gaps, never = [], []
    for name, fused in decision.fusion.items():
        threshold, have = decision.thresholds.get(name), fused.confidence or 0.0
        if threshold is not None and threshold.value is None:
            never.append(name)
        elif threshold is not None and threshold.value is not None and have < threshold.value:
            gaps.append((threshold.value - have, name, threshold.value, have))
    if gaps:
        _, name, value, have = min(gaps)
        return spoken("would", language, field=name, value=f"{value:.2f}", have=f"{have:.2f}")
    return spoken("would_never", language, fields=", ".join(never)) if never else ""


def event(record: Record, language: str = "en") -> str:
    """A line of the history."""
    at = record.at.strftime("%Y-%m-%d %H:%M")
    if isinstance(record, HumanVerdict):
        labels = " ".join(f"{field}={label}" for field, label in record.labels.items())
        return f"{at} {record.who}: {spoken(record.action, language)} {labels} {record.reason}".strip()
    if isinstance(record, LaterChange):
        return f"{at} {changed_later(record, language)}"
    if isinstance(record, ReviewNote | WritebackRecord):
        who = record.who if isinstance(record, ReviewNote) else spoken("at_the_desk", language)
        return f"{at} {who}: {spoken(f'note_{record.state}', language)} {record.error}".strip()
    return ""


def as_json(decision: DecisionRecord) -> str:
    """What was proposed, for machines."""
    proposed = decision.resolution
    content = {
        "ticket": decision.ticket_id,
        "summary": decision.summary,
        "priority": decision.priority,
        "fields": {
            name: {"label": one.label, "confidence": one.confidence, "mode": one.mode, "evidence": one.evidence}
            for name, one in decision.fusion.items()
        },
        "resolution": proposed.model_dump(mode="json") if proposed else None,
        "score": decision.verdict.score if decision.verdict else None,
        "outcome": decision.outcome,
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def changed_later(change: LaterChange, language: str) -> str:
    """What somebody did at the desk after our write: `changed later at the desk: category A -> B`."""
    other = spoken("no_label", language)
    what = f"{change.field} {change.ours or other} -> {change.theirs or other}"
    return spoken("changed_later", language, what=spoken("was_reopened", language) if change.what == "reopened" else what)


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
    own = _telling(f"{decision.subject} {decision.body}")
    text = exemplar.text if exemplar else ""
    shared = own & _telling(text)
    return NeighborView(
        id=seen.exemplar,
        similarity=seen.similarity or 0.0,
        pieces=list(_pieces(text, shared)),
        labels=seen.labels,
        resolution=exemplar.resolution if exemplar else "",
        shared=sorted(shared, key=lambda word: (-len(word), word))[:8],
    )


def _telling(text: str) -> frozenset[str]:
    """The words of a text that can tell why another is near it, folded."""
    return frozenset(fold(word) for word in _WORD.findall(text) if _tells(word))


def _tells(word: str) -> bool:
    return (len(word) >= _LONG or word.isupper()) and fold(word) not in _common()


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.split())


def _pieces(text: str, shared: frozenset[str]) -> Iterator[tuple[str, bool]]:
    end = 0
    for found in _WORD.finditer(text):
        if _tells(found[0]) and fold(found[0]) in shared:
            if found.start() > end:
                yield text[end : found.start()], False
            yield found[0], True
            end = found.end()
    if end < len(text):
        yield text[end:], False


def _resolution(decision: DecisionRecord) -> str:
    proposed = decision.resolution
    return f"{proposed.kind}: {proposed.text}" if proposed and proposed.text else ""
