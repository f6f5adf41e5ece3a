"""A night as a person reads it over coffee: one page, the same as Markdown, and as JSON for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch.files import save
from batch.night import Night, folder_of, to_json
from batch.night_words import counted, spoken
from batch.report_language import Language, Numbers
from knowledge.archive import Entry

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN = 60
"""Entries of a kind on the page; all of them are in the JSON."""
_TEXT = 90


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is shown."""

    id: str
    what: str
    why: str
    ticket: str
    text: str
    changes: str = ""


def write_night(home: Path, night: Night, language: str) -> dict[str, str]:
    """Its page, its Markdown and its JSON under `home`/nights; where they are."""
    folder = folder_of(home, night.night)
    save(folder / "report.html", as_html(night, language))
    save(folder / "report.md", as_markdown(night, language))
    save(
        folder / "night.json", json.dumps(to_json(night), ensure_ascii=False, indent=1) + "\n"
    )  # last: it says the others are there
    return {"report": str(folder / "report.html"), "markdown": str(folder / "report.md"), "json": str(folder / "night.json")}


def as_html(night: Night, language: str) -> str:
    """A self-contained page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from batch.report_language import Words

    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True)
    environment.filters["code"] = _code
    chosen: Language = "es" if language == "es" else "en"
    return environment.get_template("night.html.jinja").render(w=Words(chosen), **_told(night, language))


def as_markdown(night: Night, language: str) -> str:
    """The same in a form that a ticket or a chat takes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    plain = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - no HTML
    return plain.get_template("night.md.jinja").render(cell=_cell, **_told(night, language))


def line(entry: Entry, language: str) -> Line:
    """An entry in words."""
    one = entry.exemplar
    values = {**entry.values, "into": entry.values.get("source") or entry.values.get("into", "")[:8]}
    text = " ".join(one.text.split())
    shown = text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
    return Line(
        entry.id, spoken(entry.action, language), spoken(entry.reason, language, **values), one.source_id or one.id[:8], shown,
        entry.values.get("changes", "").replace(" -> ", " → "),
    )  # fmt: skip


def outcome(night: Night, language: str) -> str:
    """The night in one line."""
    if night.withheld:
        return spoken("withheld", language, fields=night.withheld)
    if not night.applied:
        return spoken("nothing", language)
    counts: dict[str, int] = {}
    for entry in night.applied:
        counts[entry.action] = counts.get(entry.action, 0) + 1
    return ", ".join(f"{spoken(action, language)}: {n}" for action, n in counts.items())


def figures(values: Mapping[str, Any], language: str) -> str:
    """`copies: 3, closed: 12`."""
    return ", ".join(f"{counted(name, language)}: {value}" for name, value in values.items())


def drilled(drill: Mapping[str, Any], language: str) -> str:
    """What opening the backup showed."""
    if drill["passed"]:
        return spoken("all_equal", language, n=drill["equal"])
    return spoken("unequal", language, why="; ".join(drill["faults"]))


def drifted(drift: Mapping[str, Any], language: str) -> str:
    """The alarms of the look for drift, with what to do."""
    from batch.drift_words import action

    alarms = {one["signal"]: one["action"] for one in drift["findings"] if one["signal"] in drift["drifted"]}
    if not alarms:
        return spoken("no_drift", language)
    return f"{', '.join(alarms)}. {' '.join(action(name, language) for name in dict.fromkeys(alarms.values()))}"


def _told(night: Night, language: str) -> dict[str, Any]:
    def lines(entries: Sequence[Entry]) -> dict[str, Any]:
        return {"lines": [line(one, language) for one in entries[:SHOWN]], "more": max(0, len(entries) - SHOWN)}

    return {
        "night": night,
        "s": partial(_said, language),
        "n": Numbers("es" if language == "es" else "en"),
        "outcome": outcome(night, language),
        "figures": partial(figures, language=language),
        "drilled": drilled(night.drill, language) if night.drill else "",
        "drift": drifted(night.drift, language) if night.drift else "",
        "applied": lines(night.applied),
        "proposed": lines(night.proposed),
        "deferred": lines(night.deferred),
    }


def _said(language: str, key: str, **values: object) -> str:
    return spoken(key, language, **values)


def _code(text: str) -> "Markup":
    """Our own words, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in parts)


def _cell(text: str) -> str:
    """Ticket text inside a Markdown table: nothing of it may be read as markup."""
    return "".join("\\" + sign if sign in "\\`*_{}[]()<>#+-!|~" else sign for sign in text)
