"""The store on a Qdrant server: one collection."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.errors import KnowledgeError
from core.ticket import Exemplar, Vectors
from knowledge.sparse import Sparse
from knowledge.stores import (
    DENSE,
    GRAPH_SEARCH_BREADTH,
    RRF_CONSTANT,
    SPARSE,
    Found,
    Hit,
    Manifest,
    Query,
    exemplar_of,
    payload_of,
    payload_path,
    ranked,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

UPSERT_ROWS = 256
SCROLL_ROWS = 1_000
SETTLE_SECONDS = 600.0


class ServerStore:
    """One collection."""

    def __init__(self, client: "QdrantClient", collection: str, manifest: Manifest) -> None:
        self._client = client
        self.collection = collection
        self._manifest = manifest

    def upsert(self, exemplars: Sequence[Exemplar], vectors: Vectors, sparse: Sequence[Sparse]) -> None:
        for start in range(0, len(exemplars), UPSERT_ROWS):
            part = slice(start, start + UPSERT_ROWS)
            points = [_point(*row) for row in zip(exemplars[part], vectors[part], sparse[part], strict=True)]
            with server_errors():
                self._client.upsert(self.collection, points, wait=True)

    def settle(self) -> None:
        from qdrant_client import models

        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            with server_errors():
                if self._client.get_collection(self.collection).status == models.CollectionStatus.GREEN:
                    return
            time.sleep(0.2)
        raise KnowledgeError(
            f"The Qdrant server has not finished indexing after {SETTLE_SECONDS:.0f} s.",
            remedy="Look at the server's load and logs, then run the ingest again; the old index is still in use.",
        )

    def hybrid(self, queries: Sequence[Query], limit: int, where: Mapping[str, str]) -> list[list[Hit]]:
        answers = self._ask([_fused(query, limit, where, self._manifest.exact) for query in queries])
        fused = [[_found(point) for point in answer] for answer in answers]
        scored = self._ask([_scored(query, found) for query, found in zip(queries, fused, strict=True)])
        cosines = [{str(point.id): point.score for point in answer} for answer in scored]
        return [ranked(found, of_query) for found, of_query in zip(fused, cosines, strict=True)]

    def _ask(self, requests: "list[models.QueryRequest]") -> "list[list[models.ScoredPoint]]":
        with server_errors():
            return [answer.points for answer in self._client.query_batch_points(self.collection, requests)]

    def get(self, ids: Sequence[str]) -> list[Exemplar]:
        with server_errors():
            records = self._client.retrieve(self.collection, list(ids), with_payload=True)
        return [exemplar_of(str(record.id), record.payload or {}) for record in records]

    def exemplars(self) -> list[Exemplar]:
        return sorted(scrolled(self._client, self.collection), key=lambda exemplar: exemplar.id)

    def count(self) -> int:
        with server_errors():
            return self._client.count(self.collection, exact=True).count

    def close(self) -> None:
        """The connection belongs to the shelf, which may serve several stores."""


def scrolled(client: "QdrantClient", collection: str) -> Iterator[Exemplar]:
    """Every exemplar of a collection, page by page."""
    offset: Any = None
    while True:
        with server_errors():
            records, offset = client.scroll(collection, limit=SCROLL_ROWS, offset=offset, with_payload=True)
        for record in records:
            yield exemplar_of(str(record.id), record.payload or {})
        if offset is None:
            return


@contextmanager
def server_errors() -> Iterator[None]:
    """What the client raises, in our words; the address stays out, since it may hold a secret."""
    from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

    try:
        yield
    except UnexpectedResponse as error:
        raise KnowledgeError(
            f"The Qdrant server refused: {error.status_code} {error.reason_phrase}.",
            remedy="Check the API key; if the index was rebuilt in the meantime, start the command again.",
        ) from error
    except (ApiException, OSError) as error:
        raise KnowledgeError(
            f"The Qdrant server does not answer: {error}.", remedy="Check the URL in the settings and that the server runs."
        ) from error


def _point(exemplar: Exemplar, vector: Vectors, sparse: Sparse) -> "models.PointStruct":
    from qdrant_client import models

    named: dict[str, Any] = {DENSE: vector.tolist(), SPARSE: _sparse(sparse)}
    return models.PointStruct(id=exemplar.id, vector=named, payload=payload_of(exemplar))


def _sparse(sparse: Sparse) -> "models.SparseVector":
    from qdrant_client import models

    return models.SparseVector(indices=sparse.indices, values=sparse.values)


def _filter(query: Query, where: Mapping[str, str]) -> "models.Filter | None":
    from qdrant_client import models

    must: list[Any] = [models.FieldCondition(key=payload_path(k), match=models.MatchValue(value=v)) for k, v in where.items()]
    must_not: list[Any] = []
    if query.exclude:
        must_not.append(models.HasIdCondition(has_id=sorted(query.exclude)))
    if query.exclude_groups:
        groups = models.MatchAny(any=sorted(query.exclude_groups))
        must_not.append(models.FieldCondition(key="duplicate_group", match=groups))
    return models.Filter(must=must, must_not=must_not) if must or must_not else None


def _search_params(exact: bool) -> "models.SearchParams":
    from qdrant_client import models

    if exact:
        return models.SearchParams(exact=True)
    return models.SearchParams(hnsw_ef=GRAPH_SEARCH_BREADTH, acorn=models.AcornSearchParams(enable=True, max_selectivity=1.0))


def _fused(query: Query, limit: int, where: Mapping[str, str], exact: bool) -> "models.QueryRequest":
    from qdrant_client import models

    only = _filter(query, where)
    vector, params = query.vector.tolist(), _search_params(exact)
    prefetches = [models.Prefetch(query=vector, using=DENSE, limit=limit, filter=only, params=params)]
    if query.sparse.indices:
        prefetches.append(models.Prefetch(query=_sparse(query.sparse), using=SPARSE, limit=limit, filter=only))
    rank = models.RrfQuery(rrf=models.Rrf(k=RRF_CONSTANT))
    return models.QueryRequest(prefetch=prefetches, query=rank, limit=limit, with_payload=True)


def _found(point: "models.ScoredPoint") -> Found:
    return Found(str(point.id), point.score, exemplar_of(str(point.id), point.payload or {}))


def _scored(query: Query, found: Sequence[Found]) -> "models.QueryRequest":
    """The cosine of exactly these points; the fused score is a rank, not a similarity."""
    from qdrant_client import models

    these = models.Filter(must=[models.HasIdCondition(has_id=[hit.id for hit in found])])
    exact = models.SearchParams(exact=True)
    limit = max(len(found), 1)
    return models.QueryRequest(query=query.vector.tolist(), using=DENSE, limit=limit, filter=these, params=exact)
