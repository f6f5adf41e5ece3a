"""Versions of the index on a Qdrant server: one collection each, and an alias that names the current one.

An ingest leaves the version that it replaced for those who still search it; the next ingest removes that.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from core.errors import KnowledgeError
from core.ticket import Exemplar
from knowledge.edge_shelf import ingest_lock
from knowledge.files import storage_errors
from knowledge.server import ServerStore, scrolled, server_errors
from knowledge.stores import (
    DENSE,
    GRAPH_BUILD_BREADTH,
    GRAPH_LINKS,
    REBUILD,
    SPARSE,
    Manifest,
    Store,
    check_format,
    filter_keys,
    no_index,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


class ServerShelf:
    """The collections `<name>_<version>` and the alias `<name>`. The lock under `home` covers the ingests of this machine."""

    def __init__(self, client: "QdrantClient", home: Path, name: str = "tamiz") -> None:
        self._client = client
        self._home = home
        self._name = name

    @contextmanager
    def lock(self) -> Iterator[None]:
        folder = self._home / "kb"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with ingest_lock(folder):
            yield

    def current(self) -> Manifest | None:
        try:
            return self._manifest(self._collection())
        except KnowledgeError:
            return None

    def exemplars(self) -> list[Exemplar]:
        collection = self._alias_target()
        if collection is None:
            return []
        return sorted(scrolled(self._client, collection), key=lambda exemplar: exemplar.id)

    def sound(self) -> bool:
        try:
            self.open()
        except KnowledgeError:
            return False
        return True

    def open(self) -> tuple[Manifest, Store]:
        collection = self._collection()
        manifest = self._manifest(collection)
        store = ServerStore(self._client, collection, manifest)
        if store.count() != manifest.count:
            raise KnowledgeError(f"Points are missing in the collection {collection}.", remedy=REBUILD)
        return manifest, store

    def create(self, manifest: Manifest) -> Store:
        from qdrant_client import models

        collection = f"{self._name}_{manifest.version}"
        links = 0 if manifest.exact else GRAPH_LINKS
        with server_errors():
            self._client.delete_collection(collection)
            self._client.create_collection(
                collection,
                vectors_config={DENSE: models.VectorParams(size=manifest.dimension, distance=models.Distance.DOT)},
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                hnsw_config=models.HnswConfigDiff(m=links, ef_construct=GRAPH_BUILD_BREADTH),
                metadata=manifest.model_dump(mode="json"),
            )
            for key in filter_keys(manifest.fields):
                self._client.create_payload_index(collection, key, field_schema=models.PayloadSchemaType.KEYWORD)
        return ServerStore(self._client, collection, manifest)

    def publish(self, manifest: Manifest, store: Store) -> None:
        from qdrant_client import models

        if not isinstance(store, ServerStore):
            raise TypeError("only a store of this shelf can be published")
        store.settle()
        switch: list[Any] = [
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=store.collection, alias_name=self._name))
        ]
        if self._alias_target() is not None:
            switch.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._name)))
        with server_errors():
            self._client.update_collection_aliases(switch)

    def sweep(self) -> None:
        target = self._alias_target()
        current = self.current()
        kept = {target, f"{self._name}_{current.previous}" if current else None}
        ours = re.compile(re.escape(self._name) + "_[0-9a-f]{16}")
        with server_errors():
            for collection in self._client.get_collections().collections:
                if ours.fullmatch(collection.name) and collection.name not in kept:
                    self._client.delete_collection(collection.name)

    def _collection(self) -> str:
        target = self._alias_target()
        if target is None:
            raise no_index()
        return target

    def _alias_target(self) -> str | None:
        with server_errors():
            aliases = self._client.get_aliases().aliases
        return next((alias.collection_name for alias in aliases if alias.alias_name == self._name), None)

    def _manifest(self, collection: str) -> Manifest:
        with server_errors():
            metadata = self._client.get_collection(collection).config.metadata
        try:
            return check_format(Manifest.model_validate(metadata or {}))
        except ValidationError as error:
            raise KnowledgeError(f"The collection {collection} has no readable manifest.", remedy=REBUILD) from error
