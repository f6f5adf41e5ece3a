"""Killed while backing up or restoring, at any step: the home opens and says what it said before, or what it was to say."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from backup.keeping import backups_in
from backup.opening import verify
from batch.assemble import open_house
from batch.backups import make_backup
from batch.settings import Settings
from tests.backup.backup_examples import (
    Killable,
    add_records,
    answers,
    backups_made,
    content,
    house_at,
    killable,
    learn,
    small_home,
    without_shard,
)
from tests.batch.commands_examples import copy_home

State: TypeAlias = Callable[[Path], object]
"""What a home holds or says, to compare."""


@pytest.fixture(scope="module")
def other() -> Iterator[Killable]:
    with killable() as process:
        yield process


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose index and journal have grown since its backup was made."""
    home = small_home(tmp_path_factory.mktemp("small") / "home")
    make_backup(house_at(home))
    learn(home, 72)
    add_records(home, 2)
    return home


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without what makes an index searchable, in its backup too: what is compared is every file."""
    home = without_shard(small_home(tmp_path_factory.mktemp("light") / "home", exemplars=8))
    make_backup(house_at(home))
    add_records(home, 2)
    return home


def _moments(steps: int, count: int) -> list[int]:
    """Steps of the first half, and of the second with the last of all; always the same."""
    dice, half = random.Random(count), steps // 2
    late = dice.sample(range(half, steps - 1), count - count // 2 - 1)
    return sorted([*dice.sample(range(half), count // 2), *late, steps - 1])


def _killed_backups(other: Killable, small: Path, folder: Path, count: int, state: State) -> None:
    home = folder / "home"
    copy_home(small, home)
    before, (good,) = state(home), backups_made(home)
    steps = other.work("backup", home)
    assert len(backups_made(home)) == 2
    for moment in _moments(steps, count):
        finished = set(backups_made(home))
        other.work("backup", home, kill_at=moment)
        assert state(home) == before
        for backup in backups_in(home / "backups"):
            assert not backup.fault
            verify(backup.path)
        assert finished <= set(backups_made(home))
    made = make_backup(house_at(home), force=True)
    assert made.made
    left = {path.name for path in (home / "backups").iterdir()}
    whole = {path.name for path in backups_made(home)}
    assert left == whole | {f"{name}.sha256" for name in whole} | {"backup.lock"}
    assert good.name in whole


def _killed_restores(other: Killable, small: Path, folder: Path, count: int, state: State) -> None:
    (backup,) = backups_made(small)
    old = state(small)
    home = folder / "steps" / "home"
    copy_home(small, home)
    steps = other.work("restore", home, home / "backups" / backup.name)
    new = state(home)
    assert new != old
    seen = set()
    for moment in _moments(steps, count):
        home = folder / f"at{moment}" / "home"
        copy_home(small, home)
        other.work("restore", home, home / "backups" / backup.name, kill_at=moment)
        assert open_house(Settings(home=home)).home == home, "the demo's was taken for it"
        now = state(home)
        assert now in (old, new)
        aside = list(home.glob("before-*"))
        assert len(aside) == (now == new)
        assert [state(folder) for folder in aside] == [old] * len(aside)
        assert not (home / "restore.json").exists()
        assert backups_made(home), "the backup itself is gone"
        other.work("restore", home, home / "backups" / backup.name)
        assert state(home) == new
        assert not (home / ".restoring").exists()
        seen.add(now == new)
    assert seen == {True, False}


def test_a_killed_backup(other: Killable, light: Path, tmp_path: Path) -> None:
    _killed_backups(other, light, tmp_path, 6, content)


def test_a_killed_restore(other: Killable, light: Path, tmp_path: Path) -> None:
    _killed_restores(other, light, tmp_path, 6, content)


@pytest.mark.slow
def test_a_backup_killed_at_many_steps(other: Killable, small: Path, tmp_path: Path) -> None:
    _killed_backups(other, small, tmp_path, 20, answers)


@pytest.mark.slow
def test_a_restore_killed_at_many_steps(other: Killable, small: Path, tmp_path: Path) -> None:
    _killed_restores(other, small, tmp_path, 20, answers)
