"""Webhooks of the mock desk: signed, retried, kept over a restart, to this machine only."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mocks.desk import create_desk
from mocks.serve import serve
from mocks.webhooks import ATTEMPTS, SIGNATURE_HEADER, sign


@dataclass
class Receiver:
    url: str = ""
    refusals: int = 0
    got: "queue.Queue[tuple[dict[str, str], bytes]]" = field(default_factory=queue.Queue)

    async def take(self, request: Request) -> Response:
        self.got.put((dict(request.headers), await request.body()))
        self.refusals -= 1
        return Response(status_code=500 if self.refusals >= 0 else 204)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    it = Receiver()
    with serve(Starlette(routes=[Route("/hook", it.take, methods=["POST"])])) as url:
        it.url = f"{url}/hook"
        yield it


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_events_arrive_in_order_with_a_valid_signature(tmp_path: Path, receiver: Receiver) -> None:
    with serve(create_desk(tmp_path)) as url:
        secret = httpx.post(f"{url}/webhooks", json={"url": receiver.url}).json()["secret"]
        httpx.post(f"{url}/tickets", json={"id": "A", "subject": "á"})
        httpx.patch(f"{url}/tickets/A", json={"revision": 1, "fields": {"category": "Red"}})
        for event, revision in (("ticket.created", 1), ("ticket.updated", 2)):
            headers, body = receiver.got.get(timeout=5)
            assert headers[SIGNATURE_HEADER.lower()] == sign(secret, body)
            assert headers["x-desk-event"] == json.loads(body)["event"] == event
            assert json.loads(body)["ticket"]["revision"] == revision
        assert secret not in httpx.get(f"{url}/webhooks").text


def test_a_refused_delivery_is_tried_again_and_given_up_after_a_few(tmp_path: Path, receiver: Receiver) -> None:
    receiver.refusals = 1
    with serve(create_desk(tmp_path)) as url:
        httpx.post(f"{url}/webhooks", json={"url": receiver.url, "secret": "s"})
        httpx.post(f"{url}/tickets", json={"id": "A"})
        first, second = (receiver.got.get(timeout=5) for _ in range(2))
        assert first[0]["x-desk-delivery"] == second[0]["x-desk-delivery"]
        until(lambda: httpx.get(f"{url}/webhooks").json()["webhooks"][0]["delivered"] == 1)
        receiver.refusals = ATTEMPTS
        httpx.post(f"{url}/tickets", json={"id": "B"})
        until(lambda: httpx.get(f"{url}/webhooks").json()["webhooks"][0]["failed"] == 1)


def test_what_was_not_delivered_is_delivered_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    receiver.refusals = 1
    with serve(create_desk(tmp_path)) as url:
        httpx.post(f"{url}/webhooks", json={"url": receiver.url, "secret": "s"})
        httpx.post(f"{url}/tickets", json={"id": "A"})
        receiver.got.get(timeout=5)
    with serve(create_desk(tmp_path)):
        headers, body = receiver.got.get(timeout=5)
    assert headers[SIGNATURE_HEADER.lower()] == sign("s", body)


def test_a_removed_webhook_gets_nothing(tmp_path: Path, receiver: Receiver) -> None:
    with serve(create_desk(tmp_path)) as url:
        number = httpx.post(f"{url}/webhooks", json={"url": receiver.url}).json()["number"]
        assert httpx.delete(f"{url}/webhooks/{number}").status_code == 204
        httpx.post(f"{url}/tickets", json={"id": "A"})
        with pytest.raises(queue.Empty):
            receiver.got.get(timeout=0.2)


def test_addresses_elsewhere_are_refused(tmp_path: Path) -> None:
    elsewhere = (
        "http://10.0.0.1/x",
        "http://example.org/x",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "http://[::ffff:8.8.8.8]/",
    )
    with serve(create_desk(tmp_path)) as url, httpx.Client() as client:
        for address in (*elsewhere, "http://[", ""):
            assert client.post(f"{url}/webhooks", json={"url": address}).status_code == 422
