"""Real HTTP on a loopback port, in a thread of this process."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import InputError, StorageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

_START_SECONDS = 15.0


@contextmanager
def serve(app: "ASGIApp", port: int = 0, *, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve `app` until the block ends; gives its base URL, such as `http://127.0.0.1:40001`. Port 0 takes a free one.

    An app that owns state closes it at the end: it is served once. Raises InputError where the port is taken and
    StorageError where the app does not start.
    """
    listener = _listen(host, port)
    server = _server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="mock-http", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield _address(listener)
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends at once (TCP_NODELAY) only where it is; else each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        remedy = "Choose another with --port, or 0 for a free one."
        raise InputError(f"Nothing can listen on {host} port {port}: {error}.", remedy=remedy) from error
    return listener


def _server(app: "ASGIApp") -> "uvicorn.Server":
    import uvicorn

    # log_level: a truncated answer is wanted here, and uvicorn reports it as an error.
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="on", proxy_headers=False, timeout_graceful_shutdown=1
    )
    return uvicorn.Server(config)


def _await_start(server: "uvicorn.Server", thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise StorageError("The mock did not start.", remedy="Start it with `python -m mocks` to see why.")
        time.sleep(0.002)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
