"""What the knowledge base asks of a store: one index of exemplars, and the place where its versions are kept.

`edge.py` keeps them in a folder, `server.py` on a Qdrant server; both pass the same tests.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from core.errors import InputError, KnowledgeError
from core.ticket import Exemplar, Vectors
from knowledge.sparse import Sparse

FORMAT = 2
DENSE, SPARSE = "dense", "sparse"
EXACT_BELOW = 20_000
"""Points below which a query is compared with every point: nothing is missed, and there is no graph to build."""
GRAPH_LINKS, GRAPH_BUILD_BREADTH, GRAPH_SEARCH_BREADTH = 16, 100, 192
"""HNSW m, ef_construct and ef above that size: recall@10 of .99 or more at 38,000 and at 100,000 points."""
RRF_CONSTANT = 10
"""Rank offset of the reciprocal-rank fusion: the larger, the less the very first ranks weigh."""
PLAIN_FILTERS = ("language", "mailbox", "source", "duplicate_group")
LABEL_PREFIX = "labels."

REBUILD = "Run `python -m batch ingest FILE` to build the index again."

_exemplar = TypeAdapter(Exemplar)


class Manifest(BaseModel):
    """What one version of the index holds. `version` is a digest of the exemplars and the embedder.

    `fields` are the label fields that can be filtered by; `previous` is the version that this one replaced.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    version: str
    embedder: str
    dimension: int
    count: int
    fields: tuple[str, ...] = ()
    previous: str = ""
    created: str = ""

    @property
    def exact(self) -> bool:
        """Whether the index is small enough to compare a query with every point."""
        return self.count < EXACT_BELOW


@dataclass(frozen=True, slots=True)
class Query:
    """One ticket's search: its unit vector (d,), its words, and what must not be found (ids, and whole duplicate groups)."""

    vector: Vectors
    sparse: Sparse
    exclude: frozenset[str] = frozenset()
    exclude_groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """A found point; `similarity` is the cosine (-1..1) to the query's vector, whichever side found it."""

    id: str
    similarity: float
    exemplar: Exemplar


class Found(NamedTuple):
    """A fused hit before its cosine is known."""

    id: str
    score: float
    exemplar: Exemplar


class Store(Protocol):
    """One version of the index. Written once, then only read."""

    def upsert(self, exemplars: Sequence[Exemplar], vectors: Vectors, sparse: Sequence[Sparse]) -> None:
        """Add points; a point with the same id is replaced. Durable after `settle`."""

    def settle(self) -> None:
        """Build what makes searching fast and make everything durable."""

    def hybrid(self, queries: Sequence[Query], limit: int, where: Mapping[str, str]) -> list[list[Hit]]:
        """The `limit` nearest by vector and by words, fused by reciprocal rank: the `limit` best a query, best first."""

    def get(self, ids: Sequence[str]) -> list[Exemplar]:
        """The exemplars with these ids, as far as they exist, in no particular order."""

    def exemplars(self) -> list[Exemplar]:
        """Every exemplar, ordered by id."""

    def count(self) -> int:
        """Number of points."""

    def close(self) -> None:
        """Release the files or the connection; a second call does nothing."""


class Shelf(Protocol):
    """The place where versions are kept, one of which is current."""

    def lock(self) -> AbstractContextManager[None]:
        """Held while ingesting; KnowledgeError where another ingest is under way."""

    def current(self) -> Manifest | None:
        """The current version's manifest, or None where there is none that can be read."""

    def exemplars(self) -> list[Exemplar]:
        """The current version's exemplars, ordered by id, also while another process searches it."""

    def sound(self) -> bool:
        """Whether the current version can be opened and holds all its points; one that is in use counts as sound."""

    def open(self) -> tuple[Manifest, Store]:
        """Open the current version; KnowledgeError where there is none or another process has it."""

    def create(self, manifest: Manifest) -> Store:
        """An empty new version beside the current one."""

    def publish(self, manifest: Manifest, store: Store) -> None:
        """Settle and close the new version, and make it current in one step."""

    def sweep(self) -> None:
        """Remove what is neither current nor in use: old versions and what a killed ingest left."""


def payload_of(exemplar: Exemplar) -> dict[str, Any]:
    """The fields as stored beside the vector; the id is the point's."""
    payload = {field.name: getattr(exemplar, field.name) for field in fields(exemplar) if field.name != "id"}
    return {**payload, "labels": dict(exemplar.labels)}


def exemplar_of(point_id: str, payload: Mapping[str, Any]) -> Exemplar:
    """The exemplar of a stored point; KnowledgeError where the payload is not one of ours."""
    try:
        return _exemplar.validate_python({**payload, "id": point_id})
    except ValidationError as error:
        raise KnowledgeError(
            f"Point {point_id} of the index can't be read: {error.errors()[0]['msg']}.",
            remedy=REBUILD,
        ) from error


def filter_keys(label_fields: Sequence[str]) -> Iterator[str]:
    """The payload paths that get an index of their own."""
    yield from PLAIN_FILTERS
    for field in label_fields:
        yield payload_path(LABEL_PREFIX + field)


def payload_path(key: str) -> str:
    """`labels.Area 1.b` -> `labels."Area 1.b"`: a label field's name may hold anything but a double quote."""
    if not key.startswith(LABEL_PREFIX):
        return key
    field = key.removeprefix(LABEL_PREFIX)
    if '"' in field:
        raise InputError(f"The field name {field!r} holds a double quote.", remedy="Rename the column, or map it with --map.")
    return f'{LABEL_PREFIX}"{field}"'


def no_index() -> KnowledgeError:
    """There is nothing to search yet."""
    return KnowledgeError(
        "There is no knowledge base yet.", remedy="Run `python -m batch ingest FILE` with your resolved tickets."
    )


def check_format(manifest: Manifest) -> Manifest:
    """The manifest itself; KnowledgeError where another version of the program wrote it."""
    if manifest.format == FORMAT:
        return manifest
    raise KnowledgeError(
        f"The index has format {manifest.format}, and this version reads {FORMAT}.",
        remedy=REBUILD,
    )


def ranked(found: Sequence[Found], cosines: Mapping[str, float]) -> list[Hit]:
    """Best fused rank first; equal ranks are ordered by cosine, then by id, so that the order never varies."""
    if any(hit.id not in cosines for hit in found):
        raise KnowledgeError("The index is damaged: vectors are missing.", remedy=REBUILD)
    ordered = sorted(found, key=lambda hit: (-hit.score, -cosines[hit.id], hit.id))
    return [Hit(hit.id, cosines[hit.id], hit.exemplar) for hit in ordered]
