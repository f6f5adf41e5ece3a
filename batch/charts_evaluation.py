"""The charts of one field's evaluation: risk and coverage, reliability, rivals, confusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from markupsafe import Markup

from batch import svg
from batch.charts import WIDTH
from batch.report_language import Words
from batch.report_models import Confusion, CoverageAt, FieldResult, Rival
from core.metrics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 40
_SPAN = 0.25
"""The widest range of accuracies that is drawn: a hopeless rival would press the others together."""
MARKS = (("o", svg.ACCEPTED), ("s", svg.SUGGESTED), ("D", svg.ESCALATED), ("^", svg.NEUTRAL))
_ROW = 23.0
_NAMES, _VALUES = 138.0, 50.0
"""Room for the names at the left and the values at the right of the dots."""
Point = tuple[float, float]


def field_charts(field: str, result: FieldResult, words: Words, prefix: str) -> dict[str, Markup]:
    """The charts of a field by name; those that have nothing to show are left out. `prefix` makes their ids unique."""
    charts = {
        "risk_coverage": risk_coverage(f"{prefix}-risk", field, result, words),
        "reliability": reliability(f"{prefix}-reliability", field, result, words),
        "rivals": rivals(f"{prefix}-rivals", field, result, words),
        "confusion": confusion(f"{prefix}-confusion", field, result.curves.confusion, words),
    }
    return {name: chart for name, chart in charts.items() if chart}


def risk_coverage(name: str, field: str, result: FieldResult, words: Words) -> Markup:
    """Risk by coverage, with the point each chosen threshold reached and the risk it was allowed."""
    pairs = [(c, r) for c, r in result.curves.risk_coverage if c is not None and r is not None]
    points = svg.thinned(sorted(pairs))
    if not points:
        return Markup()
    percent = words.numbers.percent
    said = (
        f"{percent(target)}: {words('coverage')} {percent(at.coverage, 1)}, {words('precision')} {percent(at.precision, 1)}"
        for target, at in result.coverage_at.items()
    )
    paint = partial(_paint_risk, points=points, chosen=result.coverage_at, words=words)
    return svg.draw(name, (WIDTH, 258), f"{field}: {words('risk_coverage')}", "; ".join(said), paint)


def _paint_risk(figure: "Figure", points: Sequence[Point], chosen: Mapping[float, CoverageAt], words: Words) -> None:
    axes = svg.frame(figure, 52, 10, WIDTH - 68, 214)
    axes.plot(*zip(*points, strict=True), color=svg.INK, linewidth=1.6)
    allowed = [1.0 - target for target in chosen]
    # The first few tickets swing between 0 and 100 %: they would flatten the rest.
    seen = [risk for coverage, risk in points if coverage >= 0.1] or [risk for _, risk in points]
    axes.set_xlim(0, 1)
    axes.set_ylim(0, min(1.0, 1.15 * max([*seen, *allowed, 0.02])))
    for (target, at), (shape, colour) in zip(chosen.items(), MARKS, strict=False):
        axes.axhline(1.0 - target, color=colour, linewidth=0.9, dashes=(2, 2))
        if at.coverage is None or at.precision is None:
            continue
        _whisker(axes, at.coverage, at.precision_ci, colour)
        axes.plot(at.coverage, 1 - at.precision, shape, color=colour, markersize=8, mec=svg.SURFACE, mew=1.2, zorder=4)
        where = (at.coverage, 1 - at.precision)
        paper = {"facecolor": svg.SURFACE, "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
        label = words.numbers.percent(target)
        # The curve rises: what is above to the left of it or below to the right is free.
        offset, side = ((-9, 11), "right") if at.coverage > 0.2 else ((9, -11), "left")
        axes.annotate(label, where, offset, textcoords="offset points", ha=side, zorder=5, bbox=paper)
    _percent_ticks(axes, words, "both")
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(words("coverage_axis"), labelpad=6)
    axes.set_ylabel(words("risk_axis"), labelpad=4)


def _whisker(axes: "Axes", coverage: float, precision_ci: tuple[float | None, float | None] | None, colour: str) -> None:
    if precision_ci is None or precision_ci[0] is None or precision_ci[1] is None:
        return
    axes.plot([coverage] * 2, [1 - precision_ci[0], 1 - precision_ci[1]], color=colour, linewidth=2, zorder=3)


def reliability(name: str, field: str, result: FieldResult, words: Words) -> Markup:
    """Accuracy by confidence, bin by bin, with Wilson's intervals and the size of each bin below."""
    bins = [(c, a, n) for c, a, n in result.curves.reliability if c is not None and a is not None and n > 0]
    if not bins:
        return Markup()
    percent = words.numbers.percent
    said = (f"{percent(c)}: {percent(a)} ({words.count('n_tickets', n)})" for c, a, n in bins)
    paint = partial(_paint_reliability, bins=bins, words=words)
    return svg.draw(name, (WIDTH, 258), f"{field}: {words('reliability')}", "; ".join(said), paint)


