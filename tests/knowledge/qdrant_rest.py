"""Qdrant's REST interface on loopback, over qdrant-client's own engine: all goes through real HTTP and JSON.

It is no Qdrant server: filters, fusion and scores are the engine's of qdrant-client, which the tests also use without HTTP.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from qdrant_client import QdrantClient, models

from mocks.serve import serve


@contextmanager
def qdrant_rest(api_key: str = "") -> Iterator[str]:
    """The address of an empty server; with `api_key` only who brings that key is served."""
    with serve(_app(QdrantClient(":memory:"), api_key)) as url:
        yield url


def _app(engine: QdrantClient, api_key: str) -> FastAPI:
    app = FastAPI()

    # Coroutines, so that one thread does it all: the engine is not made for several.
    @app.middleware("http")
    async def checked(request: Request, call_next: Any) -> Any:  # noqa: ANN401 - starlette's own
        if api_key and request.headers.get("api-key") != api_key:
            return JSONResponse({"status": {"error": "forbidden"}, "time": 0.0}, status_code=403)
        return await call_next(request)

    @app.get("/")
    async def about() -> dict[str, str]:
        return {"title": "qdrant", "version": "1.17.0"}

    @app.get("/collections")
    async def collections() -> Any:  # noqa: ANN401 - JSON
        return _result(engine.get_collections())

    @app.get("/aliases")
    async def aliases() -> Any:  # noqa: ANN401 - JSON
        return _result(engine.get_aliases())

    @app.post("/collections/aliases")
    async def switch(asked: models.ChangeAliasesOperation) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.update_collection_aliases(asked.actions))

    @app.get("/collections/{name}")
    async def collection(name: str) -> Any:  # noqa: ANN401 - JSON
        if not engine.collection_exists(name):
            return JSONResponse({"status": {"error": f"Not found: Collection `{name}`"}, "time": 0.0}, status_code=404)
        return _result(engine.get_collection(name))

    @app.put("/collections/{name}")
    async def create(name: str, asked: models.CreateCollection) -> Any:  # noqa: ANN401 - JSON
        known = {key: getattr(asked, key) for key in asked.model_fields_set}
        vectors, sparse = known.pop("vectors"), known.pop("sparse_vectors", None)
        return _result(engine.create_collection(name, vectors_config=vectors, sparse_vectors_config=sparse, **known))

    @app.delete("/collections/{name}")
    async def delete(name: str) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.delete_collection(name))

    @app.put("/collections/{name}/index")
    async def index(name: str, asked: models.CreateFieldIndex) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.create_payload_index(name, asked.field_name, field_schema=asked.field_schema))

    @app.put("/collections/{name}/points")
    async def upsert(name: str, asked: models.PointsList) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.upsert(name, asked.points))

    @app.post("/collections/{name}/points")
    async def retrieve(name: str, asked: models.PointRequest) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.retrieve(name, asked.ids, with_payload=True))

    @app.post("/collections/{name}/points/query/batch")
    async def query(name: str, asked: models.QueryRequestBatch) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.query_batch_points(name, asked.searches))

    @app.post("/collections/{name}/points/scroll")
    async def scroll(name: str, asked: models.ScrollRequest) -> Any:  # noqa: ANN401 - JSON
        points, following = engine.scroll(name, limit=asked.limit or 10, offset=asked.offset, with_payload=True)
        return _result({"points": points, "next_page_offset": following})

    @app.post("/collections/{name}/points/count")
    async def count(name: str, asked: models.CountRequest) -> Any:  # noqa: ANN401 - JSON
        return _result(engine.count(name, exact=bool(asked.exact)))

    return app


def _result(value: object) -> dict[str, Any]:
    return {"result": jsonable_encoder(value), "status": "ok", "time": 0.0}
