"""Back up, delete everything, restore: the same answers; and what a person is told where that can't be done."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from backup.keeping import backups_in
from batch.backup_drill import drawn, drill
from batch.backups import let_go, make_backup, newest_backup
from batch.restoring import restore_backup
from batch.settings import Settings
from core.errors import KnowledgeError, StorageError
from knowledge.base import KnowledgeBase
from knowledge.edge_shelf import EdgeShelf
from tests.backup.backup_examples import (
    ROOT,
    add_records,
    answers,
    backups_made,
    content,
    house_at,
    learn,
    small_home,
    without_shard,
)
from tests.batch.commands_examples import copy_home, tamiz
from tests.knowledge.qdrant_rest import qdrant_rest
from tests.knowledge.test_knowledge_crashes import other_process
from tests.knowledge.toy_knowledge import ToyEmbedder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home, made once."""
    return small_home(tmp_path_factory.mktemp("made") / "home")


@pytest.fixture
def home(made: Path, blank: Path) -> Path:
    """A copy of it as the home of the settings."""
    copy_home(made, blank)
    return blank


@pytest.fixture
def light(home: Path) -> Path:
    """The same without what makes an index searchable, for tests that don't search."""
    return without_shard(home)


def test_backup_delete_everything_restore(home: Path, tmp_path: Path) -> None:
    before, safe = answers(home), tmp_path / "safe"
    made = tamiz("backup", "--no-drill", "--json", "--to", safe)
    assert (made.code, made.json["made"], made.json["exemplars"], made.json["records"]) == (0, True, 64, 3)
    key = (home / "redaction.key").read_bytes()
    shutil.rmtree(home)
    restored = tamiz("restore", made.json["backup"], "--json")
    assert restored.code == 0, restored.err
    assert (restored.json["home"], restored.json["aside"], restored.json["rebuilt"]) == (str(home), None, False)
    assert answers(home) == before
    assert (home / "redaction.key").read_bytes() == key
    assert (home / "redaction.key").stat().st_mode & 0o777 == 0o600
    assert (home / "models" / "champion.json").exists()
    assert not {"cache", "logs", ".restoring", "restore.json"} & set(os.listdir(home))


def test_a_home_that_moves_to_another_place(home: Path, tmp_path: Path) -> None:
    before = answers(home)
    backup = make_backup(house_at(home))
    elsewhere = tmp_path / "another" / "machine" / "tamiz"
    restore_backup(Settings(home=home), backup.path, elsewhere)
    shutil.rmtree(home)
    assert answers(elsewhere) == before
    assert not [path for path in elsewhere.rglob("*") if path.is_file() and str(home).encode() in path.read_bytes()]


def test_where_nothing_has_changed_none_is_made(light: Path) -> None:
    first = tamiz("backup", "--no-drill", "--json")
    again = tamiz("backup", "--no-drill", "--json")
    assert (again.json["made"], again.json["backup"]) == (False, first.json["backup"])
    assert again.json["confirmed"] > first.json["confirmed"]
    assert "Nothing has changed" in tamiz("backup", "--no-drill").err
    assert tamiz("backup", "--no-drill", "--force", "--keep-all", "--json").json["made"]
    add_records(light, 1)
    assert tamiz("backup", "--no-drill", "--json").json["records"] == 4
    (light / "redaction.key").chmod(0o640)
    assert tamiz("backup", "--no-drill", "--json").json["made"], "permissions are part of it"


