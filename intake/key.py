"""The secret key behind the pseudonyms: made once, readable by its owner only."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from core.errors import SettingsError, StorageError

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """The 32-byte key at `path`; where there is none, a random one is made with mode 0600.

    Two processes that start at once agree on one key: a whole file is linked into place, and who comes second reads it.

    Raises:
        SettingsError: the file is not a key of 32 bytes.
        StorageError: the file can't be read or made.
    """
    try:
        if not path.exists():
            _create(path)
        key = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"The pseudonym key {path} can't be read or made: {error.strerror or error}.",
            remedy="Give this user read and write access to its folder, or name another place in the settings.",
        ) from error
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"The pseudonym key {path} has {len(key)} bytes and not {KEY_BYTES}.",
            remedy="Restore it from a copy; if there is none, delete it and ingest again: all pseudonyms change.",
        )
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
