"""The internal comment that a decision leaves at the desk, in the ticket's language."""

from collections.abc import Mapping, Sequence

from core.triage import Reason
from core.words import say
from observability.records import DecisionRecord, ReasonGiven

_WORDS: Mapping[str, Mapping[str, str]] = {
    "accepted": {"en": "Tamiz filled in", "es": "Tamiz ha rellenado"},
    "suggested": {"en": "Tamiz suggests", "es": "Tamiz sugiere"},
    "escalated": {"en": "Tamiz leaves this to a person", "es": "Tamiz deja este caso a una persona"},
    "also": {"en": "Suggested, not filled in", "es": "Sugerido, sin rellenar"},
    "guess": {"en": "Its best guess", "es": "Lo más probable"},
    "resolution": {"en": "What helped before", "es": "Lo que ayudó antes"},
    "priority": {"en": "Priority by urgency and impact", "es": "Prioridad por urgencia e impacto"},
    "because": {"en": "Because", "es": "Porque"},
    "evidence": {"en": "from", "es": "de"},
}
SHORT_ID = 8


def language_of(record: DecisionRecord, preferred: str = "") -> str:
    """The language to speak in: the preferred one, else the ticket's if it is spoken here, else English."""
    language = preferred or record.language
    return language if language in ("es", "en") else "en"


def compose(record: DecisionRecord, preferred: str = "") -> str:
    """A few short lines: what was filled in or suggested, with confidence; what helped before; why not more."""
    language = language_of(record, preferred)
    written = {name: f for name, f in record.fusion.items() if name in record.written}
    shown = {name: f for name, f in record.fusion.items() if name not in written and f.mode in ("autofill", "suggest")}
    lines = [_line(record.outcome, [_field(n, f.label, f.confidence) for n, f in written.items()], language)]
    if shown:
        key = {"accepted": "also", "suggested": "suggested"}.get(record.outcome, "guess")
        proposals = _line(key, [_field(n, f.label, f.confidence) for n, f in shown.items()], language)
        lines = [proposals] if record.outcome == "suggested" else [*lines, proposals]
    if record.outcome != "escalated" and record.priority:
        lines.append(_line("priority", [record.priority], language))
    if record.resolution and record.resolution.exemplar:
        source = f"({record.resolution.kind}, {_WORDS['evidence'][language]} {record.resolution.exemplar[:SHORT_ID]})"
        lines.append(_line("resolution", [f"{record.resolution.text} {source}"], language))
    if record.outcome == "escalated":
        lines.append(_line("because", reasons(record.causes, language), language))
    return "\n".join(lines)


def reasons(given: Sequence[ReasonGiven], language: str) -> list[str]:
    """Reasons as sentences."""
    return [say(Reason(r.code, r.values), language) for r in given]


def _field(name: str, label: str, confidence: float | None) -> str:
    return f"{name} = {label} ({(confidence or 0.0) * 100:.0f} %)"


def _line(key: str, parts: Sequence[str], language: str) -> str:
    head = _WORDS[key][language]
    return f"{head}: {'; '.join(parts)}" if parts else f"{head}."
