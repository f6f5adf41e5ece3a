"""LogQL, read strictly: what a query of Loki asks for, and whether Loki would take it. No server is needed.

    query      = metric | stream
    stream     = "{" matcher, ... "}" stage*
    stage      = line filter | "|" (parser | formatter | label filter | drop | keep | unwrap)
    metric     = range aggregation | vector aggregation | number | metric operator metric | "(" metric ")"

After the grammar of Loki's reference. Beyond it, what Loki refuses before it runs a query is refused here too: a selector that
every stream fits, an aggregation of values without `unwrap` or one of lines with it, a regular expression that can't be compiled.
"""

from observability.logql.cursor import LogQuery
from observability.logql.streams import Streams
from observability.logql.words import GROUPING_RANGES, LINE_RANGES, PRECEDENCE, RANGES, VALUE_RANGES, VECTORS, WITH_PARAMETER


def parse_logql(text: str) -> LogQuery:
    """Read a query. Raises InputError, which says where it goes wrong and what would be right."""
    return _Parser(text).query()


class _Parser(Streams):
    """Recursive descent over a whole query: one method a rule of the grammar."""

    def query(self) -> LogQuery:
        if self._is("{"):
            self._stream()
        else:
            self.found.metric = True
            self._metric()
        if self._now.kind != "end":
            raise self._wrong("the end of the query")
        return self.found

    def _metric(self, floor: int = 0) -> None:
        self._operand()
        while (level := PRECEDENCE.get(self._now.text, -1)) >= floor and self._now.kind in ("op", "word"):
            self._take()
            self._modifiers()
            self._metric(level + 1)

    def _modifiers(self) -> None:
        """`bool`, `on (...)`, `ignoring (...)`, `group_left (...)`."""
        self._maybe("bool")
        if self._maybe("on") or self._maybe("ignoring"):
            self._labels()
            if (self._maybe("group_left") or self._maybe("group_right")) and self._is("("):
                self._labels()

    def _operand(self) -> None:
        word = self._now.text
        if self._maybe("("):
            self._metric()
            self._expect(")")
        elif self._now.kind == "number":
            self._take()
        elif word in ("-", "+"):
            self._take()
            self._operand()
        elif word in RANGES:
            self._range_aggregation(self._take().text)
        elif word in VECTORS:
            self._vector_aggregation(self._take().text)
        elif word in ("vector", "label_replace"):
            self._function(self._take().text)
        else:
            raise self._wrong("a metric query, such as count_over_time({...}[5m])")

    def _function(self, name: str) -> None:
        self._expect("(")
        if name == "vector":
            self._kind("number")
        else:
            self._metric()
            label, _, _, pattern = (self._argument() for _ in range(4))
            self.found.makes.add(label)
            self._regex(pattern)
        self._expect(")")

    def _argument(self) -> str:
        self._expect(",")
        return self._kind("string").value

    def _vector_aggregation(self, name: str) -> None:
        grouped = self._grouping()
        self._expect("(")
        if name in WITH_PARAMETER:
            self._kind("number")
            self._expect(",")
        self._metric()
        self._expect(")")
        if not grouped:
            self._grouping()

    def _range_aggregation(self, name: str) -> None:
        self._expect("(")
        if name == "quantile_over_time":
            self._kind("number")
            self._expect(",")
        unwraps = self._ranged()
        self._expect(")")
        if unwraps and name not in VALUE_RANGES:
            raise self._refused(
                f"{name} counts lines", "Remove `| unwrap`, or use sum_over_time, avg_over_time or quantile_over_time."
            )
        if not unwraps and name not in LINE_RANGES:
            raise self._refused(f"{name} needs values", "Add `| unwrap LABEL` before the range.")
        if self._grouping() and name not in GROUPING_RANGES:
            raise self._refused(f"{name} takes no grouping", "Put `sum by (...)` around it.")

    def _ranged(self) -> bool:
        """A stream with its range; says whether it unwraps. Parentheses may stand around the stream."""
        if self._maybe("("):
            unwraps = self._stream()
            self._expect(")")
            self._range()
            return unwraps
        self._selector()
        early = self._range_here()
        unwraps = self._stages()
        if not early:
            self._range()
        return unwraps

    def _range_here(self) -> bool:
        if not self._is("["):
            return False
        self._range()
        return True

    def _range(self) -> None:
        if not self._maybe("["):
            raise self._wrong("a range, such as [5m]")
        self._kind("duration")
        self._expect("]")
        if self._maybe("offset"):
            self._maybe("-")
            self._kind("duration")

    def _grouping(self) -> bool:
        if self._maybe("by") or self._maybe("without"):
            self._labels()
            return True
        return False
