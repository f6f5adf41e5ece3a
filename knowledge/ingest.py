"""Resolved tickets into the index: nothing twice, nothing lost, and the old index serves until the new one is complete."""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from core.errors import InputError
from core.ticket import Exemplar, Vectors
from knowledge.cache import Encoder
from knowledge.duplicates import duplicate_groups
from knowledge.sparse import Bm25Words
from knowledge.stores import FORMAT, Manifest, Shelf, Store

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage ("embed", "duplicates", "index"), what is done of it, and its total."""

NAMESPACE = UUID("5f4b6a52-2d9e-5c7a-9a55-3c1f0f6f7a11")
INDEX_ROWS = 5_000
_bytes = TypeAdapter(Exemplar)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, in exemplars.

    `repeated` are rows that an identical or later row with the same source id made superfluous; `duplicates` are the
    exemplars of the whole index that are near-duplicates of another one (kept, but each group counts once in a search).
    `retired` are rows that a night took out of the index and that stay out.
    """

    added: int
    replaced: int
    unchanged: int
    pruned: int
    repeated: int
    total: int
    duplicates: int
    version: str
    retired: int = 0


def exemplar_id(exemplar: Exemplar) -> str:
    """UUIDv5 of what the exemplar says: subject, body, labels, resolution, and its id at the source."""
    texts = [_normal(text) for text in (exemplar.subject, exemplar.body, exemplar.resolution, exemplar.source_id)]
    return str(uuid5(NAMESPACE, json.dumps([texts, sorted(exemplar.labels.items())], ensure_ascii=False)))


