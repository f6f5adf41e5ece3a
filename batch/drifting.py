"""`drift`: the latest tickets of the journal against a reference that is kept, and what was said of it.

<home>/drift/reference.json   the reference's dates and version, and the windows that were looked at
<home>/drift/report.json      the last report, for whoever wants it later: a nightly report, a gauge, a decision to learn anew

The reference stands still while its looks last, so that a slow change adds up; then it is renewed: the weeks before the window.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from batch.assemble import House
from core.errors import InputError
from knowledge.files import write_durably
from observability.drift.correction import ALPHA, LOOKS
from observability.drift.report import DriftReport, Sides, Span, compare, span
from observability.drift.sample import Observation, digest, observe, verdicts
from observability.journal import Journal
from observability.records import DecisionRecord, HumanVerdict, Versions, now

Renewed: TypeAlias = Literal["", "first", "asked", "overlap", "spent", "lost"]
SLACK = timedelta(days=2)
"""A run that began so long before a window may still have decided in it."""
_VERSIONS = ("tamiz", "taxonomy_digest", "embedder", "fit", "language_model")


@dataclass(frozen=True, slots=True)
class Asked:
    """The last `days` up to `until` (now) are the window, the `reference_days` before them a new reference."""

    days: int = 7
    reference_days: int = 28
    until: datetime | None = None
    renew: bool = False
    embeddings: bool = True


class Kept(BaseModel):
    """The reference as it is kept: its stretch, its version, and the windows that were looked at, by digest."""

    model_config = ConfigDict(frozen=True)

    version: str
    since: datetime
    until: datetime
    windows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A report, and why its reference is new ("" where it is not)."""

    report: DriftReport
    renewed: Renewed


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the journal: from `since` up to `until`."""

    since: datetime
    until: datetime

    def of(self, observations: Sequence[Observation]) -> list[Observation]:
        """Those decided in it, oldest first."""
        return [one for one in observations if self.since <= one.at < self.until]


def look(house: House, asked: Asked) -> Look:
    """Compare and keep the report. A second look at the same window is the first one: it costs nothing and says the same.

    Raises:
        InputError: nothing was decided in the window or the reference.
    """
    until = asked.until or now()
    window = Stretch(until - timedelta(days=asked.days), until)
    before = Stretch(window.since - timedelta(days=asked.reference_days), window.since)
    kept = read_kept(house.home)
    if not (house.home / "journal.sqlite").exists():
        raise InputError("Nothing has been decided yet.", remedy="Run `python -m batch run` first.")
    with Journal(house.home / "journal.sqlite") as journal:
        since = min(before.since, kept.since) if kept else before.since
        observations, versions = read(journal, Stretch(since, until))
    latest = window.of(observations)
    name = digest(latest, judged=True) + ("" if asked.embeddings else "-")  # with fewer signals it is another look
    kept, renewed = _reference(kept, before, observations, name, asked)
    sides = Sides(
        Stretch(kept.since, kept.until).of(observations), latest, house.remembering.encode if asked.embeddings else None
    )
    _require_tickets(sides, window, kept)
    kept = kept if name in kept.windows else kept.model_copy(update={"windows": (*kept.windows, name)})
    changed = _changed(versions, Stretch(kept.since, kept.until), window)
    report = compare(sides, look=kept.windows.index(name) + 1, looks=LOOKS, alpha=ALPHA, changed=changed)
    report = replace(report, reference=_named(kept, sides.reference))
    _keep(house.home, kept, report)
    return Look(report, renewed)


def read(journal: Journal, stretch: Stretch) -> tuple[list[Observation], dict[datetime, Versions]]:
    """The observations of the live runs of a stretch, oldest first, and the versions of each run by its start."""
    runs = [entry for entry in journal.runs() if stretch.since - SLACK <= entry.started.at < stretch.until]
    live = [entry for entry in runs if not entry.started.dry_run]
    said: Mapping[str, HumanVerdict] = verdicts(journal.about_judged())
    observations = observe((r for entry in live for r in _decisions(journal, entry.run)), said)
    return stretch.of(observations), {entry.started.at: entry.started.versions for entry in live}


def read_kept(home: Path) -> Kept | None:
    """The reference that is kept; None where there is none that can be read."""
    try:
        return Kept.model_validate_json((home / "drift" / "reference.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None


def last_report(home: Path) -> dict[str, Any] | None:
    """The last report as JSON (see `DriftReport.as_json`); None where there is none that can be read."""
    try:
        found = json.loads((home / "drift" / "report.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _reference(
    kept: Kept | None, before: Stretch, observations: Sequence[Observation], window: str, asked: Asked
) -> tuple[Kept, Renewed]:
    """The reference that is kept, or a new one and why."""
    why = _why_renewed(kept, before.until, observations, window, asked)
    if kept is not None and not why:
        return kept, ""
    return Kept(version=digest(before.of(observations)), since=before.since, until=before.until), why


def _why_renewed(kept: Kept | None, begins: datetime, observations: Sequence[Observation], window: str, asked: Asked) -> Renewed:
    if kept is None:
        return "first"
    if asked.renew:
        return "asked"
    if kept.until > begins:
        return "overlap"
    if digest(Stretch(kept.since, kept.until).of(observations)) != kept.version:
        return "lost"
    return "spent" if window not in kept.windows and len(kept.windows) >= LOOKS else ""


def _require_tickets(sides: Sides, window: Stretch, kept: Kept) -> None:
    for name, side, since, until in (
        ("window", sides.window, window.since, window.until),
        ("reference", sides.reference, kept.since, kept.until),
    ):
        if not side:
            raise InputError(
                f"Nothing was decided in the {name}, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}.",
                remedy="Run again when there are tickets, or choose other stretches with --days, --reference-days and --until.",
            )


def _changed(versions: Mapping[datetime, Versions], reference: Stretch, window: Stretch) -> tuple[str, ...]:
    """Names of the versions that the window's runs have and the reference's had not."""
    old = [v for at, v in versions.items() if reference.since - SLACK <= at < reference.until]
    new = [v for at, v in versions.items() if window.since <= at < window.until]
    return tuple(n for n in _VERSIONS if old and {getattr(v, n) for v in new} - {getattr(v, n) for v in old})


def _decisions(journal: Journal, run: str) -> Iterator[DecisionRecord]:
    return (record for record in journal.records(run=run, kind="decision") if isinstance(record, DecisionRecord))


def _named(kept: Kept, observations: Sequence[Observation]) -> Span:
    return replace(span(observations), version=kept.version)


def _keep(home: Path, kept: Kept, report: DriftReport) -> None:
    """The report first: a look that is not noted is made again, a noted one has its report."""
    folder = home / "drift"
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / "report.json", json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    write_durably(folder / "reference.json", kept.model_dump_json(indent=1))
