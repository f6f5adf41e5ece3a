"""The places where an index is kept: a folder, qdrant-client's engine, that over HTTP, and a server where one is given."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from qdrant_client import QdrantClient

from knowledge.edge_shelf import EdgeShelf
from knowledge.server_shelf import ServerShelf
from knowledge.stores import Shelf
from tests.knowledge.qdrant_rest import qdrant_rest

TEST_NAME = "tamiz_test"


MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it are made by TemporaryDirectory
KINDS = ["edge", "memory", "http", pytest.param("server", marks=pytest.mark.server)]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder in memory where there is one: an index waits for the disk some ten times while it is created."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(params=KINDS)
def shelf(request: pytest.FixtureRequest, home: Path) -> Iterator[Shelf]:
    """An empty place of each kind."""
    with shelf_of(request.param, home) as empty:
        yield empty


@pytest.fixture(params=KINDS, scope="module")
def lasting_shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A place for a whole test file that only reads; on the disk."""
    with shelf_of(request.param, tmp_path_factory.mktemp("home")) as empty:
        yield empty


@contextmanager
def shelf_of(kind: str, home: Path) -> Iterator[Shelf]:
    if kind == "edge":
        yield EdgeShelf(home)
        return
    if kind == "server" and "QDRANT_URL" not in os.environ:
        pytest.skip("QDRANT_URL is not set")
    if kind == "http":
        with qdrant_rest() as url, _client_shelf(QdrantClient(url=url), home) as shelf:
            yield shelf
        return
    with _client_shelf(
        QdrantClient(":memory:") if kind == "memory" else QdrantClient(url=os.environ["QDRANT_URL"]), home
    ) as shelf:
        yield shelf


@contextmanager
def _client_shelf(client: QdrantClient, home: Path) -> Iterator[Shelf]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect|Local mode performs exact")
        yield ServerShelf(client, home, TEST_NAME)
    for collection in client.get_collections().collections:
        if collection.name.startswith(TEST_NAME):
            client.delete_collection(collection.name)
    client.close()
