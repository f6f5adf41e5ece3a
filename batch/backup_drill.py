"""The restore drill: a backup is opened in a folder of its own, and has to say what the living house says."""

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backup.archive import Contents
from backup.keeping import Backup, claim
from backup.opening import unpack
from backup.staging import Progress, copy_all, files_of, silent
from batch.assemble import House
from batch.backups import EXEMPLARS, backup_folder, index_in, records_in
from core.errors import KnowledgeError, TamizError
from core.ticket import CleanTicket, Exemplar, Vectors
from knowledge.base import KnowledgeBase
from knowledge.cache import Encoder
from knowledge.edge import read_exemplars
from knowledge.edge_shelf import EdgeShelf
from knowledge.files import require_space
from knowledge.ingest import candidate
from knowledge.stores import Shelf

SEARCHES = 50
SHORTENED = 0.75
"""Part of its words that an exemplar's text keeps as a query."""
CLOSE = 1e-4
"""Two kinds of store round cosines differently, and break ties between ranks differently; the same kind does neither."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What a backup gave when it was opened.

    Args:
        backup: its file's name.
        exemplars, records: counted in it.
        searches: how many were made in it and in the living house; 0 where the living one has moved on since.
        equal: of these, how many gave the same ids with the same similarities; where the living index is on a server and the
            backup's is built in a folder, the same best similarity (all exemplars are compared then).
        faults: what is wrong; none where it can be relied on.
    """

    backup: str
    exemplars: int
    records: int
    searches: int
    equal: int
    seconds: float
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether a restore of it can be relied on."""
        return not self.faults


def drill(house: House, backup: Backup, *, searches: int = SEARCHES, seed: int = 0, progress: Progress = silent) -> Drill:
    """Open a backup beside the living house and compare counts and searches; what is wrong is in the result.

    Raises:
        InputError: another backup is under way.
        StorageError: there is no room to unpack it.
    """
    start, folder = time.perf_counter(), backup_folder(house)
    lock = claim(folder)
    try:
        size = backup.contents.size if backup.contents else 0
        require_space(folder, size)
        with tempfile.TemporaryDirectory(prefix=".drill-", dir=folder) as temporary:
            return _drill(house, backup, Path(temporary), searches, seed, start, progress)
    finally:
        lock.release()


def _drill(house: House, backup: Backup, place: Path, searches: int, seed: int, start: float, progress: Progress) -> Drill:
    opened = place / "home"
    opened.mkdir()
    exemplars: list[Exemplar] = []
    records = made = equal = 0
    faults: list[str] = []
    try:
        contents = unpack(backup.path, opened, progress)
        exemplars, records = _exemplars_in(opened), records_in(opened / "journal.sqlite")
        faults += _miscounted(contents, len(exemplars), records)
        live = house.shelf.current()
        if live is not None and live.version == contents.knowledge:
            faults += _others(house, opened, exemplars)
            made, equal = _compared(house, opened, place, drawn(exemplars, searches, seed), progress)
        faults += [f"{made - equal} of {made} searches differ"] if equal < made else []
    except TamizError as error:
        faults.append(error.message)
    return Drill(backup.path.name, len(exemplars), records, made, equal, time.perf_counter() - start, tuple(faults))


def _others(house: House, opened: Path, exemplars: list[Exemplar]) -> list[str]:
    served = (opened / EXEMPLARS).is_file()
    return ["its exemplars are not those of the server"] if served and exemplars != house.shelf.exemplars() else []


def rebuild(shelf: Shelf, encoder: Encoder, exemplars: Sequence[Exemplar], progress: Progress = silent) -> None:
    """Build the index of just these exemplars and put it in use."""
    with shelf.lock(), candidate(shelf, encoder, exemplars, progress) as built:
        built.publish()


def _exemplars_in(opened: Path) -> list[Exemplar]:
    if (opened / EXEMPLARS).is_file():
        return read_exemplars((opened / EXEMPLARS).parent)
    return EdgeShelf(opened).exemplars() if index_in(opened) else []


def _miscounted(contents: Contents, exemplars: int, records: int) -> list[str]:
    found = {"exemplars": exemplars, "records": records}
    return [
        f"{found.get(name, 0)} {name} instead of {count}"
        for name, count in contents.counts.items()
        if found.get(name, 0) != count
    ]


def _compared(house: House, opened: Path, place: Path, texts: Sequence[str], progress: Progress) -> tuple[int, int]:
    """Number of searches, and of those that gave the same."""
    served = (opened / EXEMPLARS).is_file()
    progress("searches", 0, len(texts))
    vectors = house.embedder.encode(texts)
    if served:
        rebuild(EdgeShelf(opened), house.remembering, _exemplars_in(opened), progress)
    with _opened(EdgeShelf(opened), house) as base:
        ours = _found(base, texts, vectors, house.settings.knowledge.neighbors)
    with _living(house, place / "live") as base:
        theirs = _found(base, texts, vectors, house.settings.knowledge.neighbors)
    alike = _nearly if served else _exactly
    return len(texts), sum(alike(one, other) for one, other in zip(ours, theirs, strict=True))


def drawn(exemplars: Sequence[Exemplar], searches: int, seed: int) -> list[str]:
    """Texts to search with: the beginnings of as many exemplars, always the same for the same exemplars and seed."""
    ordered = sorted(exemplars, key=lambda exemplar: exemplar.id)
    chosen = random.Random(seed).sample(ordered, min(searches, len(ordered)))
    words = (exemplar.text.split() for exemplar in chosen)
    return [" ".join(text[: max(1, round(SHORTENED * len(text)))]) for text in words]


def _found(base: KnowledgeBase, texts: Sequence[str], vectors: Vectors, k: int) -> list[dict[str, float]]:
    """id -> similarity of each search."""
    tickets = [CleanTicket(id=str(number), subject="", body=text, language="") for number, text in enumerate(texts)]
    return [{one.exemplar.id: one.similarity for one in near} for near in base.search(tickets, vectors, k)]


def _exactly(one: dict[str, float], other: dict[str, float]) -> bool:
    return list(one.items()) == list(other.items())


def _nearly(one: dict[str, float], other: dict[str, float]) -> bool:
    return abs(max(one.values(), default=-1.0) - max(other.values(), default=-1.0)) <= CLOSE


@contextmanager
def _opened(shelf: Shelf, house: House) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(shelf, house.embedder, floor=house.settings.knowledge.floor) as base:
        yield base


@contextmanager
def _living(house: House, copy: Path) -> Iterator[KnowledgeBase]:
    """The house's own base; where another command has it open, a copy of its files, which don't change once published."""
    if "knowledge" in vars(house):
        yield house.knowledge
        return
    try:
        base = KnowledgeBase.open(house.shelf, house.embedder, floor=house.settings.knowledge.floor)
    except KnowledgeError:
        with house.shelf.lock():
            copy_all(house.home, copy, [name for name in files_of(house.home) if name.startswith("kb/")])
        base = KnowledgeBase.open(EdgeShelf(copy), house.embedder, floor=house.settings.knowledge.floor)
    with base:
        yield base
