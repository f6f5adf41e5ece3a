"""What is learned from: resolved tickets and people's verdicts, grouped by near-duplicates and split so that nothing leaks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from core.errors import InputError
from core.ticket import Exemplar, Vectors
from knowledge.duplicates import duplicate_groups
from llm.base import text_digest

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SHARES = (0.8, 0.9)
"""Where validation and test begin, as shares of the groups."""


@dataclass(frozen=True, slots=True)
class Row:
    """A ticket with confirmed labels; rows of one `group` are near-duplicates and in one split."""

    exemplar: Exemplar
    group: str
    split: Split


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows before they are split: exemplars, the near-duplicate group of each, and how many took a verdict's labels."""

    exemplars: tuple[Exemplar, ...]
    groups: tuple[str, ...]
    corrected: int


def gathered(known: Sequence[Exemplar], verdicts: Sequence[Exemplar], vectors: Vectors) -> Gathered:
    """Both sources together; `vectors` are the unit rows (n, d) of `known` and then of `verdicts`.

    An exemplar that is a judged ticket (the same text, or the same id at its source and nearly the same text) takes the
    verdict's labels; a text that occurs twice with the same labels counts once.
    """
    together = [*known, *verdicts]
    groups = _groups(together, vectors)
    said = _spoken(verdicts, groups[len(known) :])
    corrected = 0
    for place, exemplar in enumerate(known):
        labels = said.get(exemplar.text) or said.get(f"{exemplar.source_id}\0{groups[place]}")
        if labels and {**exemplar.labels, **labels} != exemplar.labels:
            together[place] = replace(exemplar, labels={**exemplar.labels, **labels})
            corrected += 1
    once = {(e.text, *sorted(e.labels.items())): i for i, e in reversed(list(enumerate(together)))}
    covered = {e.text for e in known}  # a verdict's row says no more than an exemplar of its text, which took its labels
    kept = sorted(i for i in once.values() if i < len(known) or together[i].text not in covered)
    return Gathered(tuple(together[i] for i in kept), tuple(groups[i] for i in kept), corrected)


def _spoken(verdicts: Sequence[Exemplar], groups: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Labels by text, and by id and group."""
    by_text = {v.text: v.labels for v in verdicts}
    return by_text | {f"{v.source_id}\0{g}": v.labels for v, g in zip(verdicts, groups, strict=True)}


def _groups(exemplars: Sequence[Exemplar], vectors: Vectors) -> list[str]:
    """A group's name is the least of its texts' digests, so that it stays when other tickets come."""
    numbers = duplicate_groups([e.text for e in exemplars], vectors).tolist()
    names: dict[int, str] = {}
    for number, exemplar in zip(numbers, exemplars, strict=True):
        names[number] = min(names.get(number, "g"), text_digest(exemplar.text))
    return [names[number] for number in numbers]


def divided(found: Gathered, seed: int) -> tuple[list[Row], Literal["time", "groups"]]:
    """80/10/10 by group: the latest in the test where every row has a date, else by the group's hash, which stays as data grow.

    Of a group that is not in the training part only its first row is kept, so that tickets of the test are independent.

    Raises:
        InputError: a part would be empty.
    """
    dates = [dated(e.resolved_at) for e in found.exemplars]
    by_time = all(date is not None for date in dates)
    place = _by_time(found.groups, [d for d in dates if d]) if by_time else {g: _by_hash(g, seed) for g in set(found.groups)}
    rows: list[Row] = []
    seen: set[str] = set()
    for exemplar, group in zip(found.exemplars, found.groups, strict=True):
        if place[group] == "train" or group not in seen:
            rows.append(Row(exemplar, group, place[group]))
        seen.add(group)
    if missing := [split for split in SPLITS if split not in {row.split for row in rows}]:
        raise InputError(
            f"{len(rows)} tickets are too few: none is left for {' and '.join(missing)}.",
            remedy="Ingest more resolved tickets, or collect more verdicts.",
        )
    return rows, "time" if by_time else "groups"


def dated(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _by_time(groups: Sequence[str], dates: Sequence[datetime]) -> dict[str, Split]:
    """A group is as old as its oldest member: what was seen before is not new."""
    oldest: dict[str, datetime] = {}
    for group, date in zip(groups, dates, strict=True):
        oldest[group] = min(oldest.get(group, date), date)
    order = sorted(oldest, key=lambda group: (oldest[group], group))
    return {group: _part(i / len(order)) for i, group in enumerate(order)}


def _by_hash(group: str, seed: int) -> Split:
    number = int.from_bytes(hashlib.sha256(f"{seed} {group}".encode()).digest()[:8])
    return _part(number / 2**64)


def _part(share: float) -> Split:
    return "train" if share < SHARES[0] else "validation" if share < SHARES[1] else "test"
