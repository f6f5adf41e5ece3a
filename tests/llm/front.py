"""A front before a language model's server that counts requests and spoils answers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

import httpx


@dataclass(frozen=True)
class Reply:
    """What the front sends; None for the body closes the connection without a byte."""

    body: bytes | None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Spoil: TypeAlias = Callable[[int, Callable[[], bytes]], Reply]
"""From the number of a request, from 0, and the true answer to what is sent."""


@dataclass
class Seen:
    """What the front has seen."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    most_at_once: int = 0


def honest(_number: int, true: Callable[[], bytes]) -> Reply:
    """Pass on the true answer."""
    return Reply(true())


@cache
def _true(url: str, body: bytes) -> bytes:
    """The server is greedy: the same question gives the same answer."""
    headers = {"content-type": "application/json"}
    return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False).raise_for_status().content


@contextmanager
def front(upstream: str, spoil: Spoil = honest) -> Iterator[Seen]:
    """Serve in a thread until the block ends."""
    seen, lock, open_now = Seen(), threading.Lock(), [0]

    class Front(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                number = len(seen.requests)
                seen.requests.append((dict(self.headers), body))
                open_now[0] += 1
                seen.most_at_once = max(seen.most_at_once, open_now[0])
            reply = spoil(number, lambda: _true(upstream + self.path, body))
            time.sleep(reply.seconds)
            with lock:
                open_now[0] -= 1
            self.send(reply)

        def send(self, reply: Reply) -> None:
            if reply.body is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that gave up is what is tested."""

    with Quiet(("127.0.0.1", 0), Front) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        seen.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield seen
        finally:
            server.shutdown()
            thread.join()
