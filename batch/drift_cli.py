"""`python -m batch drift`: whether the tickets, or what is decided on them, are still those of the reference."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

DRIFT_FOUND = 3


def drift(
    days: Annotated[int, typer.Option(min=1, max=366, help="The last so many days are the window.")] = 7,
    reference_days: Annotated[int, typer.Option(min=1, max=1000, help="Days of a new reference, before the window.")] = 28,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="The window's end, UTC. Default: now.")
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Take a new reference, also where the kept one has looks left.")] = False,
    embeddings: Annotated[bool, typer.Option(help="Also compare what the texts mean.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")] = None,
) -> None:
    """Say whether labels, confidence, texts, escalations or people's verdicts have moved since the reference.

    Exit codes: 0 no drift, 1 error, 2 usage, 3 drift found.
    """
    from batch import console
    from batch.assemble import open_house
    from batch.drift_terminal import show
    from batch.drifting import Asked, look
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        asked = Asked(days, reference_days, until.replace(tzinfo=UTC) if until else None, renew, embeddings)
        seen = look(house, asked)
        show(seen, console.terminal_language(house.settings.run.language), as_json=as_json)
    if seen.report.drifted:
        raise typer.Exit(DRIFT_FOUND)
