"""Who may use the review page, and as what. Each call opens the file anew, so threads can share an `Accounts`."""

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from core.errors import InputError
from review.account_file import AuditEntry, AuditWhat, account_file, audit, note
from review.passwords import kept

Role: TypeAlias = Literal["viewer", "reviewer", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "reviewer", "admin")
"""Each may do what those before it may: look; judge; see the audit log and change users."""
FILE = "accounts.sqlite"
_NAME = re.compile(r"[\w.@+-]{1,64}")
_COLUMNS = "name, role, disabled, subject IS NOT NULL"


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account; `provided` ones sign in at the OpenID provider and have no password here."""

    name: str
    role: Role
    disabled: bool = False
    provided: bool = False

    def may(self, role: Role) -> bool:
        """Whether they may do what `role` may."""
        return not self.disabled and ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Accounts:
    """The accounts in the file at `path`; it is made by the first account. `by` is who changes something."""

    path: Path

    def exist(self) -> bool:
        """Whether anybody has an account, disabled ones too: the page asks for a sign-in from then on."""
        return self.path.exists() and bool(self.users())

    def users(self) -> list[User]:
        """All of them by name."""
        with account_file(self.path) as db:
            return [_user(row) for row in db.execute(f"SELECT {_COLUMNS} FROM users ORDER BY name")]  # noqa: S608 - constant

    def add(self, name: str, role: Role, password: str, by: str) -> User:
        """A new account.

        Raises:
            InputError: the name is taken or no name, or the password is not good enough.
        """
        named = _checked(name)
        stored = kept(password, named)
        with account_file(self.path) as db:
            if _find(db, named):
                raise InputError(f"There is already an account {named}.", remedy="Choose another name, or change that account.")
            db.execute("INSERT INTO users (name, role, password) VALUES (?, ?, ?)", (named, role, stored))
            note(db, by, "added", named, role)
        return User(named, role)

    def set_role(self, name: str, role: Role, by: str) -> User:
        """Another role, from the next page on."""
        return self._change(name, "role", role, by, "role", role)

    def set_password(self, name: str, password: str, by: str) -> User:
        """Another password; every session of that person ends."""
        if self._known(name).provided:
            raise InputError(f"{name} signs in at the provider.", remedy="The password is changed there.")
        return self._change(name, "password", kept(password, name), by, "password", "", end=True)

    def set_disabled(self, name: str, disabled: bool, by: str) -> User:
        """Lock an account, with its sessions, or open it again."""
        return self._change(name, "disabled", int(disabled), by, "disabled" if disabled else "enabled", "", end=disabled)

    def provided(self, subject: str, name: str, role: Role) -> User:
        """The account of who signed in at the provider, made or brought up to date. `subject` is who it is, whatever the name.

        Raises:
            InputError: the name is another account's, or this one is disabled.
        """
        with account_file(self.path) as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM users WHERE subject = ?", (subject,)).fetchone()  # noqa: S608 - constant
            if row is None:
                named = _checked(name)
                if _find(db, named):
                    raise InputError(f"{named} is somebody else's account.", remedy="Ask an admin to look at the names.")
                db.execute("INSERT INTO users (name, role, password, subject) VALUES (?, ?, '', ?)", (named, role, subject))
                note(db, named, "added", named, f"{role}, by the provider")
                return User(named, role, provided=True)
            user = _user(row)
            if user.disabled:
                raise InputError(f"The account {user.name} is disabled.", remedy="Ask an admin.")
            if user.role != role:
                db.execute("UPDATE users SET role = ? WHERE subject = ?", (role, subject))
                note(db, user.name, "role", user.name, f"{role}, by the provider")
            return User(user.name, role, provided=True)

    def note(self, who: str, what: AuditWhat, about: str = "", detail: str = "") -> None:
        """Add a line to the audit log."""
        with account_file(self.path) as db:
            note(db, who, what, about, detail)

    def audit(self, limit: int) -> list[AuditEntry]:
        """The newest lines of the audit log, the newest first."""
        if not self.path.exists():
            return []
        with account_file(self.path) as db:
            return audit(db, limit)

    def _known(self, name: str) -> User:
        with account_file(self.path) as db:
            return _required(db, name)

    def _change(
        self, name: str, column: str, value: str | int, by: str, what: AuditWhat, detail: str, *, end: bool = False
    ) -> User:
        with account_file(self.path) as db:
            user = _required(db, name)
            db.execute(f"UPDATE users SET {column} = ? WHERE name = ?", (value, user.name))  # noqa: S608 - our own names
            if end:
                db.execute("DELETE FROM sessions WHERE user = ?", (user.name,))
            note(db, by, what, user.name, detail)
            return _required(db, name)


def _required(db: sqlite3.Connection, name: str) -> User:
    user = _find(db, name)
    if user is None:
        raise InputError(f"There is no account {name!r}.", remedy="See `python -m batch users list`.")
    return user


def _find(db: sqlite3.Connection, name: str) -> User | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM users WHERE name = ?", (name.strip(),)).fetchone()  # noqa: S608 - constant
    return _user(row) if row else None


def _user(row: tuple[str, Role, int, int]) -> User:
    name, role, disabled, provided = row
    return User(name, role, bool(disabled), bool(provided))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name.strip()):
        raise InputError(f"{name!r} can't be a name.", remedy="Use letters, digits and . _ - + @, at most 64.")
    return name.strip()
