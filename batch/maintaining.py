"""The nightly job: find what the base needs, try it on a candidate, put that in use only where it is not worse, back up.

Finding changes nothing. What is to change is filed in the archive, then the index that contains it is published in one step, then
the fit is made for it: a kill at any point leaves the base before or the base after, and the next night finishes what was filed.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from batch.assemble import House
from batch.findings import FINDERS, Findings, current, opened
from batch.night import PHASES, Night, Paired, Phase, PhaseRun
from core.errors import InputError, KnowledgeError, StorageError, TamizError
from knowledge.archive import Archive, Entry
from knowledge.files import FileLock
from knowledge.upkeep import SHARE, applied, limited
from observability.records import now

if TYPE_CHECKING:
    from backup.keeping import Backup
    from batch.backup_drill import Drill
    from observability.drift.report import DriftReport

LOCK = "maintain.lock"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Orders:
    """What a night is to do. `share`: the part of the base that may change; `force` lifts it, and the trial's verdict too."""

    phases: Collection[Phase] = PHASES
    dry_run: bool = False
    force: bool = False
    share: float = SHARE


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of the changes."""

    version: str
    count: int
    applied: Sequence[Entry] = ()
    deferred: Sequence[Entry] = ()
    paired: Sequence[Paired] = ()
    withheld: str = ""


@dataclass
class _Kept:
    """What came of the base as it is now: the look for drift, the backup, and what opening it showed."""

    drift: "DriftReport | None" = None
    backup: "Backup | None" = None
    drill: "Drill | None" = None


def maintain(house: House, orders: Orders, progress: Progress = lambda stage: None) -> Night:
    """One night over a home that has a knowledge base.

    Raises:
        KnowledgeError: there is no base, or another night is under way.
    """
    started = now()
    with _locked(house):
        findings, kept = opened(house), _Kept()
        outcome = before = _Outcome(house.knowledge.version, len(findings.base))
        runs = []
        for phase in (one for one in PHASES if one in orders.phases):
            progress(phase)
            if phase in FINDERS:
                runs.append(_run(phase, partial(FINDERS[phase], house, findings, started)))
            elif phase == "apply":
                with _attempt(phase, runs) as figures:
                    outcome = _applied(house, findings, orders, started, progress)
                    figures |= {"applied": len(outcome.applied), "deferred": len(outcome.deferred)}
            elif not orders.dry_run:
                runs.append(_run(phase, partial(_KEEPERS[phase], _again(house), kept)))
    return _night(started, orders, before, outcome, findings, kept, runs)


def name_of(moment: datetime) -> str:
    """`20261122T031500Z`."""
    return moment.strftime("%Y%m%dT%H%M%SZ")


@contextmanager
def _locked(house: House) -> Iterator[None]:
    if not (house.home / "kb").exists() and house.knowledge_url is None:
        raise KnowledgeError("There is no knowledge base to look after yet.", remedy="Run `python -m batch ingest FILE` first.")
    house.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock.acquire(house.home / LOCK)
    if lock is None:
        raise KnowledgeError("Another night is under way.", remedy="Wait until it has ended, then run the command again.")
    try:
        yield
    finally:
        lock.release()


def _run(phase: Phase, work: Callable[[], Mapping[str, Any]]) -> PhaseRun:
    runs: list[PhaseRun] = []
    with _attempt(phase, runs) as figures:
        figures |= work()
    return runs[0]


@contextmanager
def _attempt(phase: Phase, runs: list[PhaseRun]) -> Iterator[dict[str, Any]]:
    """A phase that fails costs itself only: the others go on, and the report says why."""
    begun, figures, error = time.monotonic(), dict[str, Any](), ""
    try:
        yield figures
    except TamizError as failure:
        error = f"{failure.message} {failure.remedy}"
    runs.append(PhaseRun(phase, time.monotonic() - begun, figures, error))


def _again(house: House) -> House:
    """The same home with nothing open: after a night's publishing the old parts are of the version before."""
    house.__exit__(None, None, None)
    return House(house.settings, house.home, house.demo)


def _applied(house: House, findings: Findings, orders: Orders, at: datetime, progress: Progress) -> _Outcome:
    """Try the changes on a candidate, and put it in use where it is not worse; else only the proposals are filed."""
    size = len(findings.base)
    chosen, deferred = limited(findings.wanted_changes(), size, share=1.0 if orders.force else orders.share)
    entries = [*findings.due, *findings.verdicts, *chosen]
    outcome = _Outcome(house.knowledge.version, size, entries, deferred)
    if entries:
        outcome = _tried(house, findings, orders, at, outcome, progress)
    elif not orders.dry_run:
        _file(house, findings, outcome, at)
    return outcome


