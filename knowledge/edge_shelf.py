"""Versions of the embedded index: one folder each, and a pointer file that names the current one.

<home>/kb/current           the current folder's name, replaced in one step
<home>/kb/ingest.lock       held while ingesting
<home>/kb/000002-<digest>/  manifest.json, exemplars.jsonl, lock, shard/
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from core.errors import KnowledgeError
from core.ticket import Exemplar
from knowledge.edge import LOCK_FILE, EdgeStore, read_exemplars
from knowledge.files import FileLock, storage_errors, write_durably
from knowledge.stores import REBUILD, Manifest, Store, check_format, no_index

POINTER_FILE = "current"
MANIFEST_FILE = "manifest.json"
INGEST_LOCK_FILE = "ingest.lock"


class EdgeShelf:
    """The versions under `home`/kb."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "kb"

    @contextmanager
    def lock(self) -> Iterator[None]:
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with ingest_lock(self.folder):
            yield

    def current(self) -> Manifest | None:
        folder = self._current_folder()
        try:
            return read_manifest(folder) if folder else None
        except (KnowledgeError, FileNotFoundError):
            return None

    def exemplars(self) -> list[Exemplar]:
        folder = self._current_folder()
        return read_exemplars(folder) if folder else []

    def sound(self) -> bool:
        folder, manifest = self._current_folder(), self.current()
        if folder is None or manifest is None:
            return False
        lock = FileLock.acquire(folder / LOCK_FILE)
        if lock is None:
            return True
        lock.release()
        try:
            EdgeStore.load(folder, manifest).close()
        except KnowledgeError:
            return False
        return True

    def open(self) -> tuple[Manifest, Store]:
        folder = self._current_folder()
        if folder is None:
            raise no_index()
        self._sweep_if_idle()
        try:
            manifest = read_manifest(folder)
            return manifest, EdgeStore.load(folder, manifest)
        except FileNotFoundError:
            # An ingest may have finished in between: the pointer then names another folder.
            if self._current_folder() == folder:
                raise no_index() from None
        return self.open()

    def create(self, manifest: Manifest) -> Store:
        numbers = [int(folder.name[:6]) for folder in self._versions()]
        return EdgeStore.create(self.folder / f"{max(numbers, default=0) + 1:06d}-{manifest.version}", manifest)

    def publish(self, manifest: Manifest, store: Store) -> None:
        if not isinstance(store, EdgeStore):
            raise TypeError("only a store of this shelf can be published")
        store.settle()
        store.close()
        write_durably(store.folder / MANIFEST_FILE, manifest.model_dump_json(indent=2))
        write_durably(self.folder / POINTER_FILE, store.folder.name)

    def sweep(self) -> None:
        current = self._current_folder()
        for folder in self._versions():
            if folder != current:
                _remove_unused(folder)

    def _sweep_if_idle(self) -> None:
        lock = FileLock.acquire(self.folder / INGEST_LOCK_FILE)
        if lock is not None:
            self.sweep()
            lock.release()

    def _current_folder(self) -> Path | None:
        try:
            return self.folder / (self.folder / POINTER_FILE).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def _versions(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9][0-9][0-9][0-9][0-9][0-9]-*"))


@contextmanager
def ingest_lock(folder: Path) -> Iterator[None]:
    """One ingest at a time."""
    lock = FileLock.acquire(folder / INGEST_LOCK_FILE, wait=1.0)
    if lock is None:
        raise KnowledgeError("Another ingest is under way.", remedy="Wait until it has finished, then run the command again.")
    try:
        yield
    finally:
        lock.release()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version; FileNotFoundError where the folder has gone, KnowledgeError where it can't be read."""
    text = (folder / MANIFEST_FILE).read_text(encoding="utf-8")
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise KnowledgeError(f"{folder / MANIFEST_FILE} can't be read.", remedy=REBUILD) from error
    return check_format(manifest)


def _remove_unused(folder: Path) -> None:
    """Remove a version unless a process has it open: that one goes on undisturbed, and a later sweep takes it."""
    lock = FileLock.acquire(folder / LOCK_FILE)
    if lock is None:
        return
    with storage_errors(folder):
        shutil.rmtree(folder)
    lock.release()
