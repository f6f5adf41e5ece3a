"""`python -m batch replay`: past tickets decided again, now or with something changed. Nothing is written to any desk."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.errors import InputError


def replay(
    run: Annotated[str, typer.Option(help="A run, the beginning of its name, or last.")] = "last",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="All live runs since then, UTC.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many tickets, the latest.")] = None,
    model: Annotated[str, typer.Option(help="Another language model, as in TAMIZ_LLM__MODEL; none: without one.")] = "",
    adapter: Annotated[str, typer.Option(help="Folder of another adapter.")] = "",
    prompt: Annotated[str, typer.Option(help="Another prompt template, such as triage.v2.")] = "",
    kb: Annotated[str, typer.Option(help="The version of the knowledge base that has to be searched.")] = "",
    threshold: Annotated[
        list[str] | None, typer.Option(help="Another threshold, FIELD=CONFIDENCE, or one for all that may be filled in.")
    ] = None,
    target: Annotated[float | None, typer.Option(min=0.5, max=0.999, help="Another target precision; fits apart.")] = None,
    approve_at: Annotated[float | None, typer.Option(min=0.0, max=100.0, help="Another mark for the critic's score.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")] = None,
) -> None:
    """Decide past tickets again and show what would change, and whether people had agreed with the old or the new.

    With --threshold and --approve-at alone the journal is enough wherever that is exact, and no model is asked.
    """
    from batch import console
    from batch.assemble import open_house
    from batch.replay_terminal import show
    from batch.replaying import Asked, choose, fillable, house_for
    from batch.replaying import replay as decide
    from batch.settings import load_settings

    house = open_house(load_settings(config))
    moment = since.replace(tzinfo=UTC) if since else None
    thresholds = _thresholds(threshold or [], fillable(house.taxonomy))
    asked = Asked(run, moment, limit, model, adapter, prompt, kb, thresholds, target, approve_at)
    with house_for(house, asked) as changed:
        chosen = choose(changed, asked)
        with console.progress_bar("Replay", len(chosen.past)) as advance:
            report = decide(changed, asked, chosen, advance)
        show(report, console.terminal_language(house.settings.run.language), as_json=as_json)


def _thresholds(given: list[str], fields: tuple[str, ...]) -> dict[str, float]:
    """field -> confidence; one without a field is for all `fields`."""
    found: dict[str, float] = {}
    for text in given:
        field, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0.0 <= number <= 1.0:
            raise InputError(f"--threshold {text!r} is no confidence.", remedy="For example --threshold category=0.8, or 0.8.")
        found |= dict.fromkeys((field.strip(),) if field.strip() else fields, number)
    return found