def _paint_reliability(figure: "Figure", bins: Sequence[tuple[float, float, int]], words: Words) -> None:
    axes = svg.frame(figure, 52, 10, WIDTH - 68, 158)
    axes.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=1, dashes=(3, 3))
    most = max(n for _, _, n in bins)
    for confidence, accuracy, n in bins:
        axes.plot([confidence] * 2, wilson_interval(round(accuracy * n), n), color=svg.ACCEPTED, linewidth=2, alpha=0.4)
        size = 4 + 5 * (n / most) ** 0.5
        axes.plot(confidence, accuracy, "o", color=svg.ACCEPTED, markersize=size, mec=svg.SURFACE, mew=1, zorder=4)
    axes.plot([b[0] for b in bins], [b[1] for b in bins], color=svg.ACCEPTED, linewidth=1.4, alpha=0.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    _percent_ticks(axes, words, "y")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], [""] * 5)
    axes.grid()
    axes.spines["left"].set_visible(False)
    axes.set_ylabel(words("accuracy_axis"), labelpad=4)
    _paint_bin_sizes(figure, bins, words)


def _paint_bin_sizes(figure: "Figure", bins: Sequence[tuple[float, float, int]], words: Words) -> None:
    most = max(n for _, _, n in bins)
    axes = svg.frame(figure, 52, 188, WIDTH - 68, 36)
    axes.bar([b[0] for b in bins], [b[2] for b in bins], width=0.035, color=svg.NEUTRAL)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, most)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([most], [words.numbers.decimal(most)])
    _percent_ticks(axes, words, "x")
    axes.set_xlabel(words("confidence_axis"), labelpad=6)


