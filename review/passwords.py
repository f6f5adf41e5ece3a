"""Passwords: which are good enough, and what is kept of one (argon2id, RFC 9106)."""

from functools import cache
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""


def kept(password: str, name: str) -> str:
    """What is stored of a password.

    Raises:
        InputError: it is too short, too long, or the name itself.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"A password has {SHORTEST} to {LONGEST} characters."
        raise InputError(message, remedy="Choose a longer one; several words are easy to remember.")
    if password.strip().lower() == name.lower() or len(set(password)) < 4:
        raise InputError("This password is the first to be guessed.", remedy="Choose several words.")
    return _hasher().hash(password)


def matches(stored: str, password: str) -> bool:
    """Whether the password is the stored one. It takes as long where nothing is stored: names can't be told by the time."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        same = _hasher().verify(stored or _nobodys(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return same and bool(stored)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    # What OWASP's Password Storage Cheat Sheet asks for at least: a sign-in takes a fraction of a second on one core.
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _nobodys() -> str:
    return _hasher().hash("nobody has this one")
