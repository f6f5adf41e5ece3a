"""The nightly job in the terminal: what it did, what waits for a word, and the word."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

from batch import console
from batch.assemble import House
from batch.maintaining import Orders, maintain
from batch.night import Night, Phase, to_json
from batch.night_report import drifted, drilled, figures, line, outcome, write_night
from batch.night_words import spoken
from knowledge.archive import Archive, Filed
from observability.records import now


def work(house: House, phases: Sequence[Phase], *, dry_run: bool, force: bool, as_json: bool) -> bool:
    """One night, told; whether everything could be done."""
    language = console.terminal_language(house.settings.run.language)
    with console.stages("Maintain") as stage:
        night = maintain(house, Orders(frozenset(phases), dry_run=dry_run, force=force), stage)
    paths = {} if dry_run else write_night(house.home, night, language)
    if as_json:
        sys.stdout.write(json.dumps({**to_json(night), "paths": paths}, ensure_ascii=False, indent=1) + "\n")
    else:
        _show(night, language)
        for name, path in paths.items():
            console.say(f"{name}: {path}")
    return night.ok


def _show(night: Night, language: str) -> None:
    from rich.table import Table

    table = Table(spoken("phase", language), spoken("took", language), spoken("found", language))
    for run in night.phases:
        said = spoken("failed", language, why=run.error) if run.error else figures(run.figures, language)
        table.add_row(spoken(run.phase, language), f"{run.seconds:.1f} s", console.printable(said))
    console.out().print(table)
    for one in night.paired:
        console.out().print(
            f"{one.field}: {one.before:.1%} → {one.after:.1%} (n = {one.n}, {one.won} / {one.lost}, p = {one.p:.3f})",
            markup=False,
        )
    count = f"{night.count_before} → {night.count_after} {spoken('exemplars', language)}"
    console.out().print(f"{outcome(night, language)} {count}", markup=False)
    if night.drift:
        console.out().print(f"{spoken('drift', language)}: {drifted(night.drift, language)}", markup=False, soft_wrap=True)
    if night.drill:
        console.out().print(f"{spoken('drill', language)}: {drilled(night.drill, language)}", markup=False)
    if night.proposed:
        console.out().print(
            f"{len(night.proposed)}: {spoken('proposed', language)}. `python -m batch maintain list`", markup=False
        )


def show_entries(house: House, *, everything: bool, as_json: bool) -> None:
    """What waits for a word, or all that was ever filed."""
    known = Archive(house.home).read()
    shown = list(known.filed.values()) if everything else known.open()
    if as_json:
        rows = [_row(one, known.words[one.entry.id].word if one.entry.id in known.words else "") for one in shown]
        sys.stdout.write(json.dumps({"entries": rows}, ensure_ascii=False, indent=1) + "\n")
        return
    from rich.table import Table

    language = console.terminal_language(house.settings.run.language)
    table = Table(*(spoken(name, language) for name in ("entry", "what", "why", "ticket", "changes")))
    for one in shown:
        told = line(one.entry, language)
        table.add_row(*map(console.printable, (told.id, told.what, told.why, told.ticket, told.changes or told.text)))
    console.out().print(table)


def say(house: House, entries: Sequence[str], word: Literal["approved", "reverted"], who: str) -> None:
    """Keep a person's word on each entry."""
    archive = Archive(house.home)
    for given in entries:
        filed = archive.say(given, word, who, now())
        console.say(f"{filed.entry.id}: {word}.")
    console.say("The next night applies it; `python -m batch maintain --phase decisions --phase apply --phase fit` does now.")


def _row(filed: Filed, word: str) -> dict[str, Any]:
    entry = filed.entry
    return {
        "id": entry.id,
        "night": filed.night,
        "action": entry.action,
        "reason": entry.reason,
        "proposed": entry.proposed,
        "word": word,
        "exemplar": entry.exemplar.id,
        "ticket": entry.exemplar.source_id,
        "values": dict(entry.values),
    }
