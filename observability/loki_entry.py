"""From a record of the journal to an entry of Loki: few labels of few values, the whole record as the line, ids beside it.

| part                | holds                                                                                     |
|---------------------|-------------------------------------------------------------------------------------------|
| labels              | app, journal (which one: two homes never share a stream), kind, state                     |
| line                | the record as JSON, its place in the journal (`seq`) first; `at` stays the record's own    |
| structured metadata | seq, run, ticket_id, revision                                                             |
| timestamp           | `at`, or the nearest that Loki takes; growing within a stream                             |

A line over Loki's limit is trimmed by rule: prompts first, then completions, opinions and neighbours, then long texts are cut.
What was trimmed is named in `trimmed`, with the SHA-256 of the whole line in `digest`; the journal has it all.
"""

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from pydantic import JsonValue

from observability.journal import Sequenced, state_of
from observability.masking import mask_text
from observability.records import Record, RunFinished, RunStarted

APP = "tamiz"
LINE_BYTES = 256 * 1024
"""Loki's max_line_size."""
TEXT_LENGTHS = (16_384, 2_048, 256)
"""Characters to which texts are cut, one after the other, until the line fits."""
NAME_LENGTH = 512
"""Characters of an id in the structured metadata, at most; Loki takes 64 KiB an entry."""
OLDEST = 6 * 24 * 3600 * 1_000_000_000
"""Nanoseconds: Loki refuses what is older than 7 days; a day is left for an entry that has to be sent again."""
_SECRET_SIGNS = ("://", "bearer ", "basic ", "zoho-oauthtoken ", "token=", "secret=", "password=", "key=")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line in its stream: `at` in nanoseconds since 1970; `seq` is the record's place in the journal."""

    seq: int
    labels: Mapping[str, str]
    at: int
    line: str
    metadata: Mapping[str, str]

    @property
    def stream(self) -> str:
        """The stream's name: the same for the same labels."""
        return "/".join(self.labels.values())

    @property
    def size(self) -> int:
        """Bytes that Loki counts: line and structured metadata."""
        return len(self.line.encode()) + sum(len(name) + len(value.encode()) for name, value in self.metadata.items())


def entry(read: Sequenced, journal: str) -> Entry:
    """The entry of a record, at the record's own time. `journal` names the journal."""
    record = read.record
    labels = {"app": APP, "journal": journal, "kind": record.kind, "state": state_of(record)}
    metadata = {name: value[:NAME_LENGTH] for name, value in _names(read).items() if value}
    return Entry(read.seq, labels, _nanoseconds(record.at), line(read), metadata)


def line(read: Sequenced) -> str:
    """The record as one JSON object of at most LINE_BYTES, with its place in the journal."""
    written = f'{{"seq":{read.seq},{read.record.model_dump_json()[1:]}'
    if _may_hold_secret(written):
        written = _dumped(_masked(json.loads(written)))
    return written if len(written.encode()) <= LINE_BYTES else _trimmed(written)


def stamped(at: int, newest: int, now: int) -> int:
    """The timestamp of an entry whose record was made `at`, in a stream whose newest is `newest` (0: there is none).

    Never in the future nor older than Loki takes, and greater than all before it, so that none is too far behind its stream.
    Where the clock was set back, `newest` lies in the future; the entry then comes before it.
    """
    fitting = min(max(at, now - OLDEST), now)
    return max(fitting, newest + 1) if newest <= now else fitting


def packed(entries: Sequence[Entry]) -> bytes:
    """The body of a push, gzipped: the same bytes for the same entries."""
    streams: dict[str, list[Entry]] = defaultdict(list)
    for one in entries:
        streams[one.stream].append(one)
    body = {
        "streams": [
            {"stream": some[0].labels, "values": [[str(one.at), one.line, one.metadata] for one in some]}
            for some in streams.values()
        ]
    }
    return gzip.compress(_dumped(body).encode(), compresslevel=5, mtime=0)


def unpacked(body: bytes) -> list[Entry]:
    """The entries of a push, in the order of the journal."""
    found = [
        Entry(int(metadata["seq"]), stream["stream"], int(at), line, metadata)
        for stream in json.loads(gzip.decompress(body))["streams"]
        for at, line, metadata in stream["values"]
    ]
    return sorted(found, key=lambda one: one.seq)


def _names(read: Sequenced) -> dict[str, str]:
    record: Record = read.record
    names = {"seq": str(read.seq), "run": record.run}
    if not isinstance(record, RunStarted | RunFinished):
        names |= {"ticket_id": record.ticket_id, "revision": record.revision}
    return names


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000


def _may_hold_secret(text: str) -> bool:
    """A quick look, since the masks' patterns take longer than all the rest."""
    lowered = text.lower()
    return any(sign in lowered for sign in _SECRET_SIGNS)


def _masked(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list) else value


def _trimmed(written: str) -> str:
    body: Body = json.loads(written)
    digest = hashlib.sha256(written.encode()).hexdigest()
    trimmed: list[str] = []
    for name, trim in _steps():
        trim(body)
        trimmed.append(name)
        shorter = _dumped({**body, "trimmed": trimmed, "digest": digest})
        if len(shorter.encode()) <= LINE_BYTES:
            return shorter
    kept = {name: _cut(body[name], NAME_LENGTH) for name in _IDENTITY if name in body}
    return _dumped({**kept, "trimmed": [*trimmed, "rest"], "digest": digest})


_IDENTITY = ("seq", "schema_version", "run", "at", "kind", "ticket_id", "revision", "outcome", "state", "action")


def _steps() -> Iterator[tuple[str, Callable[[Body], None]]]:
    """What is trimmed, what is missed least first."""
    yield "prompts", lambda body: _shorten_generations(body, "prompt")
    yield "completions", lambda body: _shorten_generations(body, "completion")
    for name in ("opinions", "neighbours"):
        yield name, lambda body, name=name: _empty(body, name)  # type: ignore[misc]
    for length in TEXT_LENGTHS:
        yield f"texts over {length}", lambda body, length=length: _shorten_texts(body, length)  # type: ignore[misc]


def _shorten_generations(body: Body, name: str) -> None:
    for generation in body.get("generations", ()):
        text = generation[name]
        generation[name] = f"[{len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()}]"


def _empty(body: Body, name: str) -> None:
    if name in body:
        body[name] = type(body[name])()


def _shorten_texts(body: Body, length: int) -> None:
    body.update({name: _cut(value, length) for name, value in body.items()})


def _cut(value: JsonValue, length: int) -> JsonValue:
    if isinstance(value, str):
        return value if len(value) <= length else f"{value[:length]}… [{len(value)} characters]"
    if isinstance(value, dict):
        return {name: _cut(inner, length) for name, inner in value.items()}
    return [_cut(inner, length) for inner in value] if isinstance(value, list) else value


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
