"""The charts of a run: outcomes by group, the critic's scores, causes, time per stage."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from markupsafe import Markup

from batch import svg
from batch.report_language import Words
from batch.report_models import Cause, GroupTotals, RunReport, TicketRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = svg.PAGE_WIDTH
MOST_BARS = 16
_NO_GROUP = ("", "–")
_LINE, _BAR, _GAP = 16.0, 13.0, 12.0
_FILLS = {
    "accepted": (svg.ACCEPTED, svg.ON_ACCEPTED),
    "suggested": (svg.SUGGESTED, svg.ON_SUGGESTED),
    "escalated": (svg.ESCALATED, svg.ON_ESCALATED),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar; `text` stands in it where there is room."""

    length: float
    fill: str
    on_fill: str = svg.SURFACE
    text: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its label above it and its value at the right."""

    label: str
    value: str
    parts: tuple[Part, ...]

    @property
    def length(self) -> float:
        """All parts together, in the units of the data."""
        return sum(part.length for part in self.parts)

    @property
    def lines(self) -> list[str]:
        """The label as it is broken: two lines at most."""
        return textwrap.wrap(self.label, 40, max_lines=2, placeholder=" …") or [""]

    @property
    def height(self) -> float:
        """Of label, bar and the gap below."""
        return len(self.lines) * _LINE + _BAR + _GAP


def run_charts(report: RunReport, words: Words) -> dict[str, Markup]:
    """The charts of a run by name; those that have nothing to show are left out."""
    charts = {
        "outcomes_by_group": outcomes_by_group(report.groups, words),
        "scores": score_histogram(report.tickets, report.approve_at, words),
        "cause_chart": causes(report.causes, words),
        "seconds_chart": seconds_by_stage(report.seconds, words),
    }
    return {name: chart for name, chart in charts.items() if chart}


def outcomes_by_group(groups: Mapping[str, GroupTotals], words: Words) -> Markup:
    """Stacked bars, the busiest group first; the smallest beyond MOST_BARS are added up."""
    counts = {
        words("no_group") if name in _NO_GROUP else name: [totals.accepted, totals.suggested, totals.escalated]
        for name, totals in groups.items()
    }
    ranked = sorted(counts.items(), key=lambda item: -sum(item[1]))
    rest = ranked[MOST_BARS - 1 :] if len(ranked) > MOST_BARS else []
    if rest:
        merged = [sum(column) for column in zip(*(row for _, row in rest), strict=True)]
        ranked = [*ranked[: MOST_BARS - 1], (words("other_n", n=len(rest)), merged)]
    rows = [Bar(name, words.numbers.decimal(sum(row)), _outcome_parts(row, words)) for name, row in ranked if sum(row)]
    said = (f"{name}: " + ", ".join(f"{words(k)} {n}" for k, n in zip(_FILLS, row, strict=True)) for name, row in ranked)
    return bars("groups", words("outcomes_by_group"), said, rows)


def causes(found: Sequence[Cause], words: Words) -> Markup:
    """One bar a cause, the most frequent first."""
    ranked = sorted(found, key=lambda cause: -cause.count)[:MOST_BARS]
    rows = [
        Bar(
            _capital(words.said(cause.text) or cause.code),
            words.numbers.decimal(cause.count),
            (Part(cause.count, svg.ESCALATED),),
        )
        for cause in ranked
        if cause.count
    ]
    return bars("causes", words("cause_chart"), (f"{row.label}: {row.value}" for row in rows), rows)


def seconds_by_stage(seconds: Mapping[str, float | None], words: Words, name: str = "stages") -> Markup:
    """One bar a stage, in the order they were run in, with its share of the whole."""
    spent = {stage: value for stage, value in seconds.items() if value is not None and value >= 0.0}
    total = sum(spent.values()) or 1.0
    rows = [
        Bar(
            _capital(words.name("stage", stage)),
            f"{words.numbers.seconds(value)} · {words.numbers.percent(value / total)}",
            (Part(value, svg.NEUTRAL),),
        )
        for stage, value in spent.items()
    ]
    return bars(name, words("seconds_chart"), (f"{row.label}: {row.value}" for row in rows), rows)


def bars(name: str, title: str, said: Iterable[str], rows: Sequence[Bar]) -> Markup:
    """Horizontal bars under their labels; nothing where there is no row. `said` is the description, sentence by sentence."""
    if not rows:
        return Markup()
    height = sum(row.height for row in rows) - _GAP + 4
    return svg.draw(name, (WIDTH, height), title, "; ".join(said), partial(_paint_bars, rows=rows))


def _paint_bars(figure: "Figure", rows: Sequence[Bar]) -> None:
    axes = svg.canvas(figure)
    longest = max(row.length for row in rows) or 1.0
    top = 0.0
    for row in rows:
        for line, text in enumerate(row.lines):
            axes.text(0, top + (line + 1) * _LINE - 5, text, size=svg.NORMAL)
        axes.text(WIDTH, top + _LINE - 5, row.value, size=svg.NORMAL, ha="right", color=svg.MUTED)
        top += len(row.lines) * _LINE
        left = 0.0
        svg.box(axes, 0, top, WIDTH, _BAR, svg.LINE, 0.45)
        for part in row.parts:
            width = WIDTH * part.length / longest
            svg.box(axes, left, top, max(width - 1.0, min(width, 1.0)), _BAR, part.fill)
            if width > 8 + 6.5 * len(part.text):
                axes.text(left + width / 2, top + _BAR - 3.2, part.text, color=part.on_fill, ha="center")
            left += width
        top += _BAR + _GAP


def score_histogram(tickets: Sequence[TicketRow], approve_at: float, words: Words) -> Markup:
    """How many tickets the critic gave which score, in steps of five, by outcome, with the line from which it approves."""
    scored = [(ticket.outcome, ticket.score) for ticket in tickets if ticket.score is not None]
    if not scored:
        return Markup()
    counts = {outcome: [0] * 20 for outcome in _FILLS}
    for outcome, score in scored:
        counts[outcome][min(19, max(0, int(score // 5)))] += 1
    said = (f"{words(outcome)}: " + " ".join(str(n) for n in row) for outcome, row in counts.items())
    line = words("approval", n=words.numbers.decimal(approve_at))
    paint = partial(_paint_histogram, counts=counts, approve_at=approve_at, line=line, words=words)
    return svg.draw("scores", (WIDTH, 208), words("scores"), f"{line}. " + "; ".join(said), paint)


def _paint_histogram(figure: "Figure", counts: Mapping[str, list[int]], approve_at: float, line: str, words: Words) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = svg.frame(figure, 24, 22, WIDTH - 34, 154)
    base = [0] * 20
    for outcome, row in counts.items():
        axes.bar([5 * i + 2.5 for i in range(20)], row, width=4.5, bottom=base, color=_FILLS[outcome][0])
        base = [below + n for below, n in zip(base, row, strict=True)]
    axes.set_xlim(0, 100)
    axes.set_ylim(0, max(base) * 1.08)
    axes.axvline(approve_at, color=svg.INK, linewidth=1.2, dashes=(3, 2))
    side = "right" if approve_at > 50 else "left"
    axes.annotate(line, (approve_at, 1), (0, 6), xycoords=("data", "axes fraction"), textcoords="offset points", ha=side)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda n, _: words.numbers.decimal(n)))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel(words("score"), labelpad=6)


def _outcome_parts(counts: Sequence[int], words: Words) -> tuple[Part, ...]:
    return tuple(Part(n, *_FILLS[outcome], words.numbers.decimal(n)) for outcome, n in zip(_FILLS, counts, strict=True) if n)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
