"""The backups in a folder: which there are, which are whole, and which are kept."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backup.archive import Contents, checksum_file, fault_of
from backup.opening import read_contents
from core.errors import InputError
from knowledge.files import FileLock, storage_errors

NAME = re.compile(r"tamiz-(\d{8}T\d{6}Z)\.tar\.gz")
STAMP = "%Y%m%dT%H%M%SZ"
LOCK_FILE = "backup.lock"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Args:
        created: when it was made, UTC.
        confirmed: when it was last found to hold what the home holds.
        size: bytes of the file.
        contents: what it says of itself; None where that can't be read.
        fault: what is wrong with it, as far as was looked; empty where nothing is.
        made: whether it was made just now: where nothing has changed, the one before it stands.
    """

    path: Path
    created: datetime
    confirmed: datetime
    size: int
    contents: Contents | None
    fault: str = ""
    made: bool = False


def backups_in(folder: Path) -> list[Backup]:
    """The finished backups of a folder, newest first; of each its manifest is read, not the rest."""
    if not folder.is_dir():
        return []
    named = ((NAME.fullmatch(path.name), path) for path in folder.iterdir())
    found = [_backup(path, match[1]) for match, path in named if match]
    return sorted(found, key=lambda backup: backup.created, reverse=True)


def newest_of(folder: Path, identity: str | None = None) -> Backup | None:
    """The newest backup that is whole by its checksum, of one home or of any."""
    ours = (backup for backup in backups_in(folder) if not backup.fault and _is_of(backup, identity))
    return next((backup for backup in ours if not fault_of(backup.path)), None)


def place_for(folder: Path, now: datetime) -> tuple[Path, datetime]:
    """Where the next backup goes, and its time: later than any that is there."""
    newest = max((backup.created for backup in backups_in(folder)), default=None)
    moment = now.astimezone(UTC).replace(microsecond=0)
    if newest and newest >= moment:
        moment = newest + timedelta(seconds=1)
    return folder / f"tamiz-{moment.strftime(STAMP)}.tar.gz", moment


def kept(moments: Iterable[datetime], days: int, weeks: int) -> set[datetime]:
    """The newest moment of each of the last `days` days that have one, and of the last `weeks` ISO weeks; always the newest."""
    newest_first = sorted(moments, reverse=True)
    of_day: dict[tuple[int, ...], datetime] = {}
    of_week: dict[tuple[int, ...], datetime] = {}
    for moment in newest_first:
        of_day.setdefault((moment.year, moment.month, moment.day), moment)
        of_week.setdefault(tuple(moment.isocalendar())[:2], moment)
    return {*newest_first[:1], *[*of_day.values()][:days], *[*of_week.values()][:weeks]}


def superfluous(folder: Path, identity: str, days: int, weeks: int) -> list[Backup]:
    """What retention would remove of one home's backups, newest first; nothing where the newest that would stay is not whole."""
    ours = [backup for backup in backups_in(folder) if not backup.fault and _is_of(backup, identity)]
    staying = kept((backup.created for backup in ours), days, weeks)
    going = [backup for backup in ours if backup.created not in staying]
    return going if going and not fault_of(ours[0].path) else []


def discard(backups: Collection[Backup]) -> None:
    """Remove backups with their checksums."""
    for backup in backups:
        with storage_errors(backup.path):
            backup.path.unlink(missing_ok=True)
            checksum_file(backup.path).unlink(missing_ok=True)


def confirm(backup: Backup) -> Backup:
    """Note that a backup holds what the home holds now."""
    with storage_errors(backup.path):
        checksum_file(backup.path).touch()
    return replace(backup, confirmed=datetime.now(UTC))


def claim(folder: Path) -> FileLock:
    """The folder, made where it is missing, for one backup at a time; what a killed one left is removed.

    Raises:
        InputError: another backup is under way.
    """
    from backup.staging import remove

    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock.acquire(folder / LOCK_FILE)
    if lock is None:
        raise InputError(f"Another backup into {folder} is under way.", remedy="Wait until it has finished, then try again.")
    for left in (*folder.glob("tamiz-*.partial"), *folder.glob(".staging-*"), *folder.glob(".drill-*")):
        if left.is_dir():
            remove(left)
        else:
            left.unlink(missing_ok=True)
    for checksum in folder.glob("tamiz-*.tar.gz.sha256"):
        if not checksum.with_suffix("").exists():
            checksum.unlink(missing_ok=True)
    return lock


def _backup(path: Path, stamp: str) -> Backup:
    created = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    checksum = checksum_file(path)
    confirmed = datetime.fromtimestamp(checksum.stat().st_mtime, UTC) if checksum.exists() else created
    try:
        contents = read_contents(path)
    except InputError as error:
        return Backup(path, created, confirmed, path.stat().st_size, None, error.message)
    fault = "" if checksum.exists() else f"{checksum.name} is missing"
    return Backup(path, created, confirmed, path.stat().st_size, contents, fault)


def _is_of(backup: Backup, identity: str | None) -> bool:
    return identity is None or (backup.contents is not None and backup.contents.identity == identity)
