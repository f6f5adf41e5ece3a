"""The embedded store: a Qdrant Edge shard in a folder, with the exemplars beside it as lines of JSON and rows of numbers.

The bindings know one error type only, `Exception`, so it is caught in one place here and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

import numpy as np
from pydantic import TypeAdapter, ValidationError

from core.errors import KnowledgeError, StorageError, TamizError
from core.ticket import Exemplar, Vectors
from knowledge.files import FileLock, require_space, storage_errors, sync
from knowledge.sparse import Sparse
from knowledge.stores import (
    DENSE,
    GRAPH_BUILD_BREADTH,
    GRAPH_LINKS,
    GRAPH_SEARCH_BREADTH,
    REBUILD,
    RRF_CONSTANT,
    SPARSE,
    Found,
    Hit,
    Manifest,
    Query,
    exemplar_of,
    filter_keys,
    payload_of,
    payload_path,
    ranked,
)

if TYPE_CHECKING:
    import qdrant_edge

EXEMPLARS_FILE = "exemplars.jsonl"
VECTORS_FILE = "vectors.f32"
"""The exemplars' vectors in the order of their lines: a second query for the cosines would cost as much as the search."""
LOCK_FILE = "lock"
SHARD_FOLDER = "shard"
UPSERT_ROWS = 1_000
SPACE_FACTOR, SPACE_FLOOR = 4, 64 << 20
"""Measured: a build takes up to 3.6 x the vectors' bytes, and the smallest one about 40 MB of mapped files."""
GRAPH_FROM_KB = 10_000
"""Vectors that a filter leaves, in KB, up to which they are all compared even where there is a graph."""

_lines = TypeAdapter(Exemplar)


