"""`python -m batch maintain`: the nightly job, and what a person says of its entries."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from core.errors import InputError

if TYPE_CHECKING:
    from batch.night import Phase

NOT_ALL = 3

Entries = Annotated[list[str], typer.Argument(metavar="ENTRY...", help="Ids of entries, or how they begin.")]
Who = Annotated[str, typer.Option(help="Who says so. Default: the name you are logged in with.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")]

app = typer.Typer(
    help="The nightly job: take in what is new, find what is wrong, try it on a candidate, put it in use, back up.",
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 a phase failed or the candidate was withheld: see the report.",
)


@app.callback(invoke_without_command=True, epilog="Example: python -m batch maintain --phase duplicates --phase audit --dry-run")
def default(
    context: typer.Context,
    phase: Annotated[list[str] | None, typer.Option(help="Only this phase; may be given several times. Default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Find and try, but change nothing and write no report.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Change more than a twentieth of the base, and even where the trial is worse.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """One night: it can be called again at any time, and finishes what a killed one left."""
    if context.invoked_subcommand is None:
        from batch.assemble import open_house
        from batch.maintain_terminal import work
        from batch.settings import load_settings

        with open_house(load_settings(config)) as house:
            if not work(house, _phases(phase), dry_run=dry_run, force=force, as_json=as_json):
                raise typer.Exit(NOT_ALL)


@app.command("list", epilog="Example: python -m batch maintain list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also what is in force and what was reverted.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """What waits for a person's word: labels that are likely wrong, and texts that contradict each other."""
    from batch.assemble import open_house
    from batch.maintain_terminal import show_entries
    from batch.settings import load_settings

    show_entries(open_house(load_settings(config)), everything=everything, as_json=as_json)


@app.command(epilog="Example: python -m batch maintain approve 3fa91c 77b2e0")
def approve(entries: Entries, who: Who = "", config: Config = None) -> None:
    """These proposals are right: the next night applies them, or `maintain --phase decisions --phase apply` now."""
    _say(entries, "approved", who, config)


@app.command(epilog="Example: python -m batch maintain revert 3fa91c")
def revert(entries: Entries, who: Who = "", config: Config = None) -> None:
    """These entries are wrong: what they changed is put back, and no night proposes them again."""
    _say(entries, "reverted", who, config)


def _say(entries: list[str], word: Literal["approved", "reverted"], who: str, config: Path | None) -> None:
    from batch.assemble import open_house
    from batch.maintain_terminal import say
    from batch.settings import load_settings

    say(open_house(load_settings(config)), entries, word, who or getpass.getuser())


def _phases(given: list[str] | None) -> "list[Phase]":
    from batch.night import PHASES

    for name in given or []:
        if name not in PHASES:
            raise InputError(f"There is no phase {name!r}.", remedy=f"Use some of {', '.join(PHASES)}.")
    return [phase for phase in PHASES if not given or phase in given]