def ingest(
    shelf: Shelf,
    embedder: Encoder,
    exemplars: Iterable[Exemplar],
    *,
    source: str,
    prune: bool = False,
    retired: Collection[str] = (),
    progress: Progress | None = None,
) -> IngestReport:
    """Bring the index up to date with the rows of one source.

    Args:
        embedder: a `CachedEmbedder`, so that only new texts are embedded and a killed ingest goes on where it was.
        source: name of the file or desk; a row with the same source and source id as an old one takes its place.
        prune: also remove what came from `source` earlier and is no longer among the rows.
        retired: ids of exemplars that were taken out of the index on purpose: their rows are passed over, and what took the
            place of one (the same source id with other labels) stays.

    Raises:
        InputError: there is no row at all, in which case nothing is changed.
        KnowledgeError: another ingest is under way.
        StorageError: the disk is full; the old index is intact.
    """
    with shelf.lock():
        shelf.sweep()
        rows = list(exemplars)
        read = _incoming(rows, source)
        incoming = {i: exemplar for i, exemplar in read.items() if i not in retired}
        before = {exemplar.id: exemplar for exemplar in shelf.exemplars()}
        passed_over = {read[i].source_id for i in read.keys() - incoming.keys()} - {""}
        after = _merged(before, incoming, source, prune=prune, spared=passed_over)
        version = _version(after.values(), embedder.name)
        current = shelf.current()
        if current and current.version == version and shelf.sound():
            after = before
        elif after:
            with candidate(shelf, embedder, after.values(), progress) as built:
                built.publish()
            after = {exemplar.id: exemplar for exemplar in built.exemplars}
        return replace(
            _report(before, incoming, after, len(rows) - len(read) + len(incoming), version), retired=len(read) - len(incoming)
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A complete version beside the current one: it can be searched, and is current once it is published."""

    manifest: Manifest
    store: Store
    exemplars: Sequence[Exemplar]
    shelf: Shelf

    def publish(self) -> None:
        """Make it current, in one step, and close it."""
        self.shelf.publish(self.manifest, self.store)


@contextmanager
def candidate(
    shelf: Shelf, embedder: Encoder, exemplars: Iterable[Exemplar], progress: Progress | None = None
) -> Iterator[Candidate]:
    """Build a version of just these exemplars, at least one; the caller holds the shelf's lock. Unpublished it is removed."""
    told = progress or (lambda stage, done, total: None)
    rows = sorted((replace(exemplar, duplicate_group="") for exemplar in exemplars), key=lambda exemplar: exemplar.id)
    version, current = _version(rows, embedder.name), shelf.current()
    vectors = _embedded(embedder, [exemplar.text for exemplar in rows], told)
    told("duplicates", 0, len(rows))
    rows = _grouped(rows, vectors)
    told("duplicates", len(rows), len(rows))
    manifest = Manifest(
        version=version,
        embedder=embedder.name,
        dimension=vectors.shape[1],
        count=len(rows),
        fields=tuple(sorted({field for exemplar in rows for field in exemplar.labels})),
        previous=current.version if current else "",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        with closing(shelf.create(manifest)) as store:
            _fill(store, rows, vectors, told)
            yield Candidate(manifest, store, rows, shelf)
    finally:
        shelf.sweep()


def _incoming(rows: Iterable[Exemplar], source: str) -> dict[str, Exemplar]:
    """The rows by id; of two rows with the same source id the later one counts."""
    latest: dict[str, Exemplar] = {}
    for row in rows:
        labels = dict(sorted(row.labels.items()))
        exemplar = replace(row, id=exemplar_id(row), labels=labels, source=source, duplicate_group="")
        latest[row.source_id or exemplar.id] = exemplar
    if not latest:
        raise InputError("There is no row to ingest.", remedy="Check the file and its columns; the index was not changed.")
    return {exemplar.id: exemplar for exemplar in latest.values()}


def _merged(
    before: Mapping[str, Exemplar], incoming: Mapping[str, Exemplar], source: str, *, prune: bool, spared: Collection[str]
) -> dict[str, Exemplar]:
    """What the index holds afterwards, by id, with the old near-duplicate groups left out.

    `spared` are source ids whose rows are passed over: what has taken their place stays.
    """
    edited = {exemplar.source_id for exemplar in incoming.values() if exemplar.source_id}
    kept = {
        i: replace(old, duplicate_group="")
        for i, old in before.items()
        if old.source != source or old.source_id in spared or (old.source_id not in edited and not prune)
    }
    return dict(sorted({**kept, **incoming}.items()))


def _report(
    before: Mapping[str, Exemplar], incoming: Mapping[str, Exemplar], after: Mapping[str, Exemplar], rows: int, version: str
) -> IngestReport:
    fresh, gone = incoming.keys() - before.keys(), before.keys() - after.keys()
    gone_sources = {before[i].source_id for i in gone} - {""}
    edited = sum(incoming[i].source_id in gone_sources for i in fresh)
    touched = sum(not _same(incoming[i], before[i]) for i in incoming.keys() & before.keys())
    groups = [exemplar.duplicate_group for exemplar in after.values() if exemplar.duplicate_group]
    return IngestReport(
        added=len(fresh) - edited,
        replaced=edited + touched,
        unchanged=len(incoming) - len(fresh) - touched,
        pruned=len(gone) - edited,
        repeated=rows - len(incoming),
        total=len(after),
        duplicates=len(groups) - len(set(groups)),
        version=version,
    )


def _same(new: Exemplar, old: Exemplar) -> bool:
    return new == replace(old, source=new.source, duplicate_group=new.duplicate_group)


def _embedded(embedder: Encoder, texts: Sequence[str], progress: Progress) -> Vectors:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("embed", done, len(texts))

    return embedder.encode(texts, advance)


def _grouped(exemplars: Sequence[Exemplar], vectors: Vectors) -> list[Exemplar]:
    """The exemplars with `duplicate_group` set to the smallest id of the group where it has several members."""
    members: defaultdict[int, list[str]] = defaultdict(list)
    groups = duplicate_groups([exemplar.text for exemplar in exemplars], vectors).tolist()
    for exemplar, group in zip(exemplars, groups, strict=True):
        members[group].append(exemplar.id)
    names = {group: min(ids) if len(ids) > 1 else "" for group, ids in members.items()}
    return [replace(exemplar, duplicate_group=names[group]) for exemplar, group in zip(exemplars, groups, strict=True)]


def _fill(store: Store, exemplars: Sequence[Exemplar], vectors: Vectors, progress: Progress) -> None:
    words = Bm25Words(sum(len(exemplar.text.split()) for exemplar in exemplars) / len(exemplars))
    for start in range(0, len(exemplars), INDEX_ROWS):
        part = slice(start, start + INDEX_ROWS)
        sparse = [words.document(exemplar.text, exemplar.language) for exemplar in exemplars[part]]
        store.upsert(exemplars[part], vectors[part], sparse)
        progress("index", min(start + INDEX_ROWS, len(exemplars)), len(exemplars))
    store.settle()


def _version(exemplars: Iterable[Exemplar], embedder: str) -> str:
    """Digest of everything that shapes the index; `exemplars` ordered by id."""
    digest = hashlib.sha256(f"{FORMAT} {embedder}".encode())
    for exemplar in exemplars:
        digest.update(_bytes.dump_json(exemplar))
    return digest.hexdigest()[:16]


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
