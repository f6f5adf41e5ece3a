"""The metrics in Prometheus's text format, from the journal, which is the truth: as a file, or to be scraped.

Counters and histograms are counted on from where they were (`observability.tally`); the queue of review and the writes that are
owed are read anew where the journal has grown, once a minute at most.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError, StorageError, TamizError
from observability.home_figures import Values, home_figures, judged_figures
from observability.journal import Journal
from observability.metric_table import BESIDE, METRICS, WAITING, Metric
from observability.shipping_state import Standing, read_standing, state_path
from observability.tally import Histogram, keep_tally, labels_of, read_tally

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric as Family

JOURNAL = "journal.sqlite"
STATE_SECONDS = 60.0
"""For so long the queue of review is not read again."""
_NO_LABELS = "[]"


class JournalMetrics:
    """A collector for prometheus_client over one home. Thread-safe.

    `loki` is where the journal is shipped to, as `observability.shipping_state.target` names it; "" for nowhere. `backups` is
    where the home's backups are; without it nothing beside the journal is looked at (nights, backups, drift, free space).
    """

    def __init__(
        self, home: Path, loki: str = "", *, backups: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home = home
        self._backups = backups
        self._loki = loki
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = read_tally(home)
        self._states: Mapping[str, Mapping[str, float]] = {}
        self._states_seq = -1
        self._states_at = 0.0
        self._judged: Values = {}
        self._said = -1

    def collect(self) -> "Iterator[Family]":
        """All metrics as they are now; `tamiz_up` alone, as 0, where the journal can't be read."""
        with self._lock:
            try:
                values = self._values()
            except TamizError:
                yield _family("tamiz_up", METRICS["tamiz_up"], {_NO_LABELS: 0.0})
                return
            yield from _families({"tamiz_up": {_NO_LABELS: 1.0}, **values}, self._tally.histograms)

    def _values(self) -> Mapping[str, Mapping[str, float]]:
        """By metric and label values. Raises StorageError."""
        if not (self._home / JOURNAL).exists():
            return {"tamiz_journal_records": {_NO_LABELS: 0.0}, **self._beside()}
        with Journal(self._home / JOURNAL) as journal:
            before = self._tally.seq
            self._tally = self._tally.catch_up(journal)
            if self._tally.seq != before:
                with suppress(OSError):  # a full disk costs time at the next start, not the figures
                    keep_tally(self._home, self._tally)
            states = {**self._current_states(journal), **self._judgements(journal)}
            shipping = self._shipping(journal.name) if self._loki else {}
        newest = {"tamiz_journal_records": {_NO_LABELS: float(self._tally.seq)}}
        return {**self._tally.values, **newest, **states, **shipping, **self._beside()}

    def _current_states(self, journal: Journal) -> Mapping[str, Mapping[str, float]]:
        grown, old = self._tally.seq != self._states_seq, self._clock() - self._states_at > STATE_SECONDS
        if self._states_seq < 0 or (grown and old):
            self._states, self._states_seq, self._states_at = _states(journal), self._tally.seq, self._clock()
        return self._states

    def _beside(self) -> Values:
        return home_figures(self._home, self._backups) if self._backups else {}

    def _judgements(self, journal: Journal) -> Values:
        if (said := journal.said()) != self._said:
            self._judged, self._said = judged_figures(journal), said
        return self._judged

    def _shipping(self, name: str) -> Mapping[str, Mapping[str, float]]:
        standing: Standing = read_standing(state_path(self._home, name, self._loki))
        last = datetime.fromisoformat(standing.at).timestamp() if standing.at else 0.0
        told = {
            "tamiz_loki_lag_records": max(0, self._tally.seq - standing.cursor),
            "tamiz_loki_shipped_total": standing.shipped,
            "tamiz_loki_dead_letters": standing.dead,
            "tamiz_loki_last_success_timestamp_seconds": last,
        }
        return {metric: {_NO_LABELS: float(value)} for metric, value in told.items()}


def registry_of(metrics: JournalMetrics) -> "CollectorRegistry":
    """A registry that holds these alone, without the process's own."""
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    return registry


def exposition(metrics: JournalMetrics) -> str:
    """All metrics in the text format."""
    from prometheus_client import generate_latest

    return generate_latest(registry_of(metrics)).decode()


def write_exposition(metrics: JournalMetrics, path: Path) -> None:
    """Write them to a file that is there whole at every moment, for node-exporter's textfile collector.

    Raises:
        StorageError: it can't be written.
    """
    text = exposition(metrics)
    draft = path.with_name(f".{path.name}.part")  # the collector reads *.prom only
    try:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error}.", remedy="Check the folder and its permissions.") from error


def serve_exposition(metrics: JournalMetrics, port: int) -> "tuple[WSGIServer, threading.Thread]":
    """Answer scrapes on the loopback address in a thread; port 0 takes a free one (`server.server_port` says which).

    Raises:
        InputError: the port is taken.
    """
    from prometheus_client import start_http_server

    try:
        return start_http_server(port, addr="127.0.0.1", registry=registry_of(metrics))
    except OSError as error:
        message = f"Nothing can listen on 127.0.0.1 port {port}: {error}."
        raise InputError(message, remedy="Choose another with --port, or 0 for a free one.") from error


def _states(journal: Journal) -> Mapping[str, Mapping[str, float]]:
    """What is to be done: the queue of review, and writes that are owed."""
    queue = {f'["{state}"]': 0.0 for (state,) in WAITING}
    oldest = 0.0
    for review in journal.reviews(only="held"):
        if (key := f'["{review.state}"]') in queue:
            queue[key] += 1.0
            made = review.decision.at.timestamp()
            oldest = min(oldest or made, made)
    return {
        "tamiz_review_queue": queue,
        "tamiz_review_oldest_timestamp_seconds": {_NO_LABELS: oldest},
        "tamiz_writebacks_pending": {_NO_LABELS: float(len(journal.pending_writes()))},
    }


def _families(values: Mapping[str, Mapping[str, float]], histograms: Mapping[str, Mapping[str, Histogram]]) -> "Iterator[Family]":
    for name, metric in {**METRICS, **BESIDE}.items():
        if metric.kind == "histogram":
            family = _histograms(name, metric, histograms.get(name, {}))
        else:
            family = _family(name, metric, values.get(name, {}))
        if family.samples:
            yield family


def _family(name: str, metric: Metric, values: Mapping[str, float]) -> "Family":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = made(name, metric.help, labels=metric.labels)
    found = {tuple(labels_of(key)): value for key, value in values.items()}
    for labels, value in sorted({**dict.fromkeys(metric.known, 0.0), **found}.items()):
        family.add_metric(labels, value)
    return family


def _histograms(name: str, metric: Metric, histograms: Mapping[str, Histogram]) -> "Family":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, metric.help, labels=metric.labels)
    bounds = [*map(str, metric.buckets), "+Inf"]
    for key, histogram in sorted(histograms.items()):
        reached = zip(bounds, accumulate(histogram.counts), strict=True)
        family.add_metric(labels_of(key), list(reached), histogram.sum)
    return family
