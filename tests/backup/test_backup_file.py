"""A backup as a file: whole, damaged, cut off, made by somebody who means harm, or by a newer version."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backup.archive import Contents, checksum_file, members_of, pack
from backup.opening import read_contents, unpack, verify
from core.errors import InputError

TEXT = b"no puedo entrar en la VPN\n" * 40


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Files, one of which is mostly a hole."""
    folder = tmp_path / "source"
    (folder / "kb" / "shard").mkdir(parents=True)
    (folder / "a.txt").write_bytes(TEXT)
    (folder / "kb" / "ñandú.json").write_text("{}")
    (folder / "key").write_bytes(b"secret")
    (folder / "key").chmod(0o600)
    with (folder / "kb" / "shard" / "page.dat").open("wb") as file:
        file.seek(20 << 20)
        file.write(b"end")
    return folder


@pytest.fixture
def backup(source: Path, tmp_path: Path) -> Path:
    target = tmp_path / "tamiz-20261122T031500Z.tar.gz"
    pack(source, _contents(source), target)
    return target


def _contents(source: Path) -> Contents:
    return Contents(
        created=datetime(2026, 11, 22, 3, 15, tzinfo=UTC),
        tamiz="0.1.0",
        identity="x",
        demo=False,
        knowledge="",
        embedder="",
        counts={"exemplars": 0, "records": 0},
        outside={},
        members=members_of(source),
    )


def test_what_comes_out_is_what_went_in(source: Path, backup: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    contents = unpack(backup, opened)
    assert contents == verify(backup) == read_contents(backup)
    assert members_of(opened) == members_of(source) == contents.members
    assert (opened / "key").stat().st_mode & 0o777 == 0o600
    page = (opened / "kb" / "shard" / "page.dat").stat()
    assert page.st_size > 20 << 20
    assert page.st_blocks * 512 < 1 << 20, "the hole was filled"
    assert backup.stat().st_mode & 0o777 == 0o600
    assert backup.stat().st_size < 1 << 20
    assert checksum_file(backup).read_text() == f"{_sha256(backup)}  {backup.name}\n"


def test_a_backup_without_its_checksum_is_checked_by_its_members(backup: Path) -> None:
    checksum_file(backup).unlink()
    assert verify(backup) == read_contents(backup)


@pytest.mark.parametrize("name", ["a.txt", "key", "kb/ñandú.json", "kb/shard/page.dat"])
def test_a_changed_byte_is_named_by_its_member(backup: Path, tmp_path: Path, name: str) -> None:
    def change(tar: bytearray) -> None:
        with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
            tar[opened.getmember(name).offset_data] ^= 1

    _rewritten(backup, change)
    with pytest.raises(InputError, match=f"the content of {name} is not what was backed up"):
        verify(backup)
    with pytest.raises(InputError, match=name):
        unpack(backup, tmp_path / "opened")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_of_the_file_is_found(backup: Path, part: float) -> None:
    data = bytearray(backup.read_bytes())
    data[int(len(data) * part)] ^= 16
    backup.write_bytes(data)
    with pytest.raises(InputError, match=r"is damaged|is no backup"):
        verify(backup)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.9999])
def test_a_file_that_was_cut_off_is_found(backup: Path, part: float) -> None:
    data = backup.read_bytes()
    backup.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError, match=r"is damaged|is no backup"):
        verify(backup)


def test_what_follows_the_end_is_found(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes() + gzip.compress(b"more"))
    with pytest.raises(InputError, match="checksum is not that of"):
        verify(backup)


def _entry(name: str, **more: Any) -> tarfile.TarInfo:  # noqa: ANN401 - any attribute
    entry = tarfile.TarInfo(name)
    for attribute, value in more.items():
        setattr(entry, attribute, value)
    return entry