def _percent_ticks(axes: "Axes", words: Words, which: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis in ([axes.xaxis] if which in ["x", "both"] else []) + ([axes.yaxis] if which in ["y", "both"] else []):
        axis.set_major_locator(MaxNLocator(5))
        low, high = axis.get_view_interval()
        digits = 1 if high - low < 0.04 else 0
        axis.set_major_formatter(FuncFormatter(lambda share, _, digits=digits: words.numbers.percent(round(share, 6), digits)))


@dataclass(frozen=True, slots=True)
class Dot:
    """A row of the comparison; `accuracy` None is a heading."""

    label: str
    accuracy: float | None = None
    fill: str = svg.NEUTRAL
    bold: bool = False


def rivals(name: str, field: str, result: FieldResult, words: Words) -> Markup:
    """Accuracy as dots: ours with its interval as a band through all rows, each expert alone, each baseline; best first."""
    if result.accuracy is None:
        return Markup()
    rows = [Dot(words("ours"), result.accuracy, svg.ACCEPTED, bold=True)]
    rows += _dots(words("experts"), result.experts, svg.SUGGESTED)
    rows += _dots(words("baselines"), result.baselines, svg.NEUTRAL)
    if len(rows) == 1:
        return Markup()
    said = (f"{row.label}: {words.numbers.percent(row.accuracy, 1)}" for row in rows if row.accuracy is not None)
    paint = partial(_paint_rivals, rows=rows, interval=result.accuracy_ci, words=words)
    return svg.draw(name, (WIDTH, len(rows) * _ROW + 22), f"{field}: {words('rivals')}", "; ".join(said), paint)


def ranked(group: Mapping[str, Rival]) -> list[tuple[str, Rival]]:
    """The most accurate first, those without accuracy last."""
    return sorted(group.items(), key=lambda item: -1.0 if item[1].accuracy is None else item[1].accuracy, reverse=True)


def _dots(heading: str, group: Mapping[str, Rival], fill: str) -> list[Dot]:
    known = [(name, rival) for name, rival in ranked(group) if rival.accuracy is not None]
    dots = [Dot(shorten(name.replace("_", " "), 21), rival.accuracy, fill) for name, rival in known]
    return [Dot(heading), *dots] if dots else []


def _paint_rivals(
    figure: "Figure", rows: Sequence[Dot], interval: tuple[float | None, float | None] | None, words: Words
) -> None:
    values = [row.accuracy for row in rows if row.accuracy is not None]
    ends = [end for end in interval or () if end is not None]
    high = min(1.0, max([*values, *ends]) + 0.01)
    low = max(0.0, min(values + ends) - 0.02, high - _SPAN)  # what lies further left is drawn at the edge
    axes = svg.frame(figure, _NAMES, 0, WIDTH - _NAMES - _VALUES, len(rows) * _ROW)
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if len(ends) == 2:
        axes.axvspan(ends[0], ends[1], color=svg.ACCEPTED, alpha=0.16, linewidth=0)
    page = svg.canvas(figure)
    for place, row in enumerate(rows):
        _say_dot(page, (place + 0.5) * _ROW + 4, row, words)
        if row.accuracy is not None:
            shape, size = "o" if row.accuracy >= low else "<", 9 if row.bold else 7
            at = max(low, row.accuracy)
            axes.plot(at, place, shape, color=row.fill, markersize=size, mec=svg.SURFACE, mew=1.2, clip_on=False)
    axes.set_yticks([])
    _percent_ticks(axes, words, "x")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _say_dot(page: "Axes", baseline: float, row: Dot, words: Words) -> None:
    if row.accuracy is None:
        page.text(0, baseline, row.label, weight="bold", color=svg.MUTED)
        return
    weight = "bold" if row.bold else "normal"
    page.text(0, baseline, row.label, size=svg.NORMAL, weight=weight)
    page.text(WIDTH, baseline, words.numbers.percent(row.accuracy, 1), size=svg.NORMAL, weight=weight, ha="right")


def confusion(name: str, field: str, counted: Confusion, words: Words) -> Markup:
    """Counts by right and proposed label, shaded by their part of the row; rare labels beyond MOST_LABELS are added up."""
    labels, matrix = _folded(counted, words)
    if not labels or not any(map(any, matrix)):
        return Markup()
    margin = 14 + 5.8 * max(len(shorten(label, 22)) for label in labels)
    cell = max(17.0, min(34.0, (WIDTH - margin - 1) / len(labels)))
    size = margin + cell * len(labels) + 1
    said = (
        f"{label}: {words.numbers.decimal(row[i])}/{words.numbers.decimal(sum(row))}" for i, (label, row) in _rows(labels, matrix)
    )
    paint = partial(_paint_confusion, labels=labels, matrix=matrix, cell=cell, margin=margin, words=words)
    return svg.draw(name, (max(size, WIDTH), size), f"{field}: {words('confusion')}", "; ".join(said), paint)


def _rows(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> enumerate[tuple[str, Sequence[int]]]:
    return enumerate(zip(labels, matrix, strict=True))


def _folded(counted: Confusion, words: Words) -> tuple[Sequence[str], Sequence[Sequence[int]]]:
    """The most frequent labels in their own order, and the rest as one."""
    labels, matrix = [label or words("no_label") for label in counted.labels], counted.matrix
    if len(labels) <= MOST_LABELS:
        return labels, matrix
    often = [sum(matrix[i]) + sum(row[i] for row in matrix) for i in range(len(labels))]
    kept = sorted(sorted(range(len(labels)), key=lambda i: -often[i])[: MOST_LABELS - 1])
    rest = [i for i in range(len(labels)) if i not in set(kept)]
    groups = [*([i] for i in kept), rest]
    folded = [[sum(matrix[i][j] for i in rows for j in columns) for columns in groups] for rows in groups]
    return [*(labels[i] for i in kept), words.count("other_labels", len(rest))], folded


def _paint_confusion(
    figure: "Figure", labels: Sequence[str], matrix: Sequence[Sequence[int]], cell: float, margin: float, words: Words
) -> None:
    axes = svg.canvas(figure)
    for i, (label, row) in _rows(labels, matrix):
        middle = margin + cell * (i + 0.5)
        axes.text(margin - 5, middle + 3.3, shorten(label, 22), ha="right")
        axes.text(middle, margin - 5, shorten(label, 22), ha="center", va="bottom", rotation=90)
        for j, count in enumerate(row):
            _paint_cell(axes, margin + cell * j, margin + cell * i, cell, count, count / max(1, sum(row)), i == j)
    end = margin + cell * len(labels)
    for k in range(len(labels) + 1):
        axes.plot([margin, end], [margin + cell * k] * 2, color=svg.LINE, linewidth=0.5)
        axes.plot([margin + cell * k] * 2, [margin, end], color=svg.LINE, linewidth=0.5)
    axes.text(margin - 8, margin - 8, f"{words('true_axis')} ↓", color=svg.MUTED, ha="right", va="bottom")
    axes.text(margin - 22, margin - 24, f"{words('predicted_axis')} →", color=svg.MUTED, ha="right", va="bottom")


def _paint_cell(axes: "Axes", left: float, top: float, cell: float, count: int, share: float, right: bool) -> None:
    if not count:
        return
    opacity = 0.12 + 0.88 * share**0.7
    fill, on_fill = (svg.ACCEPTED, svg.ON_ACCEPTED) if right else (svg.ESCALATED, svg.ON_ESCALATED)
    svg.box(axes, left, top, cell, cell, fill, round(opacity, 2))
    colour = on_fill if opacity > 0.6 else svg.INK
    axes.text(left + cell / 2, top + cell / 2 + 3, str(count), size=8 if cell < 24 else svg.SMALL, ha="center", color=colour)


def shorten(label: str, most: int) -> str:
    """A label in at most so many characters."""
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"
