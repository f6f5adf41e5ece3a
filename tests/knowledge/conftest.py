"""The places where an index is kept: a folder, qdrant-client's own engine in memory, and a server where one is given."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.edge_shelf import EdgeShelf
from knowledge.server_shelf import ServerShelf
from knowledge.stores import Shelf

TEST_NAME = "tamiz_test"


@pytest.fixture(params=["edge", "memory", pytest.param("server", marks=pytest.mark.server)])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    if request.param == "edge":
        yield EdgeShelf(tmp_path)
        return
    yield from _client_shelf(request.param, tmp_path)


def _client_shelf(kind: str, home: Path) -> Iterator[Shelf]:
    from qdrant_client import QdrantClient

    if kind == "server" and "QDRANT_URL" not in os.environ:
        pytest.skip("QDRANT_URL is not set")
    client = QdrantClient(":memory:") if kind == "memory" else QdrantClient(url=os.environ["QDRANT_URL"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        yield ServerShelf(client, home, TEST_NAME)
    for collection in client.get_collections().collections:
        if collection.name.startswith(TEST_NAME):
            client.delete_collection(collection.name)
    client.close()
