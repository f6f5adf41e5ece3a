"""The knowledge base as the rest of the house sees it: the past, and what of it is near a ticket."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import InputError, KnowledgeError
from core.ticket import CleanTicket, Exemplar, Neighbor, Vectors
from knowledge.cache import Encoder
from knowledge.sparse import Bm25Words
from knowledge.stores import LABEL_PREFIX, PLAIN_FILTERS, Hit, Manifest, Query, Shelf, Store

FLOOR = 0.25
"""Cosine below which two texts are taken to have nothing in common."""
SEARCH_BATCH = 64
WIDEST = 2_000
"""Candidates to which a search widens while near-duplicates crowd out the rest."""


def shelf_at(home: Path, url: str | None = None, *, api_key: str | None = None) -> Shelf:
    """Where the index is kept: under `home`/kb, or on the Qdrant server at `url`."""
    if url is None:
        from knowledge.edge_shelf import EdgeShelf

        return EdgeShelf(home)
    from qdrant_client import QdrantClient

    from knowledge.server_shelf import ServerShelf

    try:
        client = QdrantClient(url=url, api_key=api_key, timeout=60)
    except ValueError as error:
        raise InputError("The Qdrant URL can't be read.", remedy="Give it as http://host:6333.") from error
    return ServerShelf(client, home)


class KnowledgeBase:
    """One version of the index, open for searching; close it, or use it in a `with`.

    Args:
        manifest, store: from `Shelf.open`; `KnowledgeBase.open` does that and checks the embedder.
        floor: cosine below which a hit is left out, so that a ticket like nothing known gets no neighbours.
    """

    def __init__(self, manifest: Manifest, store: Store, *, floor: float = FLOOR) -> None:
        self.manifest = manifest
        self._store = store
        self._floor = floor
        self._words = Bm25Words()

    @classmethod
    def open(cls, shelf: Shelf, embedder: Encoder, *, floor: float = FLOOR) -> Self:
        """Open the current version; KnowledgeError where there is none, another embedder built it, or it is in use."""
        manifest, store = shelf.open()
        if manifest.embedder != embedder.name:
            store.close()
            raise KnowledgeError(
                f"The index was built with the embedder {manifest.embedder}, the settings say {embedder.name}.",
                remedy="Run `python -m batch ingest FILE` again, or set the embedder back.",
            )
        return cls(manifest, store, floor=floor)

    @property
    def version(self) -> str:
        """Digest of the exemplars and the embedder."""
        return self.manifest.version

    def count(self) -> int:
        """Number of exemplars."""
        return self._store.count()

    def exemplars(self) -> list[Exemplar]:
        """Every exemplar, ordered by id."""
        return self._store.exemplars()

    def get(self, ids: Sequence[str]) -> dict[str, Exemplar]:
        """The exemplars with these ids; those that don't exist are missing."""
        return {exemplar.id: exemplar for exemplar in self._store.get(sorted(set(ids)))}

    def search(
        self,
        tickets: Sequence[CleanTicket],
        vectors: Vectors,
        k: int,
        *,
        exclude: Sequence[Collection[str]] | None = None,
        where: Mapping[str, str] | None = None,
    ) -> list[list[Neighbor]]:
        """For each ticket up to `k` neighbours, best hybrid rank first, one for each group of near-duplicates.

        Args:
            tickets: n tickets; their words are searched.
            vectors: their unit vectors (n, d).
            exclude: for each ticket the ids that must not come back; their near-duplicates don't either.
            where: equalities such as {"language": "es", "labels.category": "Storage"}.
        """
        self._check(tickets, vectors, where or {})
        queries = self._queries(tickets, vectors, exclude or [()] * len(tickets))
        found: list[list[Neighbor]] = []
        for start in range(0, len(queries), SEARCH_BATCH):
            found += self._search(queries[start : start + SEARCH_BATCH], k, where or {})
        return found

    def _check(self, tickets: Sequence[CleanTicket], vectors: Vectors, where: Mapping[str, str]) -> None:
        if vectors.shape != (len(tickets), self.manifest.dimension):
            raise ValueError(f"vectors have shape {vectors.shape}, not {(len(tickets), self.manifest.dimension)}")
        known = {*PLAIN_FILTERS, *(LABEL_PREFIX + field for field in self.manifest.fields)}
        for key in where:
            if key not in known:
                raise InputError(f"The index can't be filtered by {key!r}.", remedy=f"Use one of {', '.join(sorted(known))}.")

    def _queries(self, tickets: Sequence[CleanTicket], vectors: Vectors, exclude: Iterable[Collection[str]]) -> list[Query]:
        excluded = [frozenset(ids) for ids in exclude]
        groups = {i: e.duplicate_group for i, e in self.get([*frozenset[str]().union(*excluded)]).items() if e.duplicate_group}
        return [
            Query(vector, self._words.query(ticket.text), ids, frozenset(groups[i] for i in ids if i in groups))
            for ticket, vector, ids in zip(tickets, vectors, excluded, strict=True)
        ]

    def _search(self, queries: Sequence[Query], k: int, where: Mapping[str, str]) -> list[list[Neighbor]]:
        """Searches again, four times as wide, for the queries whose hits were mostly near-duplicates of each other."""
        found: dict[int, list[Hit]] = {}
        pending, limit = list(range(len(queries))), 2 * k + 10
        while pending:
            answers = self._store.hybrid([queries[i] for i in pending], limit, where)
            found.update((i, _collapsed(hits)) for i, hits in zip(pending, answers, strict=True))
            full = {i for i, hits in zip(pending, answers, strict=True) if len(hits) >= limit}
            pending = [i for i in pending if i in full and len(found[i]) < k and limit < WIDEST]
            limit *= 4
        return [self._neighbors(found[i], k) for i in range(len(queries))]

    def _neighbors(self, hits: Sequence[Hit], k: int) -> list[Neighbor]:
        near = [hit for hit in hits if hit.similarity >= self._floor]
        return [Neighbor(hit.exemplar, hit.similarity) for hit in near[:k]]

    def close(self) -> None:
        """Release the index, so that another process can open it."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _collapsed(hits: Sequence[Hit]) -> list[Hit]:
    """The best hit of each group of near-duplicates."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.exemplar.duplicate_group or hit.id, hit)
    return list(best.values())
