"""Backups of a house: one is made, the newest one found, old ones let go. See `backup` for the format."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter

from backup.archive import Contents, members_of, pack
from backup.keeping import Backup, backups_in, claim, confirm, discard, newest_of, place_for, superfluous
from backup.staging import Progress, copy_file, files_of, remove, require_whole, room_of, silent, stage
from batch.assemble import House
from core.errors import InputError, StorageError
from core.ticket import Exemplar
from knowledge.files import require_space, storage_errors
from knowledge.stores import Manifest

FOLDER = "backups"
EXEMPLARS = Path("exemplars", "exemplars.jsonl")
"""A server's exemplars as lines, and beside them the manifest of its index."""
SERVER_MANIFEST = Path("exemplars", "manifest.json")
OUTSIDE = "outside"
"""Folder of the files that the settings name outside the home."""
SPARE = 64 << 20

_lines = TypeAdapter(Exemplar)


def backup_folder(house: House, to: Path | None = None) -> Path:
    """Where the backups of a house are: `to`, else where the settings say, else in its home."""
    return to.expanduser() if to else house.settings.backup.folder or house.home / FOLDER


def make_backup(
    house: House,
    to: Path | None = None,
    *,
    force: bool = False,
    progress: Progress = silent,
    now: datetime | None = None,
) -> Backup:
    """Back the house up, also while a run is writing; where nothing has changed since the last one, that one is given.

    Args:
        to: folder of the backups; default that of the settings, `<home>/backups`.
        force: make one even where nothing has changed.

    Raises:
        InputError: there is nothing to back up, or another backup is under way.
        KnowledgeError: an ingest is under way, or the Qdrant server does not answer.
        StorageError: something can't be read, or the disk is full; what was there before is intact.
    """
    folder = backup_folder(house, to)
    names = _names(house, folder)
    lock = claim(folder)
    staged = folder / f".staging-{sha256(str(house.home.resolve()).encode()).hexdigest()[:8]}"
    try:
        require_space(folder, 2 * room_of(house.home, names) + SPARE)
        with _ingest_kept_out(house):
            stage(house.home, staged, (folder,), progress)
            _server_exemplars(house, staged)
        outside = _outside(house, staged)
        target, moment = place_for(folder, now or datetime.now(UTC))
        contents = _contents(house, staged, outside, moment, progress)
        before = newest_of(folder, contents.identity)
        if before and before.contents and before.contents.same_as == contents.same_as and not force:
            return confirm(before)
        pack(staged, contents, target, progress)
        return Backup(target, moment, moment, target.stat().st_size, contents, made=True)
    finally:
        remove(staged)
        lock.release()


def newest_backup(home: Path, folder: Path | None = None) -> Backup | None:
    """The newest backup under a home (or in a folder) that is whole by its checksum; None where there is none."""
    return newest_of(folder or home / FOLDER)


def identity_of(home: Path) -> str:
    """What stays the same when a home is restored elsewhere: a digest of its pseudonym key."""
    key = home / "redaction.key"
    return sha256(key.read_bytes()).hexdigest()[:16] if key.is_file() else ""


def let_go(house: House, to: Path | None = None, *, dry_run: bool = False) -> list[Backup]:
    """Remove what is neither the newest of one of the last days nor of one of the last weeks; what goes is returned.

    Nothing goes where the newest backup is not whole.
    """
    chosen = house.settings.backup
    going = superfluous(backup_folder(house, to), identity_of(house.home), chosen.days, chosen.weeks)
    if not dry_run:
        discard(going)
    return going


def planned(house: House, to: Path | None = None) -> tuple[int, int]:
    """What a backup would hold: number of files, and the bytes that they take."""
    names = _names(house, backup_folder(house, to))
    return len(names), room_of(house.home, names)


def backups_of(house: House, to: Path | None = None) -> list[Backup]:
    """The backups in a house's folder, of whichever home, newest first."""
    return backups_in(backup_folder(house, to))


def records_in(journal: Path) -> int:
    """Number of records of a journal's copy, to which nobody writes, once SQLite has looked at all of it; 0 where there is none.

    Raises:
        StorageError: it is damaged, or no journal.
    """
    if not journal.exists():
        return 0
    try:
        # Immutable: SQLite then makes no files beside it, which would be backed up.
        with closing(sqlite3.connect(f"{journal.resolve().as_uri()}?immutable=1", uri=True)) as db:
            require_whole(db)
            return int(db.execute("SELECT count(*) FROM records").fetchone()[0])
    except sqlite3.DatabaseError as error:
        remedy = "Take an older backup, or salvage it with `sqlite3 FILE .recover`."
        raise StorageError(f"The journal {journal.name} can't be read: {error}.", remedy=remedy) from error


def _names(house: House, folder: Path) -> list[str]:
    names = files_of(house.home, (folder,)) if house.home.is_dir() else []
    if not names:
        raise InputError(f"There is nothing to back up in {house.home}.", remedy="Set TAMIZ_HOME to the home that you mean.")
    return names


@contextmanager
def _ingest_kept_out(house: House) -> Iterator[None]:
    """Nobody makes or removes a version of the index meanwhile."""
    with house.shelf.lock() if (house.home / "kb").is_dir() else nullcontext():
        yield


def _server_exemplars(house: House, staged: Path) -> None:
    """With a Qdrant server: its exemplars as JSON lines. Vectors are not kept, a restore computes them again."""
    if house.knowledge_url is None:
        return
    manifest = house.shelf.current()
    if manifest is None:
        return
    exemplars = house.shelf.exemplars()
    with storage_errors(staged):
        (staged / EXEMPLARS).parent.mkdir()
        (staged / SERVER_MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        with (staged / EXEMPLARS).open("w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(f"{_lines.dump_json(exemplar).decode()}\n" for exemplar in exemplars)


def _outside(house: House, staged: Path) -> dict[str, str]:
    """Copies of the files that the settings name outside the home: member -> where it lay."""
    chosen = house.settings
    named = {
        "taxonomy": chosen.taxonomy,
        "context": chosen.llm.context,
        "glossary": chosen.llm.glossary,
        "summary-context": chosen.llm_summary.context,
    }
    copied = {}
    for setting, path in named.items():
        if path is None or not path.is_file() or path.resolve().is_relative_to(house.home.resolve()):
            continue
        member = f"{OUTSIDE}/{setting}{path.suffix}"
        with storage_errors(staged):
            (staged / OUTSIDE).mkdir(exist_ok=True)
        (staged / member).unlink(missing_ok=True)
        copy_file(path, staged / member)
        copied[member] = str(path.absolute())
    return copied


def _contents(house: House, staged: Path, outside: dict[str, str], moment: datetime, progress: Progress) -> Contents:
    from batch import __version__

    index = index_in(staged)
    return Contents(
        created=moment,
        tamiz=__version__,
        identity=identity_of(staged),
        demo=house.demo,
        knowledge=index.version if index else "",
        embedder=index.embedder if index else "",
        counts={"exemplars": index.count if index else 0, "records": records_in(staged / "journal.sqlite")},
        outside=outside,
        members=members_of(staged, progress),
    )


def index_in(folder: Path) -> Manifest | None:
    """The manifest of the index in an unpacked backup: a server's, else the embedded one; None where there is none."""
    from knowledge.edge_shelf import EdgeShelf

    if (folder / SERVER_MANIFEST).is_file():
        return Manifest.model_validate_json((folder / SERVER_MANIFEST).read_text(encoding="utf-8"))
    return EdgeShelf(folder).current()
