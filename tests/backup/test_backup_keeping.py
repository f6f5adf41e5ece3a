"""Which backups stay, and what counts as one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.archive import Contents, checksum_file, pack
from backup.keeping import backups_in, claim, confirm, discard, kept, newest_of, place_for, superfluous
from core.errors import InputError

MONDAY = datetime(2026, 11, 16, 3, 15, tzinfo=UTC)


def _made(folder: Path, moment: datetime, identity: str = "ours") -> Path:
    folder.mkdir(exist_ok=True)
    (folder.parent / "nothing").mkdir(exist_ok=True)
    path, created = place_for(folder, moment)
    contents = Contents(
        created=created, tamiz="", identity=identity, demo=False, knowledge="", embedder="", counts={}, outside={}, members={}
    )
    pack(folder.parent / "nothing", contents, path)
    return path


def test_seven_days_and_four_weeks() -> None:
    nights = [MONDAY + timedelta(days=day) for day in range(60)]
    staying = kept(nights, 7, 4)
    newest = nights[-1]
    assert {night for night in nights if newest - night < timedelta(days=7)} <= staying
    assert len(staying) == 7 + 2, "two of the four weeks are among the days"
    assert all(night.isoweekday() == 7 for night in staying if newest - night >= timedelta(days=7))
    assert min(staying) > newest - timedelta(weeks=4)


def test_only_the_newest_of_a_day_stays() -> None:
    hours = [MONDAY + timedelta(hours=hour) for hour in range(12)]
    assert kept(hours, 7, 4) == {hours[-1]}


def test_days_on_which_there_was_none_do_not_count() -> None:
    moments = [MONDAY - timedelta(days=30 * month) for month in range(12)]
    assert kept(moments, 7, 4) == set(moments[:7])


@given(st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))))
def test_never_all_and_never_too_many(moments: list[datetime]) -> None:
    staying = kept(moments, 7, 4)
    assert staying <= set(moments)
    assert len(staying) <= 11
    assert not moments or max(moments) in staying
    assert kept(staying, 7, 4) == staying, "letting go again lets go of more"


def test_what_goes_is_removed_with_its_checksum(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [_made(folder, MONDAY + timedelta(hours=hour)) for hour in range(3)]
    discard(superfluous(folder, "ours", 7, 4))
    assert sorted(folder.iterdir()) == [made[-1], checksum_file(made[-1])]


def test_nothing_goes_where_the_newest_is_not_whole(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [_made(folder, MONDAY + timedelta(hours=hour)) for hour in range(3)]
    data = bytearray(made[-1].read_bytes())
    data[-5] ^= 1
    made[-1].write_bytes(data)
    assert superfluous(folder, "ours", 7, 4) == []
    newest = newest_of(folder)
    assert newest is not None
    assert newest.path == made[1]


def test_another_homes_backups_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    theirs = _made(folder, MONDAY, "theirs")
    made = [_made(folder, MONDAY + timedelta(hours=hour)) for hour in range(1, 3)]
    assert [backup.path for backup in superfluous(folder, "ours", 7, 4)] == [made[0]]
    found = newest_of(folder, "theirs")
    assert found is not None
    assert found.path == theirs


def test_two_in_one_second_have_two_names(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    first, second = _made(folder, MONDAY), _made(folder, MONDAY)
    assert [first.name, second.name] == ["tamiz-20261116T031500Z.tar.gz", "tamiz-20261116T031501Z.tar.gz"]
    assert [backup.path for backup in backups_in(folder)] == [second, first]


def test_what_is_half_done_is_no_backup_and_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = _made(folder, MONDAY)
    half = folder / "tamiz-20261117T031500Z.tar.gz.partial"
    half.write_bytes(made.read_bytes()[:50])
    checksum_file(folder / "tamiz-20261117T031500Z.tar.gz").write_text("0  x\n")
    (folder / ".staging-0123").mkdir()
    (folder / "notes.txt").write_text("mine")
    assert [backup.path for backup in backups_in(folder)] == [made]
    lock = claim(folder)
    with pytest.raises(InputError, match="Another backup"):
        claim(folder)
    lock.release()
    assert {path.name for path in folder.iterdir()} == {made.name, f"{made.name}.sha256", "backup.lock", "notes.txt"}


def test_a_damaged_one_is_listed_as_such_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    _made(folder, MONDAY)
    cut, bare = _made(folder, MONDAY), _made(folder, MONDAY)
    cut.write_bytes(b"")
    checksum_file(bare).unlink()
    faults = {backup.path: backup.fault for backup in backups_in(folder)}
    assert "no backup" in faults[cut] or "damaged" in faults[cut]
    assert "missing" in faults[bare]
    assert superfluous(folder, "ours", 1, 0) == []


def test_a_confirmed_one_says_when(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    _made(folder, MONDAY)
    (backup,) = backups_in(folder)
    before = datetime.now(UTC) - timedelta(seconds=2)
    assert confirm(backup).confirmed > before
    assert backups_in(folder)[0].confirmed > before
    assert backups_in(folder)[0].created == MONDAY
