"""A query of Prometheus: whether it can be read, whether its metrics and labels are there, whether it counts counters as such."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from observability.checks.queries import Fault, filled
from observability.metric_table import BESIDE, METRICS, Metric

if TYPE_CHECKING:
    from promql_parser import VectorSelector

ALWAYS = frozenset({"job", "instance", "__name__"})
"""Labels that Prometheus adds."""
FOREIGN: Mapping[str, Metric] = {
    "up": Metric("gauge", "1 where Prometheus reached the target."),
    "node_textfile_mtime_seconds": Metric("gauge", "When a file of metrics was written.", ("file",)),
    "node_textfile_scrape_error": Metric("gauge", "1 where a file of metrics can't be read."),
}
"""What others give: Prometheus itself and Alloy's exporter."""
_COUNTING = {"rate", "increase", "irate"}


def catalogue() -> dict[str, Metric]:
    """Every series by the name that queries use: a histogram as its _bucket, _sum and _count."""
    known = dict(FOREIGN)
    for name, metric in {**METRICS, **BESIDE}.items():
        if metric.kind == "histogram":
            known[f"{name}_bucket"] = Metric("counter", metric.help, (*metric.labels, "le"))
            known |= {f"{name}_{part}": Metric("counter", metric.help, metric.labels) for part in ("sum", "count")}
        else:
            known[name] = metric
    return known


def check_promql(query: str) -> Iterator[Fault]:
    """What is wrong with a query. Raises InputError where the parser is not installed."""
    try:
        import promql_parser
    except ImportError as error:
        remedy = 'Install it: pip install "tamiz[dashboards]".'
        raise InputError("The package promql-parser is not installed.", remedy=remedy) from error
    reading = _Reading(catalogue())
    try:
        promql_parser.walk(promql_parser.parse(filled(query)), reading.visit)
    except ValueError as error:
        yield f"PromQL {query!r} can't be read: {error}.", "Correct it."
        return
    yield from reading.faults()


class _Reading:
    """What a walk over a query meets."""

    def __init__(self, known: Mapping[str, Metric]) -> None:
        self.known = known
        self.used: set[str] = set()
        self.labels: set[str] = set()
        self.made: set[str] = set()
        self.wrong: list[Fault] = []
        self._counting = False
        self._ranged = False

    def visit(self, node: Any) -> bool:  # noqa: ANN401 - one of the parser's many classes
        kind = type(node).__name__
        if kind == "Call":
            self._counting = node.func.name in _COUNTING
            if node.func.name in ("label_replace", "label_join"):
                self.made.add(node.args[1].val)
        elif kind == "MatrixSelector":
            self._ranged = True
        elif kind == "VectorSelector":
            self._selector(node)
            self._ranged = self._counting = False
        else:
            self._grouping(node)
        return True

    def faults(self) -> Iterator[Fault]:
        yield from self.wrong
        there = ALWAYS.union(self.made, *(self.known[name].labels for name in self.used))
        if self.used:
            for label in sorted(self.labels - there):
                yield f"None of its metrics has the label {label}.", f"They have {', '.join(sorted(there - ALWAYS)) or 'none'}."

    def _selector(self, node: "VectorSelector") -> None:
        name = node.name or ""
        metric = self.known.get(name)
        if metric is None:
            self.wrong.append((f"There is no metric {name}.", "Take one of observability/metric_table.py."))
            return
        self.used.add(name)
        for matcher in node.matchers.matchers:
            if matcher.name not in {*metric.labels, *ALWAYS}:
                self.wrong.append((f"{name} has no label {matcher.name}.", f"It has {', '.join(metric.labels) or 'none'}."))
            self._value(name, metric, matcher)
        if metric.kind == "counter" and not self._ranged:
            self.wrong.append((f"{name} only grows.", f"Look at increase({name}[1h]) or rate."))
        if metric.kind == "gauge" and self._counting:
            self.wrong.append((f"{name} goes up and down.", "Look at it as it is, or at delta and *_over_time."))

    def _value(self, name: str, metric: Metric, matcher: Any) -> None:  # noqa: ANN401 - the parser's class
        """A value that the metric is known never to have."""
        if metric.known and str(matcher.op) == "MatchOp.Equal" and matcher.name in metric.labels:
            place = metric.labels.index(matcher.name)
            values = {labels[place] for labels in metric.known}
            if matcher.value not in values:
                self.wrong.append((f"{name} has no {matcher.name} {matcher.value!r}.", f"It has {', '.join(sorted(values))}."))

    def _grouping(self, node: Any) -> None:  # noqa: ANN401 - one of the parser's many classes
        modifier = getattr(node, "modifier", None)
        for part in (modifier, getattr(modifier, "matching", None)):
            self.labels.update(getattr(part, "labels", None) or ())
        self.labels.update(getattr(modifier, "group_labels", None) or ())