HOSTILE = {
    "above": _entry("../evil"),
    "within": _entry("kb/../../evil"),
    "absolute": _entry("/tmp/evil"),  # noqa: S108 - never written
    "backslash": _entry("..\\evil"),
    "control": _entry("evil\n"),
    "link": _entry("evil", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": _entry("evil", type=tarfile.LNKTYPE, linkname="key"),
    "device": _entry("evil", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "pipe": _entry("evil", type=tarfile.FIFOTYPE),
    "folder": _entry("evil", type=tarfile.DIRTYPE),
}


@pytest.mark.parametrize("listed", [False, True], ids=["unlisted", "listed"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_is_written_outside_and_nothing_but_files(backup: Path, tmp_path: Path, kind: str, listed: bool) -> None:
    _forged(backup, [(HOSTILE[kind], b"")], list_it=listed)
    opened = tmp_path / "deep" / "opened"
    for read in (verify, lambda path: unpack(path, opened)):
        with pytest.raises(InputError):
            read(backup)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_second_member_of_a_name_is_refused(backup: Path) -> None:
    _forged(backup, [(_entry("key", size=4), b"evil")], list_it=False)
    with pytest.raises(InputError, match="it holds 'key', which its manifest does not name"):
        verify(backup)


def test_a_member_that_is_larger_than_said_is_refused(backup: Path, tmp_path: Path) -> None:
    def grow(manifest: dict[str, Any]) -> None:
        manifest["members"]["a.txt"]["size"] += 1

    _with_manifest(backup, grow)
    with pytest.raises(InputError, match=r"a\.txt has 1040 bytes and not 1041"):
        verify(backup)


def test_a_member_that_is_missing_is_named(backup: Path) -> None:
    def promise(manifest: dict[str, Any]) -> None:
        manifest["members"]["more.txt"] = manifest["members"]["a.txt"]

    _with_manifest(backup, promise)
    with pytest.raises(InputError, match=r"more\.txt is missing"):
        verify(backup)


def test_a_newer_format_is_refused_whatever_else_it_says(backup: Path) -> None:
    _with_manifest(backup, lambda manifest: manifest.update({"format": 2, "members": "elsewhere"}))
    for read in (read_contents, verify):
        with pytest.raises(InputError, match="has format 2, and this version of Tamiz reads 1") as refused:
            read(backup)
        assert "the version that made it" in refused.value.remedy


@pytest.mark.parametrize("content", [b"", b"hello", gzip.compress(b"hello" * 500), gzip.compress(bytes(10240))])
def test_another_file_is_no_backup(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"is no backup|is damaged"):
        verify(file)
    with pytest.raises(InputError, match="There is no backup"):
        verify(tmp_path / "nowhere.tar.gz")
    with pytest.raises(InputError, match="There is no backup"):
        verify(tmp_path)


def _sha256(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


def _rewritten(backup: Path, change: Callable[[bytearray], None]) -> None:
    """As one would who knows the format: packed again, with a checksum that fits."""
    tar = bytearray(gzip.decompress(backup.read_bytes()))
    change(tar)
    backup.write_bytes(gzip.compress(bytes(tar), 1))
    checksum_file(backup).write_text(f"{_sha256(backup)}  {backup.name}\n")


def _with_manifest(backup: Path, change: Callable[[dict[str, Any]], None]) -> None:
    _forged(backup, [], list_it=False, change=change)


def _forged(
    backup: Path,
    more: list[tuple[tarfile.TarInfo, bytes]],
    *,
    list_it: bool,
    change: Callable[[dict[str, Any]], None] = lambda manifest: None,
) -> None:
    """The same backup with another manifest, and `more` behind its members."""
    packed = io.BytesIO()
    with tarfile.open(backup) as old, tarfile.open(fileobj=packed, mode="w") as new:
        for entry in old:
            source = old.extractfile(entry)
            assert source is not None
            data = source.read()
            if entry.name == "manifest.json":
                manifest = json.loads(data)
                if list_it:
                    empty = {"size": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "mode": 420}
                    manifest["members"] |= {entry.name: empty for entry, _ in more}
                change(manifest)
                data = json.dumps(manifest).encode()
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
        for entry, data in more:
            new.addfile(entry, io.BytesIO(data))

    def replace(tar: bytearray) -> None:
        tar[:] = packed.getvalue()

    _rewritten(backup, replace)
