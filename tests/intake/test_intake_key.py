"""The key file."""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from core.errors import SettingsError, StorageError
from intake import load_key


def test_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "pseudonyms.key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert load_key(tmp_path / "other.key") != key


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        keys = set(pool.map(load_key, [tmp_path / "one.key"] * 16))
    assert len(keys) == 1


def test_a_damaged_key_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "short.key"
    path.write_bytes(b"123")
    with pytest.raises(SettingsError, match="3 bytes"):
        load_key(path)
    assert path.read_bytes() == b"123"


def test_an_unusable_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="can't be read or made"):
        load_key(tmp_path / "file" / "x.key")
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(StorageError):
            load_key(tmp_path / "y.key")
