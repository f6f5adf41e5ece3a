"""A web app served until somebody ends it: Ctrl+C and SIGTERM let the pages that are under way finish, and are no error."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

from core.errors import InputError, StorageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LAST_WORDS_S = 10
"""Seconds that pages under way get at the end."""


def serve_until_stopped(app: "ASGIApp", host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve in this thread; `started` is called with the address. Port 0 takes a free one.

    Raises:
        InputError: the port is taken, or the host is not this machine's.
        StorageError: the app does not start.
    """
    import uvicorn

    class Server(uvicorn.Server):
        """Uvicorn's, which says when it is there and ends quietly: it would raise the signal again."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started and sockets:
                started(address(host, sockets[0]))

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            with super().capture_signals():
                yield
                self._captured_signals.clear()

    # No proxy is believed, so an address is the one that connected. Access is not logged: a path holds a ticket's id.
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_WORDS_S,
    )
    listener = listen(host, port)
    server = Server(config)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()
    if not server.started:
        raise StorageError("The pages did not start.", remedy="Look at what was said above.")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens."""
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
        remedy = "Choose another port with --port (0: a free one), or an address of this machine with --host."
        raise InputError(f"Nothing can listen on {host} port {port}: {error}.", remedy=remedy) from error
    return listener


def address(host: str, listener: socket.socket) -> str:
    """What to open in a browser."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a name or an address never leaves this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
