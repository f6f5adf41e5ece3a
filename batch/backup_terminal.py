"""What `backup` and `restore` say."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backup.archive import Contents
from backup.keeping import Backup
from backup.opening import verify
from batch import console
from batch.assemble import House
from batch.backup_drill import Drill, drill
from batch.backups import backup_folder, backups_of, let_go, make_backup, planned
from batch.restoring import restore_backup
from batch.settings import Settings


def make(house: House, to: Path | None, *, with_drill: bool, force: bool, keep_all: bool, as_json: bool) -> bool:
    """`backup`; whether the drill passed. Old backups go only then."""
    start = time.perf_counter()
    with console.counted("Backup") as progress:
        backup = make_backup(house, to, force=force, progress=progress)
        made_in = time.perf_counter() - start
        tried = drill(house, backup, progress=progress) if with_drill else None
    passed = tried is None or tried.passed
    gone = [] if keep_all or not passed else let_go(house, to)
    if as_json:
        _print({**_row(backup), "made": backup.made, "seconds": made_in, "drill": _tried(tried), "removed": _names(gone)})
        return passed
    _say_made(backup, made_in)
    if tried:
        _say_tried(tried)
    for old in gone:
        console.say(f"Removed: {old.path.name} ({_size(old.size)}).")
    return passed


def plan(house: House, to: Path | None, *, keep_all: bool, as_json: bool) -> None:
    """`backup --dry-run`."""
    files, size = planned(house, to)
    going = [] if keep_all else let_go(house, to, dry_run=True)
    folder = backup_folder(house, to)
    if as_json:
        _print({"folder": str(folder), "files": files, "bytes": size, "removed": _names(going)})
        return
    console.say(f"{files} files with {_size(size)} of {house.home} would go into {folder}; nothing was written.")
    for old in going:
        console.say(f"{old.path.name} would be removed, even before a newer one is there.")


def show_all(house: House, to: Path | None, *, as_json: bool) -> None:
    """`backup list`."""
    from rich.table import Table
    from rich.text import Text

    found = backups_of(house, to)
    if as_json:
        _print({"backups": [_row(backup) for backup in found]})
        return
    if not found:
        console.say(f"There is no backup in {backup_folder(house, to)}.")
        return
    table = Table("backup", "made (UTC)", "size", "exemplars", "records", "")
    for backup in found:
        counts = backup.contents.counts if backup.contents else {}
        numbers = (str(counts.get(name, "–")) for name in ("exemplars", "records"))
        fault = Text(console.printable(backup.fault), "red")
        table.add_row(backup.path.name, f"{backup.created:%Y-%m-%d %H:%M}", _size(backup.size), *numbers, fault)
    console.out().print(table)


def check(file: Path, *, as_json: bool) -> None:
    """`backup verify`."""
    with console.counted("Verify") as progress:
        contents = verify(file, progress)
    if as_json:
        _print({"backup": str(file), **_about(contents)})
    else:
        console.say(f"{file} is whole: {_spoken(contents)}.")


def put_back(settings: Settings, file: Path, home: Path | None, *, force: bool, dry_run: bool, as_json: bool) -> None:
    """`restore`."""
    with console.counted("Restore") as progress:
        done = restore_backup(settings, file, home, force=force, dry_run=dry_run, progress=progress)
    if as_json:
        aside = str(done.aside) if done.aside else None
        _print({
            "home": str(done.home), "aside": aside, "rebuilt": done.rebuilt, "dry_run": dry_run, "seconds": done.seconds,
            **_about(done.contents),
        })  # fmt: skip
        return
    if dry_run:
        before = ", and what is there would be moved aside" if done.aside else ""
        console.say(f"{file} is whole ({_spoken(done.contents)}) and would go to {done.home}{before}; nothing was changed.")
        return
    moment = f"{done.contents.created:%Y-%m-%d %H:%M} UTC"
    console.say(f"{done.home} is as it was on {moment}: {_spoken(done.contents)} ({done.seconds:.1f} s).")
    if done.aside:
        console.say(f"What was there before is in {done.aside}: remove it once you no longer need it.")
    for member, where in done.contents.outside.items():
        console.say(f"{done.home / member} is the copy of {where}, which lies outside the home and was left as it is.")


def _say_made(backup: Backup, seconds: float) -> None:
    if backup.made and backup.contents:
        console.say(f"{backup.path} ({_size(backup.size)}, {seconds:.1f} s): {_spoken(backup.contents)}.")
    else:
        console.say(f"Nothing has changed since {backup.path}: no new one was made (--force makes one).")


def _say_tried(tried: Drill) -> None:
    if tried.passed:
        compared = (
            f"{tried.equal} of {tried.searches} searches give the same" if tried.searches else "the index has moved on since"
        )
        console.say(
            f"Opened and compared: {tried.exemplars} exemplars, {tried.records} records, {compared} ({tried.seconds:.1f} s)."
        )
    for fault in tried.faults:
        console.say(f"The drill failed: {fault}.")
    if not tried.passed:
        console.say(
            "   do: keep the older backups (none was removed), look at the disk, and run `python -m batch backup --force`."
        )


def _row(backup: Backup) -> dict[str, Any]:
    return {
        "backup": str(backup.path),
        "created": backup.created.isoformat(),
        "confirmed": backup.confirmed.isoformat(),
        "size": backup.size,
        "fault": backup.fault,
        **(_about(backup.contents) if backup.contents else {}),
    }


def _about(contents: Contents) -> dict[str, Any]:
    return {
        "files": len(contents.members),
        "bytes": contents.size,
        "knowledge": contents.knowledge,
        **contents.counts,
    }


def _tried(tried: Drill | None) -> Mapping[str, Any] | None:
    return {**asdict(tried), "passed": tried.passed} if tried else None


def _names(backups: Sequence[Backup]) -> list[str]:
    return [backup.path.name for backup in backups]


def _spoken(contents: Contents) -> str:
    counts = contents.counts
    return f"{counts.get('exemplars', 0)} exemplars, {counts.get('records', 0)} journal records, {len(contents.members)} files"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _print(result: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
