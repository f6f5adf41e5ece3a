"""`batch restore`: a backup becomes the home, and what was there before is moved aside whole."""

import time
from dataclasses import dataclass
from pathlib import Path

from backup.archive import Contents
from backup.occupied import held
from backup.opening import read_contents, unpack, verify
from backup.placing import content_of, finish_restore, put_in_place, restoring
from backup.staging import Progress, remove, silent
from batch.assemble import House
from batch.backup_drill import rebuild
from batch.backups import EXEMPLARS, index_in
from batch.settings import Settings
from core.errors import InputError
from knowledge.cache import CachedEmbedder, Encoder
from knowledge.edge import read_exemplars
from knowledge.edge_shelf import EdgeShelf
from knowledge.files import require_space

SPARE = 64 << 20


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, or with `dry_run` would do.

    Args:
        home: where the house is now.
        aside: where what was there before is; None where there was nothing.
        rebuilt: whether the index was built again from its exemplars.
    """

    home: Path
    aside: Path | None
    contents: Contents
    rebuilt: bool
    seconds: float


def restore_backup(
    settings: Settings,
    file: Path,
    home: Path | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    encoder: Encoder | None = None,
    progress: Progress = silent,
) -> Restored:
    """Put a backup in place of the home.

    Args:
        home: default the settings' home, or the demo's in it where the backup is the demo's.
        force: also where there is content already; that is moved aside.
        dry_run: check everything, change nothing.
        encoder: for an index that has to be built again; default that of the settings.

    Raises:
        InputError: the backup is damaged or none, or the home is not empty.
        KnowledgeError: the index can't be built again on the server of the settings.
        StorageError: the home is in use, or the disk is full; what was there before is intact.
    """
    start = time.perf_counter()
    contents = verify(file, progress) if dry_run else read_contents(file)
    home = home or (settings.home / "demo" if contents.demo else settings.home)
    if not dry_run:
        finish_restore(home)
    there = content_of(home, file)
    if there and not force:
        raise InputError(
            f"{home} is not empty: it holds {', '.join(there[:5])}.",
            remedy="Add --force to move what is there aside (nothing is deleted), or name another folder with --home.",
        )
    if dry_run:
        return Restored(home, home if there else None, contents, False, time.perf_counter() - start)
    with held(home), restoring(home) as stage:
        require_space(home, contents.size + SPARE)
        unpack(file, stage, progress)
        rebuilt = _index_again(House(settings, stage, contents.demo), encoder, progress)
        progress("move", 0, 1)
        aside = put_in_place(home, file)
    return Restored(home, aside, contents, rebuilt, time.perf_counter() - start)


def _index_again(house: House, encoder: Encoder | None, progress: Progress) -> bool:
    """Build the index where the backup's can't be used as it is: it was on a server, or the settings now name one."""
    index, lines = index_in(house.home), house.home / EXEMPLARS
    if index is None or not (lines.is_file() or house.knowledge_url):
        return False
    exemplars = read_exemplars(lines.parent) if lines.is_file() else EdgeShelf(house.home).exemplars()
    current = house.shelf.current()
    again = current is None or current.version != index.version
    if again:
        remembering = CachedEmbedder(encoder, house.home / "cache" / "vectors.sqlite") if encoder else house.remembering
        rebuild(house.shelf, remembering, exemplars, progress)
    remove(lines.parent)
    return again
