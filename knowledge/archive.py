"""What the nights changed in the knowledge base and what people say of it: nothing leaves the base without standing here first.

<home>/archive/entries.jsonl    one line for each entry and each word, only ever added to

An entry is filed before the index that contains it is published. So whether it is in force is read from the index itself, and a
night that is killed in between is finished by the next one.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import InputError, StorageError
from core.ticket import Exemplar
from knowledge.files import storage_errors, sync

Action: TypeAlias = Literal["added", "merged", "retired", "relabelled"]
Word: TypeAlias = Literal["approved", "reverted"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of the base: `old` goes, `new` comes; one of them may be None.

    `reason` is a code of the night's report with its `values`. A `proposed` entry is in force only once a person approves it.
    """

    action: Action
    reason: str
    old: Exemplar | None = None
    new: Exemplar | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    proposed: bool = False

    @property
    def id(self) -> str:
        """The same for the same change, whichever night finds it."""
        ids = [one.id if one else "" for one in (self.old, self.new)]
        return hashlib.sha256(json.dumps([self.action, *ids]).encode()).hexdigest()[:12]

    @property
    def exemplar(self) -> Exemplar:
        """The one that it is about."""
        one = self.old or self.new
        if one is None:
            raise ValueError("an entry without an exemplar")
        return one


def reversed_entry(entry: Entry) -> Entry:
    """What takes it back."""
    action: Action = "relabelled" if entry.old and entry.new else "added" if entry.old else "retired"
    return replace(entry, action=action, reason="reverted", old=entry.new, new=entry.old, proposed=False)


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Filed(_Line):
    """An entry as a night filed it."""

    kind: Literal["entry"] = "entry"
    night: str
    at: AwareDatetime
    entry: Entry


class Said(_Line):
    """What a person said of an entry; the last word counts."""

    kind: Literal["word"] = "word"
    entry: str
    word: Word
    who: str
    at: AwareDatetime


class Done(_Line):
    """A night ended: what it filed and the first `heard` lines are in the index of this version, as far as they were to be."""

    kind: Literal["done"] = "done"
    night: str
    at: AwareDatetime
    version: str
    heard: int = 0


_line: TypeAdapter[Filed | Said | Done] = TypeAdapter(Annotated[Filed | Said | Done, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that was filed, by entry, oldest first, and the last word on each.

    `unsettled` are the entries that were filed, or of which somebody said something, and no night that ended heard of it;
    `lines` were read.
    """

    filed: Mapping[str, Filed]
    words: Mapping[str, Said]
    unsettled: frozenset[str] = frozenset()
    nights: Sequence[Done] = ()
    lines: int = 0

    def wanted(self, entry: str) -> bool:
        """Whether it is to be in force: a change unless it was reverted, a proposal once it was approved."""
        said = self.words.get(entry)
        return said.word == "approved" if said else not self.filed[entry].entry.proposed

    @property
    def retired(self) -> frozenset[str]:
        """Ids of the exemplars that are out of the base on purpose."""
        out: dict[str, bool] = {}  # a later entry on the same exemplar counts
        for i, filed in self.filed.items():
            if self.wanted(i) or i in self.words:
                out |= {one.id: self.wanted(i) == (one is filed.entry.old) for one in (filed.entry.old, filed.entry.new) if one}
        return frozenset(i for i, gone in out.items() if gone)

    def owed(self, base: Collection[str]) -> list[Entry]:
        """The entries that a base of these ids lacks: filed by a night that was killed, or settled by a person's word since."""
        found = []
        for i in self.filed:
            entry = self.filed[i].entry
            if i in self.unsettled and (self.wanted(i) or i in self.words):
                due = entry if self.wanted(i) else reversed_entry(entry)
                if due.old.id in base if due.old else due.new is not None and due.new.id not in base:
                    found.append(due)
        return found

    @property
    def confirmed(self) -> frozenset[str]:
        """Ids of the exemplars that stand as they do because a person said so."""
        said = [(self.filed[i].entry, word.word) for i, word in self.words.items() if i in self.filed]
        kept = [entry.new if word == "approved" else entry.old for entry, word in said]
        return frozenset(one.id for one in kept if one)

    @property
    def kept_apart(self) -> frozenset[str]:
        """Ids of the exemplars that a person put back after they had been merged into another."""
        put_back = [self.filed[i].entry for i, said in self.words.items() if said.word == "reverted" and i in self.filed]
        return frozenset(entry.old.id for entry in put_back if entry.action == "merged" and entry.old)

    def open(self) -> list[Filed]:
        """Proposals on which nobody has said anything yet."""
        return [filed for i, filed in self.filed.items() if filed.entry.proposed and i not in self.words]


class Archive:
    """The file under `home`. Reading takes no lock; a night files and a person says at the same time, one after the other."""

    def __init__(self, home: Path) -> None:
        self.path = home / "archive" / "entries.jsonl"

    def read(self) -> Known:
        """What is there; StorageError where a line can't be read. A last line that a kill cut short was never filed."""
        filed: dict[str, Filed] = {}
        words: dict[str, Said] = {}
        nights: list[Done] = []
        unsettled: dict[str, int] = {}
        number = 0
        for number, text in enumerate(self._lines(), 1):
            try:
                line = _line.validate_json(text)
            except ValidationError as error:
                raise StorageError(
                    f"Line {number} of {self.path} can't be read.", remedy="Put it back from a backup: `python -m batch restore`."
                ) from error
            if isinstance(line, Done):
                nights.append(line)
                own = {i for i, one in filed.items() if one.night == line.night}
                unsettled = {i: at for i, at in unsettled.items() if at > line.heard and not (i in own and i not in words)}
            elif isinstance(line, Filed):
                filed.setdefault(line.entry.id, line)
                unsettled[line.entry.id] = number
            else:
                words[line.entry] = line
                unsettled[line.entry] = number
        return Known(filed, words, frozenset(unsettled), nights, number)

    def file(self, entries: Iterable[Entry], night: str, at: datetime) -> None:
        """Durably add those that are not there yet."""
        known = self.read().filed
        new = {entry.id: entry for entry in entries if entry.id not in known}
        self._append([Filed(night=night, at=at, entry=entry) for entry in new.values()])

    def say(self, entry: str, word: Word, who: str, at: datetime) -> Filed:
        """Keep a person's word on an entry, given by its id or the beginning of it.

        Raises:
            InputError: there is no such entry, or several.
        """
        known = self.read().filed
        found = [i for i in known if entry and i.startswith(entry)]
        if len(found) != 1:
            message = f"There is no entry {entry!r}." if not found else f"{len(found)} entries begin with {entry!r}."
            raise InputError(message, remedy="See `python -m batch maintain list` for their ids.")
        self._append([Said(entry=found[0], word=word, who=who, at=at)])
        return known[found[0]]

    def done(self, night: str, at: datetime, version: str, heard: int) -> None:
        """Note that a night that had read `heard` lines, and acted on them, ended with the index at `version`."""
        self._append([Done(night=night, at=at, version=version, heard=heard)])

    def _lines(self) -> list[bytes]:
        try:
            with storage_errors(self.path):
                content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return content.split(b"\n")[:-1]

    def _append(self, lines: Sequence[Filed | Said | Done]) -> None:
        if not lines:
            return
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # or a person's word would take a night's half-written line for a killed one's
                _mend(self.path)
                file.write(b"".join(_line.dump_json(line) + b"\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
        sync(self.path.parent)


def _mend(path: Path) -> None:
    """Cut off what a kill left of a last line."""
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
