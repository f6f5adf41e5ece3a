"""What the home says beside the journal: drift, nights, backups, free space, and how right the triage was in people's eyes.

Values are by metric and by label values (a JSON list), as `observability.tally` keeps them. What can't be read is left out, so
that an alert on its absence or its age speaks.
"""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from observability.journal import Journal
from observability.records import DecisionRecord, HumanVerdict, Record, ReviewNote, RunStarted
from observability.reviews import standing

Values: TypeAlias = Mapping[str, Mapping[str, float]]
BANDS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Confidences between which judged proposals are counted together."""
LATEST = 60
"""Nights that are looked through for one that went well."""
_ALONE = "[]"


def home_figures(home: Path, backups: Path) -> Values:
    """Of the files in the home, and of the folder where its backups are."""
    return {**_drift(home), **_nights(home), **_backups(backups), **_space(home)}


def judged_figures(journal: Journal) -> Values:
    """What people said of proposals, by field, confidence and critic; each ticket by its latest live decision that somebody
    judged and the verdict that stands."""
    fields: Counter[str] = Counter()
    bands: Counter[str] = Counter()
    critics: Counter[str] = Counter()
    for decision, verdict in _judgements(journal):
        critics[_key(critic_of(decision), verdict.action)] += 1
        for name, confidence, gate, right in _judged(decision, verdict.labels):
            fields[_key(name, gate, right)] += 1
            bands[_key(name, _band(confidence), right)] += 1
    return {
        "tamiz_field_judgements": dict(fields),
        "tamiz_confidence_judgements": dict(bands),
        "tamiz_critic_judgements": dict(critics),
    }


def critic_of(decision: DecisionRecord) -> str:
    """What the critic said of a decision: approved, rejected, or silent where it was not asked or could not be read."""
    if decision.verdict is None or decision.verdict.score is None:
        return "silent"
    return "rejected" if any(cause.code == "rejected" for cause in decision.causes) else "approved"


def _judgements(journal: Journal) -> Iterator[tuple[DecisionRecord, HumanVerdict]]:
    live = {one.run for one in journal.records(kind="run_started") if isinstance(one, RunStarted) and not one.dry_run}
    decisions: dict[str, DecisionRecord] = {}
    words: dict[str, list[Record]] = defaultdict(list)
    for record in journal.about_judged():
        if isinstance(record, HumanVerdict | ReviewNote):
            words[record.ticket_id].append(record)
        elif isinstance(record, DecisionRecord) and record.run in live:
            decisions[record.ticket_id] = record
    for ticket, decision in decisions.items():
        verdict = standing(words[ticket])
        if verdict is not None:
            yield decision, verdict


def _judged(decision: DecisionRecord, labels: Mapping[str, str]) -> Iterator[tuple[str, float, str, str]]:
    """(field, confidence, written or held, yes or no) of each proposal on which the verdict says what is right."""
    for name, proposed in decision.fusion.items():
        if name in labels and proposed.confidence is not None:
            gate = "written" if name in decision.written else "held"
            yield name, proposed.confidence, gate, "yes" if labels[name] == proposed.label else "no"


def _band(confidence: float) -> str:
    edges = (0.0, *BANDS, 1.0)
    place = sum(bound <= confidence for bound in BANDS)
    return f"{edges[place]:.2f}-{edges[place + 1]:.2f}"


def _drift(home: Path) -> Values:
    report = _read(home / "drift" / "report.json")
    looked = [one for one in report.get("findings", ()) if one.get("p_adjusted") is not None]
    if not report:
        return {}
    return {
        "tamiz_drift_found": {_key(str(one["signal"])): float(one["drifted"]) for one in looked},
        "tamiz_drift_p_value": {_key(str(one["signal"])): float(one["p_adjusted"]) for one in looked},
        "tamiz_drift_last_look_timestamp_seconds": {_ALONE: _changed(home / "drift" / "report.json")},
    }


def _nights(home: Path) -> Values:
    nights = [_read(path) for path in _newest(home / "nights", "*/night.json")]
    nights = [night for night in nights if night]
    if not nights:
        return {}
    last = nights[0]
    failed = sum(bool(phase.get("error")) for phase in last.get("phases", ()))
    well = next((_ended(night) for night in nights if night.get("ok")), 0.0)
    return {
        "tamiz_night_last_timestamp_seconds": {_ALONE: _ended(last)},
        "tamiz_night_last_success_timestamp_seconds": {_ALONE: well},
        "tamiz_night_failed_phases": {_ALONE: float(failed)},
    }


def _ended(night: Mapping[str, Any]) -> float:
    with suppress(KeyError, TypeError, ValueError):
        return datetime.fromisoformat(night["started"]).timestamp() + float(night["seconds"])
    return 0.0


def _backups(folder: Path) -> Values:
    """A backup that still holds what the home holds is confirmed by touching its checksum."""
    found = [_changed(path) for path in _newest(folder, "tamiz-*.tar.gz*")]
    return {"tamiz_backup_last_timestamp_seconds": {_ALONE: max(found)}} if found else {}


def _space(home: Path) -> Values:
    try:
        usage = shutil.disk_usage(home)
    except OSError:
        return {}
    return {"tamiz_disk_free_bytes": {_ALONE: float(usage.free)}, "tamiz_disk_size_bytes": {_ALONE: float(usage.total)}}


def _newest(folder: Path, pattern: str) -> Sequence[Path]:
    """By name, which begins with a time; the newest first."""
    try:
        return sorted(folder.glob(pattern), reverse=True)[:LATEST]
    except OSError:
        return []


def _read(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _key(*labels: str) -> str:
    return json.dumps(labels, ensure_ascii=False)
