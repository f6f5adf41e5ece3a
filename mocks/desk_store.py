"""The mock service desk's state: tickets with revisions, comments, attachments, an audit trail, idempotency keys."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from core.errors import InputError, RowError
from mocks.app import Answer, Refused
from mocks.database import clear, now, open_database, stamp, transaction
from mocks.desk_draft import Draft
from mocks.desk_models import NewComment, NewTicket, Patch, Property, SeedTicket, TicketDocument
from mocks.webhooks import SCHEMA as WEBHOOKS_SCHEMA
from mocks.webhooks import Webhooks

DATABASE = "desk.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tickets (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, updated TEXT NOT NULL,
    document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS comments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL REFERENCES tickets(id), at TEXT NOT NULL,
    actor TEXT NOT NULL, public INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS comments_of ON comments(ticket);
CREATE TABLE IF NOT EXISTS attachments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL REFERENCES tickets(id), at TEXT NOT NULL,
    name TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS attachments_of ON attachments(ticket);
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL, revision INTEGER NOT NULL, at TEXT NOT NULL,
    actor TEXT NOT NULL, field TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS history_of ON history(ticket);
CREATE TABLE IF NOT EXISTS idempotency (
    scope TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (scope, key)) WITHOUT ROWID;
"""


class DeskStore:
    """All of the desk's state in `folder`/desk.sqlite. Every change is one transaction; refusals are `Refused`."""

    def __init__(self, folder: Path) -> None:
        self.db = open_database(folder / DATABASE, _SCHEMA + WEBHOOKS_SCHEMA)
        self.webhooks = Webhooks(self.db)

    def close(self) -> None:
        """Close the file; what was answered is on disk already."""
        self.db.close()

    def clear(self) -> None:
        """Forget everything."""
        clear(self.db)

    def seed(self, path: Path) -> int:
        """Load a tickets file where the desk has none; gives the number loaded. Raises InputError, RowError."""
        if self.db.execute("SELECT 1 FROM tickets LIMIT 1").fetchone():
            return 0
        count = 0
        with transaction(self.db):
            for row, ticket in _read(path):
                if self._exists(ticket.id):
                    message = f"Line {row} of the tickets file has the id {ticket.id} again."
                    raise RowError(message, row=row, field="id", remedy="Give every ticket an id of its own.")
                self._insert(ticket, "seed")
                count += 1
        return count

    def page(self, *, status: str | None, since: datetime | None, after: int, limit: int) -> Answer:
        """Up to `limit` tickets in order of creation after the number `after`, and the cursor of the next page or null."""
        rows = self.db.execute(
            "SELECT number, document FROM tickets WHERE number > :after AND (:status IS NULL OR status = :status)"
            " AND (:since IS NULL OR updated >= :since) ORDER BY number LIMIT :limit",
            {"after": after, "status": status, "since": stamp(since) if since else None, "limit": limit + 1},
        ).fetchall()
        following = json.dumps(str(rows[limit - 1][0]) if len(rows) > limit else None)
        return Answer(f'{{"tickets":[{",".join(row[1] for row in rows[:limit])}],"next":{following}}}')

    def ticket(self, ticket_id: str) -> Answer:
        """One ticket."""
        return Answer(self._document(ticket_id))

    def create(self, new: NewTicket, actor: str, key: str | None) -> Answer:
        """A new ticket at revision 1; an id that is taken is refused."""

        def act() -> Answer:
            if new.id and self._exists(new.id):
                raise Refused(409, "exists", f"There is a ticket {new.id} already.", remedy="Choose another id.")
            return Answer(self._insert(new, actor).model_dump_json(), 201)

        return self._once("tickets", key, new.model_dump_json(), act)

    def patch(self, ticket_id: str, patch: Patch, actor: str, expected: int | None) -> Answer:
        """Apply a whole patch to the revision `expected` (None: whichever there is), or refuse with the current one."""

        def act() -> Answer:
            with self._change(ticket_id, actor, expected) as draft:
                draft.apply(patch)
                if patch.comment:
                    self._add_comment(draft, patch.comment, patch.public, actor)
            return Answer(draft.document.model_dump_json())

        request = f"{expected} {patch.model_dump_json()}"
        return self._once(ticket_id, patch.idempotency_key, request, act)

    def comment(self, ticket_id: str, new: NewComment, actor: str) -> Answer:
        """Add a comment."""

        def act() -> Answer:
            with self._change(ticket_id, actor) as draft:
                number = self._add_comment(draft, new.body, new.public, actor)
            return Answer(json.dumps({"number": number, "revision": draft.document.revision}), 201)

        return self._once(ticket_id, new.idempotency_key, new.model_dump_json(), act)

    def comments(self, ticket_id: str) -> Answer:
        """A ticket's comments, oldest first."""
        self._document(ticket_id)
        rows = self.db.execute(
            "SELECT number, at, actor, public = 1, body FROM comments WHERE ticket = ? ORDER BY number", (ticket_id,)
        )
        keys = ("number", "at", "author", "public", "body")
        found = [dict(zip(keys, row, strict=True)) for row in rows]
        return Answer(json.dumps({"comments": [{**c, "public": bool(c["public"])} for c in found]}))

    def set_property(self, ticket_id: str, name: str, value: Property, actor: str, expected: int | None) -> Answer:
        """Put one property of the ticket's bag."""
        with transaction(self.db), self._change(ticket_id, actor, expected) as draft:
            draft.set_property(name, value)
        return Answer(draft.document.model_dump_json())

    def property(self, ticket_id: str, name: str) -> Answer:
        """One property of the ticket's bag."""
        properties = TicketDocument.model_validate_json(self._document(ticket_id)).properties
        if name not in properties:
            raise Refused(404, "no_property", f"Ticket {ticket_id} has no property {name}.", remedy="PUT it first.")
        return Answer(json.dumps(properties[name]))

    def attach(self, ticket_id: str, name: str, media_type: str, content: bytes, actor: str) -> Answer:
        """Keep a small file with the ticket."""
        digest = hashlib.sha256(content).hexdigest()
        with transaction(self.db), self._change(ticket_id, actor) as draft:
            cursor = self.db.execute(
                "INSERT INTO attachments (ticket, at, name, media_type, size, sha256, content) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (ticket_id, now(), name, media_type, len(content), digest, content),
            )
            draft.note("attachment", "", name)
        shown = {"number": cursor.lastrowid, "name": name, "size": len(content), "sha256": digest}
        return Answer(json.dumps({**shown, "revision": draft.document.revision}), 201)

    def attachments(self, ticket_id: str) -> Answer:
        """What is attached, without the contents."""
        self._document(ticket_id)
        keys = ("number", "at", "name", "media_type", "size", "sha256")
        rows = self.db.execute(
            "SELECT number, at, name, media_type, size, sha256 FROM attachments WHERE ticket = ? ORDER BY number", (ticket_id,)
        )
        return Answer(json.dumps({"attachments": [dict(zip(keys, row, strict=True)) for row in rows]}))

    def attachment(self, ticket_id: str, number: int, max_bytes: int) -> tuple[str, bytes]:
        """Name and content of one attachment of at most `max_bytes`."""
        row = self.db.execute(
            "SELECT name, size FROM attachments WHERE ticket = ? AND number = ?", (ticket_id, number)
        ).fetchone()
        if row is None:
            raise Refused(404, "no_attachment", f"Ticket {ticket_id} has no attachment {number}.", remedy="List them first.")
        if row[1] > max_bytes:
            raise Refused(413, "too_large", f"It has {row[1]} bytes.", remedy="Raise max_bytes.", size=row[1])
        content = self.db.execute("SELECT content FROM attachments WHERE number = ?", (number,)).fetchone()[0]
        return row[0], content

    def history(self, ticket_id: str) -> Answer:
        """Every change of a ticket, oldest first: revision, at, actor, field, old, new."""
        self._document(ticket_id)
        keys = ("revision", "at", "actor", "field", "old", "new")
        rows = self.db.execute(
            "SELECT revision, at, actor, field, old, new FROM history WHERE ticket = ? ORDER BY number", (ticket_id,)
        )
        return Answer(json.dumps({"history": [dict(zip(keys, row, strict=True)) for row in rows]}))

    def _exists(self, ticket_id: str) -> bool:
        return self.db.execute("SELECT 1 FROM tickets WHERE id = ?", (ticket_id,)).fetchone() is not None

    def _document(self, ticket_id: str) -> str:
        row = self.db.execute("SELECT document FROM tickets WHERE id = ?", (ticket_id,)).fetchone()
        if row is None:
            raise Refused(404, "no_ticket", f"There is no ticket {ticket_id}.", remedy="List the tickets first.")
        return str(row[0])

    def _insert(self, new: NewTicket, actor: str) -> TicketDocument:
        at = now()
        number = self.db.execute("SELECT coalesce(max(number), 0) + 1 FROM tickets").fetchone()[0]
        free = (f"T-{n}" for n in itertools.count(number) if not self._exists(f"T-{n}"))
        known = new.model_dump(exclude={"id", "created"})
        created = stamp(new.created) if new.created else at
        document = TicketDocument(id=new.id or next(free), created=created, updated=at, **known)
        self.db.execute(
            "INSERT INTO tickets (number, id, status, updated, document) VALUES (?, ?, ?, ?, ?)",
            (number, document.id, document.status, at, document.model_dump_json()),
        )
        self._log(document, actor, [("created", "", document.status)])
        self.webhooks.announce("ticket.created", document)
        return document

    @contextmanager
    def _change(self, ticket_id: str, actor: str, expected: int | None = None) -> Iterator[Draft]:
        """A draft of the ticket, saved at the end of the block; the caller holds the transaction."""
        draft = Draft(TicketDocument.model_validate_json(self._document(ticket_id)))
        current = draft.document.revision
        if expected is not None and expected != current:
            message = f"Ticket {ticket_id} is at revision {current}, not {expected}."
            raise Refused(409, "conflict", message, remedy="Read it again.", revision=current)
        yield draft
        if draft.changes:
            self._save(draft, actor)

    def _save(self, draft: Draft, actor: str) -> None:
        document = draft.document
        document.revision += 1
        document.updated = now()
        self.db.execute(
            "UPDATE tickets SET status = ?, updated = ?, document = ? WHERE id = ?",
            (document.status, document.updated, document.model_dump_json(), document.id),
        )
        self._log(document, actor, draft.changes)
        self.webhooks.announce("ticket.updated", document)

    def _log(self, document: TicketDocument, actor: str, changes: Sequence[tuple[str, str, str]]) -> None:
        self.db.executemany(
            "INSERT INTO history (ticket, revision, at, actor, field, old, new) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(document.id, document.revision, document.updated, actor, *change) for change in changes],
        )

    def _add_comment(self, draft: Draft, body: str, public: bool, actor: str) -> int:
        cursor = self.db.execute(
            "INSERT INTO comments (ticket, at, actor, public, body) VALUES (?, ?, ?, ?, ?)",
            (draft.document.id, now(), actor, public, body),
        )
        draft.note("comment", "", body)
        return int(cursor.lastrowid or 0)

    def _once(self, scope: str, key: str | None, request: str, act: Callable[[], Answer]) -> Answer:
        """`act` in a transaction, the first time that `key` is seen in `scope`; afterwards what it answered then."""
        digest = hashlib.sha256(request.encode()).hexdigest()
        with transaction(self.db):
            if key is not None and (first := self._first_answer(scope, key, digest)):
                return first
            answer = act()
            if key is not None:
                row = (scope, key, digest, answer.status, answer.body)
                self.db.execute("INSERT INTO idempotency (scope, key, digest, status, body) VALUES (?, ?, ?, ?, ?)", row)
        return answer

    def _first_answer(self, scope: str, key: str, digest: str) -> Answer | None:
        query = "SELECT digest, status, body FROM idempotency WHERE scope = ? AND key = ?"
        row = self.db.execute(query, (scope, key)).fetchone()
        if row is None:
            return None
        if row[0] != digest:
            message = "This idempotency key was used for another request."
            raise Refused(422, "key_reused", message, remedy="Use a new key for a new request.")
        return Answer(row[2], row[1], replayed=True)


def _read(path: Path) -> Iterator[tuple[int, SeedTicket]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not splitlines: U+2028 may stand inside a text
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The tickets file {path} can't be read: {error}.", remedy="Give a UTF-8 .jsonl file.") from error
    for row, line in enumerate(lines, 1):
        if line.strip():
            yield row, _seed(line, row)


def _seed(line: str, row: int) -> SeedTicket:
    try:
        return SeedTicket.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "line"
        message = f"Line {row} of the tickets file, {field}: {first['msg']}."
        raise RowError(message, row=row, field=field, remedy="Correct that line and start again.") from error
