"""The server of the pages as a process of its own: it says where it is, and ends without a complaint."""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from batch.serving import is_loopback, listen
from core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SERVED = """
import asyncio
from batch.serving import serve_until_stopped

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        print("asked", flush=True)
        await asyncio.sleep(1.0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

serve_until_stopped(app, "127.0.0.1", 0, lambda address: print(address, flush=True))
print("after", flush=True)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_and_lets_pages_under_way_finish(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVED], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/slow", trust_env=False).text))
        asking.start()
        assert process.stdout.readline() == "asked\n"
        process.send_signal(ending)
        out, err = process.communicate(timeout=30)
        asking.join()
    assert (process.returncode, out, err) == (0, "after\n", "")
    assert answers == ["ok"]


def test_a_port_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(InputError, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("0.0.0.0", False), ("tamiz.example", False), ("", False)],  # noqa: S104
)
def test_what_never_leaves_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here