def test_a_damaged_newest_one_is_not_relied_on(light: Path) -> None:
    first = make_backup(house_at(light))
    data = bytearray(first.path.read_bytes())
    data[len(data) // 2] ^= 1
    first.path.write_bytes(data)
    assert newest_backup(light) is None
    second = make_backup(house_at(light))
    assert second.made
    newest = newest_backup(light)
    assert newest is not None
    assert newest.path == second.path


def test_list_verify_and_dry_run(light: Path) -> None:
    assert "There is no backup" in tamiz("backup", "list").err
    planned = tamiz("backup", "--dry-run", "--json")
    assert planned.json["files"] > 10
    assert not (light / "backups").exists()
    file = tamiz("backup", "--no-drill", "--json").json["backup"]
    assert planned.json["files"] == tamiz("backup", "verify", file, "--json").json["files"]
    (listed,) = tamiz("backup", "list", "--json").json["backups"]
    assert (listed["backup"], listed["exemplars"], listed["fault"]) == (file, 64, "")
    assert Path(file).name in tamiz("backup", "list").out
    assert tamiz("backup", "verify", file).code == 0
    dry = tamiz("restore", file, "--force", "--dry-run")
    assert (dry.code, "nothing was changed" in dry.err) == (0, True)


def test_old_ones_go_and_what_goes_is_listed(light: Path) -> None:
    first = tamiz("backup", "--no-drill", "--json").json["backup"]
    kept = tamiz("backup", "--no-drill", "--force", "--keep-all", "--json").json
    assert kept["removed"] == []
    third = tamiz("backup", "--no-drill", "--force", "--json").json
    assert sorted(third["removed"]) == sorted(Path(file).name for file in (first, kept["backup"]))
    assert [str(backup.path) for backup in backups_in(light / "backups")] == [third["backup"]]
    assert let_go(house_at(light)) == []


def test_nothing_to_back_up(blank: Path) -> None:
    result = tamiz("backup")
    assert result.code == 1
    assert "nothing to back up" in result.err


def test_files_outside_the_home_that_the_settings_name(light: Path, tmp_path: Path) -> None:
    taxonomy = tmp_path / "elsewhere.yaml"
    taxonomy.write_text("version: 'mine'\n")
    house = house_at(light, taxonomy=taxonomy)
    backup = make_backup(house)
    restored = restore_backup(house.settings, backup.path, tmp_path / "new")
    assert (tmp_path / "new" / "outside" / "taxonomy.yaml").read_text() == "version: 'mine'\n"
    assert restored.contents.outside == {"outside/taxonomy.yaml": str(taxonomy)}


def test_a_folder_of_backups_within_the_home_is_not_backed_up_itself(light: Path) -> None:
    first = make_backup(house_at(light), light / "safe")
    second = make_backup(house_at(light), light / "safe")
    assert not second.made
    assert first.path == second.path


# --- the drill


def test_a_drill_compares_with_the_living_house(home: Path) -> None:
    house = house_at(home)
    tried = drill(house, make_backup(house))
    assert tried.passed
    assert (tried.exemplars, tried.records, tried.searches, tried.equal) == (64, 3, 50, 50)
    assert not list((home / "backups").glob(".drill-*"))
    known = EdgeShelf(home).exemplars()
    assert drawn(known, 50, 0) == drawn(known[::-1], 50, 0)
    assert drawn(known, 50, 0) != drawn(known, 50, 1)
    assert {exemplar.text for exemplar in known}.isdisjoint(drawn(known, 50, 0)), "a text finds itself whatever the index"


def test_a_drill_while_another_command_has_the_index_open(home: Path) -> None:
    house = house_at(home)
    backup = make_backup(house)
    with other_process("hold", home):
        tried = drill(house, backup)
    assert (tried.passed, tried.searches, tried.equal) == (True, 50, 50)


def test_a_drill_with_the_house_open(home: Path) -> None:
    house = house_at(home)
    with house:
        assert house.knowledge.count() == 64
        assert drill(house, make_backup(house)).equal == 50
        assert house.knowledge.count() == 64, "the drill closed what was not its own"


def test_a_drill_of_an_older_state_compares_what_it_can(home: Path) -> None:
    house = house_at(home)
    backup = make_backup(house)
    learn(home, 72)
    tried = drill(house, backup)
    assert (tried.passed, tried.exemplars, tried.searches) == (True, 64, 0)


def test_a_drill_finds_what_checksums_can_not(home: Path) -> None:
    """The living index says something else under the same version: either it or the backup is wrong."""
    house = house_at(home)
    backup = make_backup(house)
    (version,) = (home / "kb").glob("0*")
    rows = bytearray((version / "vectors.f32").read_bytes())
    rows[: 4 * 64 * 40] = rows[4 * 64 * 20 : 4 * 64 * 60]
    (version / "vectors.f32").write_bytes(rows)
    tried = drill(house, backup)
    assert not tried.passed
    assert tried.equal < tried.searches == 50
    assert f"{50 - tried.equal} of 50 searches differ" in tried.faults


def test_a_failed_drill_says_why_and_lets_nothing_go(light: Path) -> None:
    house = house_at(light)
    first, backup = make_backup(house), make_backup(house, force=True)
    data = bytearray(backup.path.read_bytes())
    data[len(data) // 2] ^= 1
    backup.path.write_bytes(data)
    tried = drill(house, backup)
    assert not tried.passed
    assert "damaged" in tried.faults[0]
    assert let_go(house) == []
    assert first.path.exists()


# --- refused


def test_a_home_that_is_not_empty_is_moved_aside_only_when_told(home: Path) -> None:
    old = answers(home)
    file = tamiz("backup", "--no-drill", "--json").json["backup"]
    learn(home, 72)
    new = answers(home)
    refused = tamiz("restore", file)
    assert refused.code == 1
    assert "is not empty" in refused.err
    assert "--force" in refused.err
    assert answers(home) == new
    done = tamiz("restore", file, "--force", "--json")
    assert done.code == 0, done.err
    assert answers(home) == old
    aside = Path(done.json["aside"])
    assert answers(aside) == new
    assert (aside / "cache").exists(), "moved aside whole"
    assert Path(file).exists(), "the backup itself stays where it is"
    again = make_backup(house_at(home))
    assert not again.made, "what was moved aside is not backed up"


def test_a_home_in_use_is_left_alone(home: Path) -> None:
    file = tamiz("backup", "--no-drill", "--json").json["backup"]
    before = answers(home)
    with other_process("hold", home):
        refused = tamiz("restore", file, "--force")
    assert refused.code == 1
    assert "in use" in refused.err
    with closing(sqlite3.connect(home / "journal.sqlite")) as reader:
        reader.execute("SELECT count(*) FROM records").fetchone()
        refused = tamiz("restore", file, "--force")
    assert refused.code == 1
    assert "journal.sqlite" in refused.err
    assert answers(home) == before
    assert tamiz("restore", file, "--force").code == 0


def test_an_ingest_that_goes_on_is_waited_for_no_longer_than_a_moment(light: Path) -> None:
    with EdgeShelf(light).lock():
        refused = tamiz("backup", "--no-drill")
    assert refused.code == 1
    assert "ingest is under way" in refused.err
    assert not backups_made(light)


def test_a_backup_while_the_index_is_searched_and_the_journal_written(home: Path) -> None:
    with KnowledgeBase.open(EdgeShelf(home), ToyEmbedder()), closing(sqlite3.connect(home / "journal.sqlite")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        backup = make_backup(house_at(home))
    assert backup.contents is not None
    assert backup.contents.counts == {"exemplars": 64, "records": 3}


def test_a_damaged_backup_changes_nothing(light: Path) -> None:
    backup = make_backup(house_at(light))
    before = content(light)
    data = bytearray(backup.path.read_bytes())
    data[len(data) // 2] ^= 1
    backup.path.write_bytes(data)
    for command in (("backup", "verify", backup.path), ("restore", backup.path, "--force")):
        refused = tamiz(*command)
        assert refused.code == 1
        assert "is damaged" in refused.err
    assert content(light) == before
    assert not list(light.glob("before-*"))
    assert not (light / ".restoring").exists()


def test_a_file_and_a_typing_error(light: Path, tmp_path: Path) -> None:
    assert tamiz("restore", tmp_path / "nowhere.tar.gz").code == 1
    assert "There is no backup" in tamiz("backup", "verify", tmp_path).err
    file = tamiz("backup", "--no-drill", "--json").json["backup"]
    refused = tamiz("restore", file, "--home", file)
    assert (refused.code, "is no folder" in refused.err) == (1, True)


@contextmanager
def _files_at_most(size: int) -> Iterator[None]:
    """As on a full disk: no file may grow beyond `size` bytes. Python ignores the signal, so a write fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [2_000, 20_000])
def test_a_full_disk_leaves_what_was_there(light: Path, size: int) -> None:
    good = make_backup(house_at(light))
    before = content(light)
    with _files_at_most(size), pytest.raises(StorageError) as refused:
        make_backup(house_at(light), force=True)
    assert "Free some space" in refused.value.remedy or "Make room" in refused.value.remedy
    assert backups_made(light) == [good.path]
    assert {path.name for path in (light / "backups").iterdir()} == {good.path.name, f"{good.path.name}.sha256", "backup.lock"}
    with _files_at_most(size), pytest.raises(StorageError):
        restore_backup(Settings(home=light), good.path, force=True)
    assert content(light) == before
    assert not (light / ".restoring").exists()


def test_a_disk_without_room_is_not_begun_with(light: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(light)
    monkeypatch.setattr("knowledge.files.shutil.disk_usage", lambda folder: usage._replace(free=1 << 20))
    refused = tamiz("backup", "--no-drill")
    assert refused.code == 1
    assert "MB left" in refused.err
    assert not backups_made(light)


def test_another_command_of_the_same_home(light: Path) -> None:
    backup = make_backup(house_at(light))
    command = [sys.executable, "-m", "batch", "backup", "list", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert [one["backup"] for one in json.loads(listed.stdout)["backups"]] == [str(backup.path)]


# --- a Qdrant server


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_a_server_and_back(tmp_path: Path) -> None:
    """Exemplars travel as lines: from a folder to a server, from there to another server and to a folder, with equal answers."""
    home = small_home(tmp_path / "home")
    before, _ = answers(home)
    embedded = make_backup(house_at(without_shard(home)))
    with qdrant_rest() as url:
        settings = Settings.model_validate({"home": home, "knowledge": {"url": url}})
        restored = restore_backup(settings, embedded.path, tmp_path / "served", encoder=ToyEmbedder())
        assert restored.rebuilt
        shutil.rmtree(tmp_path / "served" / "kb")
        house = house_at(tmp_path / "served", knowledge=settings.knowledge)
        with house:
            backup = make_backup(house)
            assert backup.contents is not None
            assert backup.contents.counts["exemplars"] == 64
            tried = drill(house, backup)
            assert tried.passed, tried.faults
            assert (tried.searches, tried.equal) == (50, 50)
        again = restore_backup(settings, backup.path, tmp_path / "again", encoder=ToyEmbedder())
        assert not again.rebuilt, "the server has that version"
    with qdrant_rest() as url:
        settings = Settings.model_validate({"home": home, "knowledge": {"url": url}})
        assert restore_backup(settings, backup.path, tmp_path / "third", encoder=ToyEmbedder()).rebuilt
    assert restore_backup(Settings(home=home), backup.path, tmp_path / "folder", encoder=ToyEmbedder()).rebuilt
    after, _ = answers(tmp_path / "folder")
    assert after == before
    assert EdgeShelf(tmp_path / "folder").current().version == backup.contents.knowledge  # type: ignore[union-attr]


def test_a_server_that_is_gone_leaves_the_home_as_it_was(tmp_path: Path) -> None:
    home = without_shard(small_home(tmp_path / "home"))
    backup = make_backup(house_at(home))
    before = content(home)
    settings = Settings.model_validate({"home": home, "knowledge": {"url": "http://127.0.0.1:9"}})
    with pytest.raises(KnowledgeError, match="does not answer"):
        restore_backup(settings, backup.path, force=True, encoder=ToyEmbedder())
    assert content(home) == before
    assert not (home / ".restoring").exists()