class EdgeStore:
    """One shard. Made by `create` or `load`; holds an exclusive lock, since a shard belongs to one process at a time."""

    def __init__(self, folder: Path, manifest: Manifest, shard: "qdrant_edge.EdgeShard", lock: FileLock) -> None:
        self.folder = folder
        self._manifest = manifest
        self._shard: qdrant_edge.EdgeShard | None = shard
        self._lock = lock
        self._known: dict[UUID, tuple[Exemplar, int]] | None = None
        self._vectors: Vectors = np.zeros((0, manifest.dimension), dtype=np.float32)

    @classmethod
    def create(cls, folder: Path, manifest: Manifest) -> Self:
        """A new, empty shard under `folder`, which must not exist yet; sized for `manifest.count` points."""
        import qdrant_edge as edge

        with storage_errors(folder):
            (folder / SHARD_FOLDER).mkdir(parents=True)
        require_space(folder, SPACE_FLOOR + SPACE_FACTOR * 4 * manifest.dimension * manifest.count)
        lock = _locked(folder)
        with edge_errors(folder):
            shard = edge.EdgeShard.create(str(folder / SHARD_FOLDER), _config(manifest))
            for key in filter_keys(manifest.fields):
                shard.update(edge.UpdateOperation.create_field_index(key, edge.PayloadSchemaType.Keyword))
        return cls(folder, manifest, shard, lock)

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """Open a finished shard; FileNotFoundError where the folder has gone, KnowledgeError where it is in use."""
        import qdrant_edge as edge

        lock = _locked(folder)
        try:
            with edge_errors(folder):
                shard = edge.EdgeShard.load(str(folder / SHARD_FOLDER))
                complete = shard.count(edge.CountRequest(exact=True)) == manifest.count
            if not complete or not _whole(folder / VECTORS_FILE, 4 * manifest.dimension * manifest.count):
                raise _damaged(folder, "points are missing")
        except TamizError:
            lock.release()
            raise
        return cls(folder, manifest, shard, lock)

    @property
    def _open(self) -> "qdrant_edge.EdgeShard":
        if self._shard is None:
            raise KnowledgeError("The knowledge base has been closed.", remedy="Open it again before searching.")
        return self._shard

    def upsert(self, exemplars: Sequence[Exemplar], vectors: Vectors, sparse: Sequence[Sparse]) -> None:
        import qdrant_edge as edge

        for start in range(0, len(exemplars), UPSERT_ROWS):
            part = slice(start, start + UPSERT_ROWS)
            require_space(self.folder, SPACE_FLOOR)
            points = [_point(*row) for row in zip(exemplars[part], vectors[part], sparse[part], strict=True)]
            with edge_errors(self.folder):
                self._open.update(edge.UpdateOperation.upsert_points(points))
            _append(self.folder / EXEMPLARS_FILE, b"".join(_lines.dump_json(exemplar) + b"\n" for exemplar in exemplars[part]))
            _append(self.folder / VECTORS_FILE, vectors[part].astype("<f4").tobytes())
        self._known = None

    def settle(self) -> None:
        with edge_errors(self.folder):
            self._open.flush()
            self._open.optimize()
            self._open.flush()
        sync(self.folder / EXEMPLARS_FILE)
        sync(self.folder / VECTORS_FILE)

    def hybrid(self, queries: Sequence[Query], limit: int, where: Mapping[str, str]) -> list[list[Hit]]:
        answers = self._ask([self._fused(query, limit, where) for query in queries])
        return [self._hits(query, answer) for query, answer in zip(queries, answers, strict=True)]

    def _hits(self, query: Query, answer: "Sequence[qdrant_edge.ScoredPoint]") -> list[Hit]:
        """The exemplars come from memory: a published version never changes, and payloads cost more than the search itself."""
        known = self._exemplars_and_rows()
        try:
            found = [(*known[cast("UUID", point.id)], point.score) for point in answer]
        except KeyError as error:
            raise _damaged(self.folder, "exemplars are missing") from error
        cosines = self._vectors[[row for _, row, _ in found]] @ query.vector
        by_id = {exemplar.id: cosine for (exemplar, _, _), cosine in zip(found, cosines.tolist(), strict=True)}
        return ranked([Found(exemplar.id, score, exemplar) for exemplar, _, score in found], by_id)

    def _exemplars_and_rows(self) -> dict[UUID, tuple[Exemplar, int]]:
        if self._known is None:
            lines = _read_lines(self.folder)
            self._vectors = np.memmap(
                self.folder / VECTORS_FILE, dtype="<f4", mode="r", shape=(len(lines), self._manifest.dimension)
            )
            self._known = {UUID(exemplar.id): (exemplar, row) for row, exemplar in enumerate(lines)}
        return self._known

    def _ask(self, requests: "list[qdrant_edge.QueryRequest]") -> "list[list[qdrant_edge.ScoredPoint]]":
        import qdrant_edge as edge

        with edge_errors(self.folder):
            return self._open.query_batch(edge.QueryBatchRequest(requests))

    def _fused(self, query: Query, limit: int, where: Mapping[str, str]) -> "qdrant_edge.QueryRequest":
        import qdrant_edge as edge

        only, params = _filter(query, where), _search_params(self._manifest.exact)
        dense = edge.Query.Nearest(query.vector.tolist(), using=DENSE)
        prefetches = [edge.Prefetch(limit=limit, query=dense, filter=only, params=params)]
        if query.sparse.indices:
            words = edge.Query.Nearest(edge.SparseVector(*query.sparse), using=SPARSE)
            prefetches.append(edge.Prefetch(limit=limit, query=words, filter=only))
        rank: Any = edge.Fusion.Rrf(k=RRF_CONSTANT)
        return edge.QueryRequest(limit=limit, prefetches=prefetches, query=rank)

    def get(self, ids: Sequence[str]) -> list[Exemplar]:
        with edge_errors(self.folder):
            records = self._open.retrieve([UUID(i) for i in ids], with_payload=True, with_vector=False)
        return [exemplar_of(str(record.id), record.payload or {}) for record in records]

    def exemplars(self) -> list[Exemplar]:
        return read_exemplars(self.folder)

    def count(self) -> int:
        import qdrant_edge as edge

        with edge_errors(self.folder):
            return self._open.count(edge.CountRequest(exact=True))

    def close(self) -> None:
        if self._shard is not None:
            with edge_errors(self.folder):
                self._shard.close()
            self._shard = None
        self._lock.release()


@contextmanager
def edge_errors(folder: Path) -> Iterator[None]:
    """The one place that knows what the bindings raise."""
    try:
        yield
    except BaseException as error:
        # `Exception` itself is all that the bindings raise, and a panic over a damaged file is not even that.
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise _translated(folder, str(error)) from error


