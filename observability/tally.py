"""The journal, counted: the values of the metrics up to a place in the journal, so that only what is new is read."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from observability.journal import Journal
from observability.metric_table import METRICS
from observability.records import (
    DecisionRecord,
    Generated,
    HumanVerdict,
    LaterChange,
    Record,
    ReviewNote,
    RunFinished,
    RunStarted,
    WritebackRecord,
)

FILE = "metrics.json"
PAGE = 500
OPERATION = "text_completion"
PROVIDER = "tamiz"


class Histogram(BaseModel):
    """How many observations lie in each bucket (and, last, above all of them), and their sum."""

    model_config = ConfigDict(extra="forbid")

    counts: list[int]
    sum: float = 0.0


class Tally(BaseModel):
    """What was counted of the journal of this name up to `seq`. Values are by metric and by label values, as a JSON list."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    journal: str = ""
    seq: int = 0
    values: dict[str, dict[str, float]] = {}
    histograms: dict[str, dict[str, Histogram]] = {}
    dry: set[str] = set()

    def catch_up(self, journal: Journal) -> "Tally":
        """This tally with all that the journal has meanwhile, or a new one where it is of another journal."""
        name = journal.name
        tally = self if self.journal == name and self.seq <= journal.newest() else Tally(journal=name)
        while page := journal.tail(tally.seq, PAGE):
            for read in page:
                tally.count(read.record)
            tally.seq = page[-1].seq
        return tally

    def count(self, record: Record) -> None:
        """Add one record."""
        if isinstance(record, DecisionRecord):
            self._decision(record)
        elif isinstance(record, WritebackRecord):
            self.add("tamiz_writebacks_total", 1, record.state)
        elif isinstance(record, HumanVerdict):
            self.add("tamiz_verdicts_total", 1, record.action)
        elif isinstance(record, ReviewNote):
            self.add("tamiz_review_notes_total", 1, record.state)
        elif isinstance(record, LaterChange):
            self.add("tamiz_later_changes_total", 1, record.what)
        elif isinstance(record, RunStarted):
            self._started(record)
        else:
            self._finished(record)

    def add(self, metric: str, amount: float, *labels: str) -> None:
        """Count up."""
        by_labels = self.values.setdefault(metric, {})
        key = _key(labels)
        by_labels[key] = by_labels.get(key, 0.0) + amount

    def put(self, metric: str, value: float) -> None:
        """Set a gauge that has no labels."""
        self.values[metric] = {_key(()): value}

    def observe(self, metric: str, value: float | None, *labels: str) -> None:
        """Put a number into its bucket; one that could not be computed is left out."""
        if value is None:
            return
        bounds = METRICS[metric].buckets
        histogram = self.histograms.setdefault(metric, {}).setdefault(_key(labels), Histogram(counts=[0] * (len(bounds) + 1)))
        histogram.counts[sum(bound < value for bound in bounds)] += 1
        histogram.sum += value

    def _decision(self, record: DecisionRecord) -> None:
        self.add("tamiz_tickets_total", 1, record.outcome, "dry_run" if record.run in self.dry else "live")
        for cause in {reason.code for reason in record.causes}:
            self.add("tamiz_causes_total", 1, record.outcome, cause)
        for name, field in record.fusion.items():
            self.add("tamiz_fields_total", 1, name, field.mode)
        for name in record.written if record.run not in self.dry else ():
            self.add("tamiz_fields_written_total", 1, name)
        for kind, count in record.redactions.items():
            self.add("tamiz_redactions_total", count, kind)
        for stage, seconds in record.seconds.items():
            self.observe("tamiz_stage_seconds", seconds, stage)
        if record.verdict:
            self.observe("tamiz_critic_score", record.verdict.score)
        for generation in record.generations:
            self._tokens(generation)

    def _tokens(self, used: Generated) -> None:
        for kind, tokens in (("input", used.read), ("output", used.forced + used.generated)):
            self.observe("gen_ai_client_token_usage", tokens, OPERATION, PROVIDER, used.model, kind, used.task)

    def _started(self, record: RunStarted) -> None:
        if record.dry_run:
            self.dry.add(record.run)
        else:
            self.put("tamiz_run_last_start_timestamp_seconds", _seconds(record.at))

    def _finished(self, record: RunFinished) -> None:
        self.add("tamiz_runs_total", 1, record.state)
        self.put("tamiz_run_tickets_per_second", record.tickets_per_second or 0.0)
        if record.state == "done" and record.run not in self.dry:
            self.put("tamiz_run_last_success_timestamp_seconds", _seconds(record.at))


def read_tally(home: Path) -> Tally:
    """The tally that was kept in the home; an empty one where there is none, or one that can't be read: it is counted anew."""
    try:
        return Tally.model_validate_json((home / FILE).read_bytes())
    except (OSError, ValidationError):
        return Tally()


def keep_tally(home: Path, tally: Tally) -> None:
    """Keep it in the home, whole or not at all. Raises OSError."""
    draft = home / f".{FILE}.part"
    draft.write_text(tally.model_dump_json(), encoding="utf-8")
    draft.replace(home / FILE)


def labels_of(key: str) -> Sequence[str]:
    """The label values of a key of `Tally.values`."""
    return [str(value) for value in json.loads(key)]


def _key(labels: Sequence[str]) -> str:
    return json.dumps(labels, ensure_ascii=False)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
