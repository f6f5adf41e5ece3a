"""What a night found and did: what its report shows, and what the next night and the metrics read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import TypeAdapter

from experts.emerging import Emerging
from knowledge.archive import Entry

NIGHTS = "nights"
Phase: TypeAlias = Literal[
    "decisions", "later", "collect", "duplicates", "contradictions", "audit", "retire", "incidents", "gaps",
    "apply", "fit", "drift", "backup", "drill",
]  # fmt: skip
PHASES: tuple[Phase, ...] = get_args(Phase)
"""In the order in which they are done."""


@dataclass(frozen=True, slots=True)
class PhaseRun:
    """One phase: what it found, in numbers, or why it failed."""

    phase: Phase
    seconds: float
    figures: Mapping[str, int | float | str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Paired:
    """A field before and after on the same held-out exemplars: accuracies, how many of them changed sides, McNemar's p.

    `coverage` are the shares of the held-out exemplars that the thresholds let through, None where no threshold holds.
    """

    field: str
    n: int
    before: float
    after: float
    won: int
    lost: int
    p: float
    worse: bool
    coverage_before: float | None = None
    coverage_after: float | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A label that tickets are given more often than the base has examples of it."""

    field: str
    label: str
    decided: int
    exemplars: int


@dataclass(frozen=True, slots=True)
class Night:
    """A whole night. `withheld` says why the candidate did not replace the base, "" where it did or there was none.

    `applied` changed the base, `deferred` wait since a night may change only so much, `proposed` wait for a person.
    """

    night: str
    started: datetime
    dry_run: bool
    forced: bool
    seconds: float
    version_before: str
    version_after: str
    count_before: int
    count_after: int
    phases: Sequence[PhaseRun] = ()
    applied: Sequence[Entry] = ()
    deferred: Sequence[Entry] = ()
    proposed: Sequence[Entry] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    paired: Sequence[Paired] = ()
    withheld: str = ""
    incidents: Sequence[Emerging] = ()
    gaps: Sequence[Emerging] = ()
    thin: Sequence[Gap] = ()
    drift: Mapping[str, Any] = field(default_factory=dict)
    backup: Mapping[str, Any] = field(default_factory=dict)
    drill: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[PhaseRun]:
        """The phases that could not be done."""
        return [one for one in self.phases if one.error]

    @property
    def ok(self) -> bool:
        """Whether every phase was done and nothing was withheld."""
        return not self.failed and not self.withheld


_night: TypeAdapter[Night] = TypeAdapter(Night)


def to_json(night: Night) -> dict[str, Any]:
    """The night as plain data; each entry with its id."""
    found: dict[str, Any] = _night.dump_python(night, mode="json")
    for name in ("applied", "deferred", "proposed"):
        for written, entry in zip(found[name], getattr(night, name), strict=True):
            written["id"] = entry.id
    return {**found, "ok": night.ok}


def folder_of(home: Path, night: str) -> Path:
    """Where a night's report is."""
    return home / NIGHTS / night


def latest(home: Path) -> str:
    """The name of the night that was reported last; "" where there is none."""
    found = sorted(path.parent.name for path in (home / NIGHTS).glob("*/night.json"))
    return found[-1] if found else ""


def changed(entries: Sequence[Entry]) -> dict[str, int]:
    """How many entries of each action."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.action] = counts.get(entry.action, 0) + 1
    return counts
