"""What a replay changes, and whether people had agreed with the old decision or with the new one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from batch.regate import Result
from core.metrics import mcnemar_p, wilson_interval
from observability.drift.correction import holm


@dataclass(frozen=True, slots=True)
class Replayed:
    """One ticket, decided `old` and `new`. `gold` are the labels that people confirmed of this text, empty where they said
    nothing or something was `learned` from what they said. `regated`: the record was enough, no model was asked."""

    ticket: str
    run: str
    old: Result
    new: Result
    gold: Mapping[str, str]
    regated: bool = False
    learned: bool = False

    @property
    def fields(self) -> dict[str, tuple[str, str]]:
        """The fields whose label changed: old and new one, "" where there is none."""
        names = {*self.old.labels, *self.new.labels}
        pairs = {name: (self.old.labels.get(name, ""), self.new.labels.get(name, "")) for name in sorted(names)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    @property
    def changed(self) -> bool:
        """Whether anything that a person or the desk sees is different."""
        return bool(self.fields) or self.old.outcome != self.new.outcome or set(self.old.written) != set(self.new.written)


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`, with Wilson's 95 % interval."""

    hits: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field over all tickets. Of those with a person's word: right before and after, `won` and `lost` by the replay, and
    the exact McNemar p of that; `p_adjusted` is Holm's, over the fields. None where nobody said anything."""

    field: str
    changed: Share
    old_right: Share
    new_right: Share
    won: int
    lost: int
    p: float | None
    p_adjusted: float | None = None


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A whole replay. `asked` is what was to be different; `outcomes` counts tickets by old and new outcome.

    `regated` tickets were answered from the record, the others by the pipeline; `learned` count in no comparison with people.
    `filled_old` and `filled_new`: of the fields that were (would be) filled in and that people spoke of, those that are right.
    """

    asked: Mapping[str, Any]
    tickets: int
    regated: int
    learned: int
    judged: int
    refitted: bool
    changed: Share
    outcomes: Mapping[str, int]
    filled_old: Share
    filled_new: Share
    fields: tuple[FieldChange, ...]
    rows: tuple[Replayed, ...]

    def as_json(self) -> dict[str, Any]:
        """One JSON object; `rows` holds the tickets that change."""
        return {**asdict(self), "rows": [_row(one) for one in self.rows]}


def report_of(replayed: Sequence[Replayed], asked: Mapping[str, Any], *, refitted: bool = False) -> ReplayReport:
    """The report; in `rows` only what changes."""
    changed = tuple(one for one in replayed if one.changed)
    names = sorted({name for one in replayed for name in (*one.old.labels, *one.new.labels)})
    fields = [_field(name, replayed) for name in names]
    adjusted = holm({one.field: one.p for one in fields if one.p is not None})
    return ReplayReport(
        asked=asked,
        tickets=len(replayed),
        regated=sum(one.regated for one in replayed),
        learned=sum(one.learned for one in replayed),
        judged=sum(bool(one.gold) for one in replayed),
        refitted=refitted,
        changed=share(len(changed), len(replayed)),
        outcomes=dict(sorted(Counter(f"{one.old.outcome} > {one.new.outcome}" for one in replayed).items())),
        filled_old=_filled([(one.old, one.gold) for one in replayed]),
        filled_new=_filled([(one.new, one.gold) for one in replayed]),
        fields=tuple(replace(one, p_adjusted=adjusted.get(one.field)) for one in fields),
        rows=changed,
    )


def share(hits: int, n: int) -> Share:
    """A share with its interval."""
    return Share(hits, n, *wilson_interval(hits, n))


def _field(name: str, replayed: Sequence[Replayed]) -> FieldChange:
    judged = [one for one in replayed if name in one.gold]
    old = np.array([one.old.labels.get(name) == one.gold[name] for one in judged], dtype=bool)
    new = np.array([one.new.labels.get(name) == one.gold[name] for one in judged], dtype=bool)
    return FieldChange(
        field=name,
        changed=share(sum(name in one.fields for one in replayed), len(replayed)),
        old_right=share(int(old.sum()), len(judged)),
        new_right=share(int(new.sum()), len(judged)),
        won=int((new & ~old).sum()),
        lost=int((old & ~new).sum()),
        p=mcnemar_p(new, old) if judged else None,
    )


def _filled(results: Sequence[tuple[Result, Mapping[str, str]]]) -> Share:
    """Of the filled-in fields that people spoke of, the right ones."""
    said = [(result.labels[f], gold[f]) for result, gold in results for f in result.written if f in gold]
    return share(sum(label == right for label, right in said), len(said))


def _row(one: Replayed) -> dict[str, Any]:
    return {
        "ticket": one.ticket,
        "run": one.run,
        "outcome": [one.old.outcome, one.new.outcome],
        "score": [one.old.score, one.new.score],
        "cause": [one.old.cause, one.new.cause],
        "filled": [list(one.old.written), list(one.new.written)],
        "fields": {name: {"old": a, "new": b, "confirmed": one.gold.get(name)} for name, (a, b) in one.fields.items()},
        "regated": one.regated,
        "learned": one.learned,
    }
