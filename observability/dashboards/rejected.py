"""The dashboard "Rejected outputs": what was not accepted, why, and the whole record of each, from Loki."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from core.words import REASONS
from observability.dashboards.frame import ANYTHING, Row, choice, framed, pattern
from observability.dashboards.parts import LOKI, Built, Lines, Said, records, trend, worklist
from observability.loki_entry import APP

UID = "tamiz-rejected"
REVIEW = "http://127.0.0.1:8650/tickets"
"""Where `python -m batch web` shows a ticket."""

HELD = f'{{app="{APP}", kind="decision", state=~"$state"}}'
"""Decisions that did not write everything."""
TAKEN = (
    'json group="fusion.assignment_group.label", causes="causes", cause="causes[0].code", score="verdict.score", '
    'category="fusion.category.label", model="generations[0].model", template="generations[0].template", '
    'language="language", subject="subject", attempt="attempt"'
)
# A field matches the text before it or, where all are shown, nothing: not every cause names a field.
FILTERS = (
    'group=~"$group" | model=~"$model" | template=~"$template" '
    '| causes=~".*\\"code\\":\\"(?:$reason)\\".*" | causes=~"(?:|.*\\"field\\":\\")(?:$field)(?:|\\".*)"'
)
CHOSEN = f"{HELD} | {TAKEN} | {FILTERS}"
COLUMNS = {
    "ticket_id": "ticket_id", "state": "outcome", "cause": "first cause", "score": "score", "group": "group",
    "category": "category", "subject": "subject", "language": "language", "model": "model", "template": "prompt",
    "attempt": "revision", "run": "run",
}  # fmt: skip


def rejected() -> Dashboard:
    """Built; its uid is UID."""
    rows = (Row("", (_worklist(),)), Row("Why", (_reasons(), _models())), Row("In full", (_full(), _people())))
    return framed(UID, "Tamiz: Rejected outputs", rows, VARIABLES, since="now-7d")


VARIABLES = (
    choice("state", "Outcome", ("escalated", "suggested")),
    choice("reason", "Reason", tuple(REASONS), ANYTHING),
    pattern("field", "Field"),
    pattern("group", "Proposed group"),
    pattern("model", "Language model"),
    pattern("template", "Prompt version"),
    pattern("ticket", "Ticket shown in full", "none"),
)
KEPT = "&".join(f"${{{name}:queryparam}}" for name in ("state", "reason", "field", "group", "model", "template"))
"""The reader's choices, as a link hands them on."""


def _worklist() -> Built:
    said = Said(
        "What was held back",
        "One row a decision that did not write everything. The ticket's id opens it for review; its first cause shows it below.",
        "Una fila por decisión que no escribió todo. El identificador abre el ticket para revisarlo; su causa lo muestra abajo.",
    )
    below = f"/d/{UID}?${{__url_time_range}}&{KEPT}&var-ticket=${{__data.fields.ticket_id:percentencode}}"
    links = {
        "ticket_id": [("Review", f"{REVIEW}/${{__value.raw:percentencode}}")],
        "cause": [("Show the record below", below)],
    }
    return worklist(said, CHOSEN, columns=COLUMNS, links=links)


def _reasons() -> Built:
    said = Said(
        "First causes over time",
        "How many decisions were held back, by the first of their causes.",
        "Cuántas decisiones se retuvieron, por la primera de sus causas.",
    )
    counted = f"sum by (cause) (count_over_time({CHOSEN} [$__auto]))"
    return trend(said, Lines(counted, "{{cause}}"), source=LOKI, bars=True)


def _models() -> Built:
    said = Said(
        "By prompt version and model",
        "How many decisions were held back, by what the language model read and which one it was; empty: none was asked.",
        "Cuántas decisiones se retuvieron, por versión del prompt y modelo; vacío: no se preguntó a ninguno.",
    )
    counted = f"sum by (template, model) (count_over_time({CHOSEN} [$__auto]))"
    return trend(said, Lines(counted, "{{template}} {{model}}"), source=LOKI, bars=True)


def _full() -> Built:
    said = Said(
        "Everything about the chosen ticket",
        "All that the journal holds: decisions with prompts and opinions, writes, verdicts. What was trimmed is in `trimmed`.",
        "Todo lo que guarda el diario: decisiones con prompts y opiniones, escrituras, veredictos; lo recortado, en `trimmed`.",
    )
    return records(said, f'{{app="{APP}"}} | ticket_id=`$ticket`')


def _people() -> Built:
    said = Said(
        "What people corrected or rejected",
        "The verdicts that were not an approval, newest first.",
        "Los veredictos que no fueron una aprobación, los más recientes primero.",
    )
    return records(said, f'{{app="{APP}", kind="human_verdict", state=~"corrected|rejected"}}', height=10)
