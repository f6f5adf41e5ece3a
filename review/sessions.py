"""Signing in and staying signed in. A session is a random token in a cookie, of which only the SHA-256 is kept.

Every try is counted before the password is looked at, so that many at once are not looked at more often. Who is right is let in
and their count begins anew; who tries too often waits. The limits hold for a name from one address, for an address, and (higher,
so that nobody can easily lock somebody else out) for a name.
"""

import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from review.account_file import account_file, note
from review.accounts import User
from review.passwords import matches

LONGEST_S = 12 * 3600.0
"""Seconds after which a session ends, whatever was done in it."""
IDLE_S = 2 * 3600.0
"""Seconds without a page after which a session ends."""
WINDOW_S = 15 * 60.0
"""Seconds that a failed try counts."""
TRIES, TRIES_OF_ADDRESS, TRIES_OF_NAME = 5, 30, 60
_JOURNEY_S = 600.0
_SEEN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class SignIn:
    """What became of a try: the session's token, or why there is none."""

    token: str = ""
    refused: Literal["", "wrong", "wait"] = ""


@dataclass(frozen=True)
class Sessions:
    """The sessions in the accounts' file at `path`; `clock` gives seconds."""

    path: Path
    clock: Callable[[], float] = time.time

    def sign_in(self, name: str, password: str, address: str) -> SignIn:
        """With a password, from a network address."""
        typed = _digest(name.strip().lower())
        with account_file(self.path) as db:
            found = db.execute("SELECT name, password, disabled FROM users WHERE name = ?", (name.strip(),)).fetchone()
            left = self._left(db, typed, address)
            if not left:
                return SignIn(refused="wait")
        who, stored, disabled = found or ("", "", 0)
        if not matches("" if disabled else stored, password):
            with account_file(self.path) as db:  # what was typed may be a password, so only names that there are get noted
                note(db, "", "refused" if left > 1 else "throttled", who or "(unknown name)", address)
            return SignIn(refused="wrong")
        with account_file(self.path) as db:
            db.execute("DELETE FROM attempts WHERE name = ? AND address = ?", (typed, address))
        return SignIn(self.begin(who, address))

    def begin(self, name: str, address: str) -> str:
        """A session of who has proved to be `name`; its token."""
        token, at = secrets.token_urlsafe(32), self.clock()
        with account_file(self.path) as db:
            db.execute("DELETE FROM sessions WHERE began < ? OR seen < ?", (at - LONGEST_S, at - IDLE_S))
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), name, at, at))
            note(db, name, "signed_in", name, address)
        return token

    def user(self, token: str) -> User | None:
        """Whose session it is, with the role of this moment; None where it is over, or they may not any more."""
        if not token or not self.path.exists():
            return None
        at = self.clock()
        with account_file(self.path) as db:
            row = db.execute(
                "SELECT u.name, u.role, u.subject IS NOT NULL, s.seen FROM sessions s JOIN users u ON u.name = s.user "
                "WHERE s.token = ? AND NOT u.disabled AND s.began > ? AND s.seen > ?",
                (_digest(token), at - LONGEST_S, at - IDLE_S),
            ).fetchone()
            if row is None:
                return None
            name, role, provided, seen = row
            if at - seen > _SEEN_EVERY_S:
                db.execute("UPDATE sessions SET seen = ? WHERE token = ?", (at, _digest(token)))
            return User(name, role, provided=bool(provided))

    def end(self, token: str) -> None:
        """Sign out."""
        with account_file(self.path) as db:
            row = db.execute("DELETE FROM sessions WHERE token = ? RETURNING user", (_digest(token),)).fetchone()
            if row:
                note(db, row[0], "signed_out", row[0])

    def depart(self, body: str) -> str:
        """Keep `body` for who goes to the provider; the token of their way back, which is good once and for ten minutes."""
        token, at = secrets.token_urlsafe(32), self.clock()
        with account_file(self.path) as db:
            db.execute("DELETE FROM journeys WHERE began < ?", (at - _JOURNEY_S,))
            db.execute("INSERT INTO journeys VALUES (?, ?, ?)", (_digest(token), at, body))
        return token

    def arrive(self, token: str) -> str:
        """What was kept for the way back, "" where there is none."""
        with account_file(self.path) as db:
            row = db.execute(
                "DELETE FROM journeys WHERE token = ? AND began > ? RETURNING body", (_digest(token), self.clock() - _JOURNEY_S)
            ).fetchone()
        return str(row[0]) if row else ""

    def _left(self, db: sqlite3.Connection, typed: str, address: str) -> int:
        """How many tries are left, with this one, which is counted; 0 where it may not be made."""
        at = self.clock()
        db.execute("DELETE FROM attempts WHERE at < ?", (at - WINDOW_S,))
        both, of_address, of_name = db.execute(
            "SELECT coalesce(sum(name = :name AND address = :address), 0), coalesce(sum(address = :address), 0), "
            "coalesce(sum(name = :name), 0) FROM attempts",
            {"name": typed, "address": address},
        ).fetchone()
        left = min(TRIES - both, TRIES_OF_ADDRESS - of_address, TRIES_OF_NAME - of_name)
        if left > 0:
            db.execute("INSERT INTO attempts VALUES (?, ?, ?)", (at, typed, address))
        return max(0, int(left))


def form_token(token: str) -> str:
    """What forms carry: made from the session's token, which can't be found from it."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two tokens are the same; how long it takes says nothing."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
