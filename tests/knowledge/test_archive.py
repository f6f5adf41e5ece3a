"""The archive: what leaves the base stands here first, what a person says counts, a killed night is finished by the next."""

import fcntl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from pydantic import TypeAdapter

from core.errors import InputError, StorageError
from core.ticket import Exemplar
from knowledge.archive import Archive, Entry, reversed_entry
from knowledge.upkeep import applied

AT = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
OLD = Exemplar("1", "vpn", "no conecta", labels={"category": "Network"}, source="history.csv", source_id="R-1")
NEW = replace(OLD, id="2", labels={"category": "Access"})
COPY = replace(OLD, id="3", source_id="R-3")
RELABEL = Entry("relabelled", "unlikely", old=OLD, new=NEW, proposed=True)
MERGE = Entry("merged", "copy", old=COPY, values={"into": "1"})


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_a_change_is_in_force_and_a_proposal_waits(archive: Archive) -> None:
    archive.file([MERGE, RELABEL], "n1", AT)
    archive.file([MERGE, RELABEL], "n2", AT)
    known = archive.read()
    assert [(i, filed.night) for i, filed in known.filed.items()] == [(MERGE.id, "n1"), (RELABEL.id, "n1")]
    assert [filed.entry for filed in known.open()] == [RELABEL]
    assert known.retired == {"3"}
    assert known.filed[RELABEL.id].entry == RELABEL


def test_a_killed_night_is_owed_until_it_is_in_the_base(archive: Archive) -> None:
    archive.file([MERGE, RELABEL], "n1", AT)
    assert archive.read().owed({"1", "3"}) == [MERGE]
    assert archive.read().owed({"1"}) == []
    archive.done("n1", AT, "v2", 0)
    assert archive.read().owed({"1", "3"}) == []  # somebody put it back on purpose since


def test_a_word_is_owed_once_and_puts_back_what_was_changed(archive: Archive) -> None:
    archive.file([MERGE, RELABEL], "n1", AT)
    archive.done("n1", AT, "v2", 0)
    archive.say(MERGE.id[:6], "reverted", "ana", AT)
    archive.say(RELABEL.id, "approved", "ana", AT)
    owed = archive.read().owed({"1"})
    assert [(e.action, e.reason) for e in owed] == [("added", "reverted"), ("relabelled", "unlikely")]
    assert applied([OLD], owed) == {"3": COPY, "2": NEW}
    known = archive.read()
    assert known.retired == {"1"}
    assert known.confirmed == {"2", "3"}
    assert not known.open()
    archive.done("n2", AT, "v3", known.lines)
    assert archive.read().owed({"2", "3"}) == []
    archive.say(RELABEL.id, "reverted", "ben", AT)
    assert applied([NEW, COPY], archive.read().owed({"2", "3"})) == {"1": OLD, "3": COPY}


def test_a_word_that_a_night_did_not_hear_is_owed_to_the_next(archive: Archive) -> None:
    archive.file([MERGE], "n1", AT)
    archive.done("n1", AT, "v2", 0)
    heard = archive.read().lines
    archive.file([RELABEL], "n2", AT)
    archive.say(RELABEL.id, "approved", "ana", AT)  # while the night goes on
    archive.say(MERGE.id, "reverted", "ana", AT)
    archive.done("n2", AT, "v2", heard)
    known = archive.read()
    assert known.owed({"1"}) == [reversed_entry(MERGE), RELABEL]
    archive.done("n3", AT, "v3", known.lines)
    assert archive.read().owed({"2", "3"}) == []


def test_a_word_is_not_taken_for_a_killed_nights_half_line(archive: Archive) -> None:
    archive.file([MERGE], "n1", AT)
    with archive.path.open("ab") as night:
        fcntl.flock(night, fcntl.LOCK_EX)
        night.write(b'{"kind":"entry"')
        night.flush()
        person = Thread(target=archive.say, args=(MERGE.id, "reverted", "ana", AT))
        person.start()
        person.join(0.2)
        assert person.is_alive()
        night.write(b',"night":"n2","at":"2026-11-22T03:15:00Z","entry":' + TypeAdapter(Entry).dump_json(RELABEL) + b"}\n")
    person.join(20)
    known = archive.read()
    assert list(known.filed) == [MERGE.id, RELABEL.id]
    assert list(known.words) == [MERGE.id]


def test_an_entry_that_is_not_there_or_not_one_is_named(archive: Archive) -> None:
    archive.file([MERGE, RELABEL], "n1", AT)
    for given in ("zz", ""):
        with pytest.raises(InputError, match="There is no entry"):
            archive.say(given, "approved", "ana", AT)


def test_a_line_cut_short_was_never_filed_and_a_damaged_one_is_an_error(archive: Archive) -> None:
    archive.file([MERGE], "n1", AT)
    whole = archive.path.read_bytes()
    archive.path.write_bytes(whole + b'{"kind":"entry","nig')
    assert list(archive.read().filed) == [MERGE.id]
    archive.file([RELABEL], "n2", AT)
    assert list(archive.read().filed) == [MERGE.id, RELABEL.id]
    archive.path.write_bytes(b"garbage\n" + whole)
    with pytest.raises(StorageError, match="Line 1"):
        archive.read()
