"""`python -m batch backup` and `python -m batch restore`."""

from pathlib import Path
from typing import Annotated

import typer

from core.errors import InputError

FAILED = 1

app = typer.Typer(
    help="Keep the home safe in one file: the index, the journal, the fit, the taxonomy, the pseudonym key, the champion.",
    epilog="Exit codes: 0 done, 1 error or a failed drill, 2 usage.",
)

To = Annotated[Path | None, typer.Option(help="Folder of the backups. Default: backup.folder of the settings, <home>/backups.")]
File = Annotated[Path, typer.Argument(help="A file that `backup` made.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")]


@app.callback(invoke_without_command=True, epilog="Example: python -m batch backup --to /mnt/safe")
def default(
    context: typer.Context,
    to: To = None,
    with_drill: Annotated[
        bool, typer.Option("--drill/--no-drill", help="Open the backup and compare counts and 50 searches with the home.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Also where nothing has changed since the last one.")] = False,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Remove no old backup.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make a backup, try it, and let old ones go. It may be made while a run is writing."""
    if context.invoked_subcommand is not None:
        return
    from batch.assemble import open_house
    from batch.backup_terminal import make, plan
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        if dry_run:
            plan(house, to, keep_all=keep_all, as_json=as_json)
        elif not make(house, to, with_drill=with_drill, force=force, keep_all=keep_all, as_json=as_json):
            raise typer.Exit(FAILED)


@app.command("list", epilog="Example: python -m batch backup list")
def list_(to: To = None, as_json: Json = False, config: Config = None) -> None:
    """The backups that there are, the newest first."""
    from batch.assemble import open_house
    from batch.backup_terminal import show_all
    from batch.settings import load_settings

    show_all(open_house(load_settings(config)), to, as_json=as_json)


@app.command(epilog="Example: python -m batch backup verify var/backups/tamiz-20261122T031500Z.tar.gz")
def verify(file: File, as_json: Json = False) -> None:
    """Read a backup to its end and compare every checksum; what is damaged is named."""
    from batch.backup_terminal import check

    check(file, as_json=as_json)


def restore(
    file: File,
    home: Annotated[Path | None, typer.Option(help="Where to. Default: the home of the settings.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the home is not empty: what is there is moved aside, whole.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, and change nothing.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Put a backup in place of the home, once every checksum is right. Nothing that was there is deleted."""
    from batch.backup_terminal import put_back
    from batch.settings import load_settings

    if home is not None and home.exists() and not home.is_dir():
        raise InputError(f"{home} is no folder.", remedy="Name a folder that is empty or not there yet.")
    put_back(load_settings(config), file, home, force=force, dry_run=dry_run, as_json=as_json)