def _translated(folder: Path, message: str) -> TamizError:
    if any(sign in message for sign in ("os error 27", "os error 28", "Not enough space", "No space left")):
        remedy = "Free some space, then run the command again; what was there before is intact."
        return StorageError(f"The index under {folder} can't be written: {message}.", remedy=remedy)
    return _damaged(folder, message)


def _damaged(folder: Path, cause: str) -> KnowledgeError:
    return KnowledgeError(f"The index under {folder} can't be used: {cause}.", remedy=REBUILD)


def _whole(file: Path, size: int) -> bool:
    """At least that long: a point that was written twice has two rows."""
    return file.exists() and file.stat().st_size >= size


def _locked(folder: Path) -> FileLock:
    lock = FileLock.acquire(folder / LOCK_FILE)
    if lock is None:
        raise KnowledgeError(
            "The knowledge base is in use by another process; an embedded index serves one at a time.",
            remedy="Wait until the other command has finished, or set a Qdrant server's URL to share one.",
        )
    return lock


def _config(manifest: Manifest) -> "qdrant_edge.EdgeConfig":
    import qdrant_edge as edge

    links = 0 if manifest.exact else GRAPH_LINKS
    return edge.EdgeConfig(
        # Unit vectors: the dot product is the cosine.
        vectors={DENSE: edge.EdgeVectorParams(size=manifest.dimension, distance=edge.Distance.Dot)},
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        hnsw_config=edge.HnswIndexConfig(m=links, ef_construct=GRAPH_BUILD_BREADTH, full_scan_threshold=GRAPH_FROM_KB),
        optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=GRAPH_FROM_KB),
        # A version is published only after flush(), so a log of single writes would protect nothing.
        wal_enabled=False,
    )


def _search_params(exact: bool) -> "qdrant_edge.SearchParams":
    import qdrant_edge as edge

    if exact:
        return edge.SearchParams(exact=True)
    # ACORN walks past points that the filter hides: recall@10 with a filter .985 without it, .999 with it.
    acorn = edge.AcornSearchParams(enable=True, max_selectivity=1.0)
    return edge.SearchParams(hnsw_ef=GRAPH_SEARCH_BREADTH, acorn=acorn)


def _point(exemplar: Exemplar, vector: Vectors, sparse: Sparse) -> "qdrant_edge.Point":
    import qdrant_edge as edge

    named: dict[str, Any] = {DENSE: vector.tolist(), SPARSE: edge.SparseVector(*sparse)}
    return edge.Point(id=UUID(exemplar.id), vector=named, payload=payload_of(exemplar))


def _filter(query: Query, where: Mapping[str, str]) -> "qdrant_edge.Filter | None":
    import qdrant_edge as edge

    must: list[Any] = [edge.FieldCondition(key=payload_path(k), match=edge.MatchValue(v)) for k, v in where.items()]
    must_not: list[Any] = []
    if query.exclude:
        must_not.append(edge.HasIdCondition({UUID(i) for i in query.exclude}))
    if query.exclude_groups:
        must_not.append(edge.FieldCondition(key="duplicate_group", match=edge.MatchAny(sorted(query.exclude_groups))))
    return edge.Filter(must=must, must_not=must_not) if must or must_not else None


def _append(file: Path, data: bytes) -> None:
    with storage_errors(file.parent), file.open("ab") as opened:
        opened.write(data)


def read_exemplars(folder: Path) -> list[Exemplar]:
    """The folder's exemplars, ordered by id; needs no lock, so an ingest can read while another process searches."""
    return sorted({exemplar.id: exemplar for exemplar in _read_lines(folder)}.values(), key=lambda exemplar: exemplar.id)


def _read_lines(folder: Path) -> list[Exemplar]:
    """As they were written."""
    try:
        with (folder / EXEMPLARS_FILE).open("rb") as file:
            return [_lines.validate_json(line) for line in file]
    except (ValidationError, FileNotFoundError) as error:
        raise KnowledgeError(
            f"{folder / EXEMPLARS_FILE} can't be read.", remedy="Remove that folder, then run `python -m batch ingest FILE`."
        ) from error