def _tried(house: House, findings: Findings, orders: Orders, at: datetime, wanted: _Outcome, progress: Progress) -> _Outcome:
    from batch.trial import compared, trial
    from knowledge.base import KnowledgeBase
    from knowledge.ingest import candidate

    after = applied(findings.base, wanted.applied)
    if not after:
        raise InputError("Nothing would be left of the base.", remedy="Look at what was taken back, or ingest a history first.")
    shelf, chosen = house.shelf, house.settings.knowledge
    with shelf.lock():
        _same_base(house)
        progress("candidate")
        with candidate(shelf, house.remembering, after.values()) as built:
            tried = KnowledgeBase(built.manifest, built.store, floor=chosen.floor)
            progress("trial")
            fitted = trial(house.taxonomy, tried, house.remembering.encode, chosen.neighbors)
            paired = compared(current(house, findings), fitted)
            worse = ", ".join(one.field for one in paired if one.worse)
            if worse and not orders.force:
                outcome = replace(wanted, applied=(), deferred=[*wanted.applied, *wanted.deferred], paired=paired, withheld=worse)
                if not orders.dry_run:
                    Archive(house.home).file(findings.proposals, name_of(at), at)
                return outcome
            outcome = replace(wanted, version=built.manifest.version, count=len(after), paired=paired)
            if not orders.dry_run:
                progress("publish")
                _file(house, findings, outcome, at, built.publish)
            return outcome


def _same_base(house: House) -> None:
    found = house.shelf.current()
    if found is None or found.version != house.knowledge.version:
        raise KnowledgeError("The base was changed meanwhile.", remedy="Run the command again.")


def _file(house: House, findings: Findings, outcome: _Outcome, at: datetime, publish: Callable[[], None] = lambda: None) -> None:
    """What changes is filed before it is published, and settled after. Verdicts are in the journal already."""
    archive = Archive(house.home)
    changes = [entry for entry in outcome.applied if entry not in findings.verdicts]
    archive.file([*changes, *findings.proposals], name_of(at), at)
    publish()
    archive.done(name_of(at), now(), outcome.version, findings.heard)
    if not any(entry.reason == "closed" for entry in outcome.deferred):
        findings.collected()  # else the tickets that wait are collected again


def _fit(house: House, kept: _Kept) -> dict[str, Any]:
    """Experts, weights, calibration, thresholds and critic of the base in use; nothing where they are there."""
    with house:
        fitted = house.fitted()
    return {"fields": len(fitted.fields)}


def _drift(house: House, kept: _Kept) -> dict[str, Any]:
    """Whether tickets and decisions are still those of the reference."""
    from batch.drifting import Asked, look

    try:
        with house:
            kept.drift = found = look(house, Asked()).report
    except InputError as early:  # a young home has no weeks to compare with
        return {"not_yet": early.message}
    return {
        "look": found.look,
        "alarms": ", ".join(one.signal for one in found.drifted) or "none",
        "refit": str(found.refit).lower(),
    }


def _backup(house: House, kept: _Kept) -> dict[str, Any]:
    from batch.backups import let_go, make_backup

    kept.backup = made = make_backup(house)
    gone = let_go(house)
    return {"file": made.path.name, "new": str(made.made).lower(), "bytes": made.size, "let_go": len(gone)}


def _drill(house: House, kept: _Kept) -> dict[str, Any]:
    from batch.backup_drill import drill
    from batch.backups import backup_folder, newest_backup

    found = kept.backup or newest_backup(house.home, backup_folder(house))
    if found is None:
        raise InputError("There is no backup to open.", remedy="Run `python -m batch backup` first.")
    with house:
        kept.drill = done = drill(house, found)
    if not done.passed:
        raise StorageError(f"The backup {done.backup} can't be relied on: {'; '.join(done.faults)}.", remedy="Make another one.")
    return {"searches": done.searches, "equal": done.equal}


_KEEPERS: Mapping[Phase, Callable[[House, _Kept], dict[str, Any]]] = {
    "fit": _fit,
    "drift": _drift,
    "backup": _backup,
    "drill": _drill,
}


def _night(
    started: datetime,
    orders: Orders,
    before: _Outcome,
    outcome: _Outcome,
    findings: Findings,
    kept: _Kept,
    runs: Sequence[PhaseRun],
) -> Night:
    clusters = findings.emerging or []
    return Night(
        night=name_of(started),
        started=started,
        seconds=(now() - started).total_seconds(),
        dry_run=orders.dry_run,
        forced=orders.force,
        version_before=before.version,
        version_after=outcome.version,
        count_before=before.count,
        count_after=outcome.count,
        phases=runs,
        applied=outcome.applied,
        deferred=outcome.deferred,
        proposed=findings.open_proposals(),
        refused=findings.refused,
        paired=outcome.paired,
        withheld=outcome.withheld,
        incidents=[one for one in clusters if one.incident],
        gaps=[one for one in clusters if not one.incident],
        thin=findings.thin,
        drift=kept.drift.as_json() if kept.drift else {},
        backup={"file": kept.backup.path.name, "bytes": kept.backup.size} if kept.backup else {},
        drill={**asdict(kept.drill), "passed": kept.drill.passed} if kept.drill else {},
    )
