"""Webhooks of the mock desk: registered addresses, an outbox in the same transaction as the change, signed deliveries."""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from mocks.app import Answer, Refused
from mocks.desk_models import NewWebhook, TicketDocument

if TYPE_CHECKING:
    import httpx

SIGNATURE_HEADER = "X-Desk-Signature"
ATTEMPTS = 4
_FIRST_PAUSE = 0.1
_TIMEOUT = 5.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS webhooks (number INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL REFERENCES webhooks(number), event TEXT NOT NULL,
    body TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'pending');
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries(state, due);
"""


class Delivery(NamedTuple):
    """One event on its way to one address."""

    number: int
    url: str
    secret: str
    event: str
    body: str
    attempts: int


def sign(secret: str, body: bytes) -> str:
    """The value of X-Desk-Signature for a body: `sha256=` and the HMAC-SHA256 in hexadecimal."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """The registered addresses and what is still to be delivered, in the desk's own database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._news: asyncio.Event | None = None

    def register(self, new: NewWebhook) -> Answer:
        """Take an address on this machine; the secret is shown this once."""
        if not _on_loopback(new.url):
            message = "Only http addresses on this machine are taken."
            raise Refused(422, "not_loopback", message, remedy="Use http://127.0.0.1:<port>/...")
        secret = new.secret or secrets.token_hex(16)
        number = self._db.execute("INSERT INTO webhooks (url, secret) VALUES (?, ?)", (new.url, secret)).lastrowid
        return Answer(json.dumps({"number": number, "url": new.url, "secret": secret}), 201)

    def registered(self) -> Answer:
        """Addresses with the number of deliveries in each state; no secrets."""
        rows = self._db.execute(
            "SELECT w.number, w.url, total(d.state = 'delivered'), total(d.state = 'pending'), total(d.state = 'failed')"
            " FROM webhooks w LEFT JOIN deliveries d ON d.webhook = w.number GROUP BY w.number ORDER BY w.number"
        )
        keys = ("delivered", "pending", "failed")
        found = [{"number": n, "url": url, **dict(zip(keys, map(int, counts), strict=True))} for n, url, *counts in rows]
        return Answer(json.dumps({"webhooks": found}))

    def remove(self, number: int) -> None:
        """Forget an address and what was to be delivered there."""
        self._db.execute("DELETE FROM deliveries WHERE webhook = ?", (number,))
        self._db.execute("DELETE FROM webhooks WHERE number = ?", (number,))

    def announce(self, event: str, document: TicketDocument) -> None:
        """Put an event into the outbox of every address, inside the caller's transaction."""
        if not self._db.execute("SELECT 1 FROM webhooks LIMIT 1").fetchone():
            return
        body = json.dumps({"event": event, "at": document.updated, "ticket": document.model_dump()})
        self._db.execute("INSERT INTO deliveries (webhook, event, body) SELECT number, ?, ? FROM webhooks", (event, body))
        if self._news:
            self._news.set()

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver in the background while the block runs; what is left then is delivered after the next start."""
        self._news = asyncio.Event()
        task = asyncio.create_task(self._deliver(self._news))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _deliver(self, news: asyncio.Event) -> None:
        import httpx

        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            while True:
                news.clear()
                if delivery := self._due():
                    self._settle(delivery, await _post(client, delivery))
                else:
                    await self._rest(news)

    async def _rest(self, news: asyncio.Event) -> None:
        (due,) = self._db.execute("SELECT min(due) FROM deliveries WHERE state = 'pending'").fetchone()
        pause = max(0.0, due - time.time()) if due is not None else None
        try:
            await asyncio.wait_for(news.wait(), pause)
        except TimeoutError:
            return

    def _due(self) -> Delivery | None:
        row = self._db.execute(
            "SELECT d.number, w.url, w.secret, d.event, d.body, d.attempts FROM deliveries d"
            " JOIN webhooks w ON w.number = d.webhook WHERE d.state = 'pending' AND d.due <= ? ORDER BY d.due, d.number LIMIT 1",
            (time.time(),),
        ).fetchone()
        return Delivery(*row) if row else None

    def _settle(self, delivery: Delivery, arrived: bool) -> None:
        attempts = delivery.attempts + 1
        state = "delivered" if arrived else "failed" if attempts >= ATTEMPTS else "pending"
        due = time.time() + _FIRST_PAUSE * 2**delivery.attempts
        query = "UPDATE deliveries SET attempts = ?, state = ?, due = ? WHERE number = ?"
        self._db.execute(query, (attempts, state, due, delivery.number))


async def _post(client: "httpx.AsyncClient", delivery: Delivery) -> bool:
    import httpx

    body = delivery.body.encode()
    headers = {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: sign(delivery.secret, body),
        "X-Desk-Delivery": str(delivery.number),
        "X-Desk-Event": delivery.event,
    }
    try:
        return (await client.post(delivery.url, content=body, headers=headers)).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def _on_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
