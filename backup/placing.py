"""How a home takes the place of the one before it, so that whoever is killed on the way leaves the old one or the new one.

<home>/.restoring/new/      the new content, complete before anything is moved
<home>/restore.json         from then on: which names go and which come; whoever finds it finishes what it says
<home>/before-<time>/       what was there before, whole
<home>/restore.lock         held meanwhile

All within the home: it may be a mounted volume, which can't be renamed, under a folder that can't be written.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from backup.staging import checked_name, remove
from core.errors import StorageError
from knowledge.files import FileLock, storage_errors, sync, write_durably

STAGE = Path(".restoring", "new")
PLAN_FILE = "restore.json"
LOCK_FILE = "restore.lock"
STAYING = re.compile(r"backups|before-\d{8}T\d{6}Z(-\d+)?|\.restoring|restore\.json(\.tmp)?|restore\.lock")
"""What a restore leaves where it is."""


class Plan(BaseModel):
    """Which names at the top of a home go to which folder, and which come from the stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aside: str
    old: list[str]
    new: list[str]


@contextmanager
def restoring(home: Path) -> Iterator[Path]:
    """An empty folder for the new content, for one restore at a time; what an interrupted one had begun is finished or removed.

    Raises:
        StorageError: another restore is under way, or the home can't be written.
    """
    with storage_errors(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock.acquire(home / LOCK_FILE)
    if lock is None:
        raise _under_way(home)
    try:
        _finish(home)
        with storage_errors(home):
            (home / STAGE).mkdir(mode=0o700, parents=True)
        yield home / STAGE
    finally:
        if not (home / PLAN_FILE).exists():
            remove(home / STAGE.parent)
        lock.release()


def content_of(home: Path, backup: Path | None = None) -> list[str]:
    """The names at the top of a home that a restore would move aside; never the `backup` that it reads."""
    if not home.is_dir():
        return []
    names = {path.name for path in home.iterdir() if not STAYING.fullmatch(path.name)}
    if backup is not None and backup.resolve().is_relative_to(home.resolve()):
        names.discard(backup.resolve().relative_to(home.resolve()).parts[0])
    return sorted(names)


def put_in_place(home: Path, backup: Path) -> Path | None:
    """Move the content aside and what is staged in its place; where the old content is, None where there was none."""
    old = content_of(home, backup)
    plan = Plan(aside=_aside(home), old=old, new=sorted(path.name for path in (home / STAGE).iterdir()))
    for path in (home / STAGE).rglob("*"):
        sync(path)  # on the disk before anything refers to it
    write_durably(home / PLAN_FILE, plan.model_dump_json(indent=1))
    _finish(home)
    return home / plan.aside if old else None


def finish_restore(home: Path) -> None:
    """Finish a restore that was interrupted while it moved; a look at one name where there is none.

    Raises:
        StorageError: a restore is under way right now, or its plan can't be read.
    """
    if not (home / PLAN_FILE).exists():
        return
    lock = FileLock.acquire(home / LOCK_FILE, wait=2.0)
    if lock is None:
        raise _under_way(home)
    try:
        _finish(home)
    finally:
        lock.release()


def _finish(home: Path) -> None:
    """Do what is left of the plan, if there is one; every step is one rename, and none is done twice."""
    plan = _plan(home)
    if plan is not None:
        aside = home / plan.aside
        with storage_errors(home):
            for name in plan.old:
                aside.mkdir(mode=0o700, exist_ok=True)
                if not os.path.lexists(aside / name):
                    os.rename(home / name, aside / name)
            for name in plan.new:
                if os.path.lexists(home / STAGE / name):
                    os.rename(home / STAGE / name, home / name)
            sync(home)
            (home / PLAN_FILE).unlink()
    remove(home / STAGE.parent)


def _plan(home: Path) -> Plan | None:
    file = home / PLAN_FILE
    if not file.exists():
        return None
    try:
        plan = Plan.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        remedy = (
            f"What was there and what was to come are in {home} and {home / STAGE}: put one in place by hand, then remove it."
        )
        raise StorageError(f"{file} can't be read, so an interrupted restore can't be finished.", remedy=remedy) from error
    for name in (plan.aside, *plan.old, *plan.new):
        checked_name(name, file)
    return plan


def _aside(home: Path) -> str:
    name = f"before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    taken = sum(1 for path in home.iterdir() if path.name.startswith(name))
    return f"{name}-{taken + 1}" if taken else name


def _under_way(home: Path) -> StorageError:
    return StorageError(f"A restore of {home} is under way.", remedy="Wait until it has finished, then try again.")
