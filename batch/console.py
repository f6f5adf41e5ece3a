"""What the terminal shows: progress, the table of decisions, the summary. Colours only on a terminal."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.errors import RowError, TamizError

if TYPE_CHECKING:
    from rich.console import Console

    from servicedesk.tables import Table

MARKS = {"autofill": "●", "suggest": "○", "shadow": "·", "off": " "}
COLOURS = {"accepted": "green", "suggested": "yellow", "escalated": "red"}
SHORT_ID = 8


_COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PIPED_WIDTH = 160
"""Columns of a table that goes to a file or a pipe."""


def out() -> "Console":
    """Standard output, for results."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def err() -> "Console":
    """Standard error, for everything else."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """Without what could command the terminal or turn the direction of reading: a ticket may hold anything."""
    return _COMMANDING.sub("", text)


def say(text: str) -> None:
    """A line about what goes on."""
    err().print(printable(text), markup=False, soft_wrap=True)


def complain(error: TamizError) -> None:
    """An error, and what to do about it."""
    from rich.text import Text

    message, remedy = printable(error.message), printable(error.remedy)
    said = Text.assemble(("error: ", "bold red"), message, "\n", ("   do: ", "bold"), remedy)
    err().print(said, soft_wrap=True)


@contextmanager
def progress_bar(label: str, total: int | None) -> "Iterator[Any]":
    """A bar on standard error; the value is a function that is called with the number done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task(label, total=total)

        def advance(count: int = 1, *, description: str | None = None) -> None:
            progress.update(task, advance=count, description=description or label)

        yield advance


@contextmanager
def stages(label: str) -> Iterator[Any]:
    """A spinner on standard error that names the stage."""
    with err().status(label) as status:
        yield lambda stage: status.update(f"{label}: {stage}")


@contextmanager
def counted(label: str) -> Iterator[Any]:
    """A bar on standard error for work that says (stage, done, total)."""
    from rich.progress import Progress

    with Progress(console=err(), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda stage, done, total: progress.update(task, description=f"{label}: {stage}", completed=done, total=total)


def show_decisions(report: Mapping[str, Any], language: str) -> None:
    """A row a ticket: its summary, its fields with confidence and mode, the evidence, or why a person gets it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, leading=1)
    table.add_column("ticket", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("score", justify="right")
    table.add_column("summary, fields (● filled in, ○ suggested)", ratio=5)
    table.add_column("evidence", ratio=1, min_width=SHORT_ID)
    table.add_column("why a person", ratio=3)
    for ticket in report["tickets"]:
        score = "–" if ticket["score"] is None else f"{int(ticket['score'])}"
        table.add_row(
            Text(printable(ticket["id"])),
            Text(ticket["outcome"], COLOURS[ticket["outcome"]]),
            score,
            Text("\n".join(filter(None, (printable(ticket["summary"]), _fields(ticket["fields"]))))),
            Text(_evidence(ticket["fields"])),
            Text(printable("; ".join(cause[language] for cause in ticket["causes"][:2]))),
        )
    out().print(table)


def _fields(fields: Mapping[str, Any]) -> str:
    shown = ((f, MARKS[f["mode"]]) for f in fields.values() if f["mode"] in ("autofill", "suggest"))
    return "  ".join(f"{mark} {f['label']} {f['confidence'] * 100:.0f}%".replace(" ", "\u00a0") for f, mark in shown)


def _evidence(fields: Mapping[str, Any]) -> str:
    ids = dict.fromkeys(e[:SHORT_ID] for f in fields.values() for e in f["evidence"][:1])
    return " ".join(list(ids)[:3])


def show_summary(report: Mapping[str, Any], language: str) -> None:
    """Accepted, suggested, escalated by cause, speed, and where everything is."""
    from rich.text import Text

    totals, console = report["totals"], out()
    console.print()
    for name in ("accepted", "suggested", "escalated"):
        console.print(Text.assemble((f"{totals[name]:>6} ", "bold"), (name, COLOURS[name])))
    for cause in report["causes"]:
        console.print(f"{cause['count']:>10}  {cause['text'][language]}", markup=False)
    if totals["conflict"]:
        console.print(
            f"{totals['conflict']:>6} left alone: a person changed them meanwhile, the next run decides again", markup=False
        )
    if totals["unreadable"]:
        console.print(f"{totals['unreadable']:>6} could not be read", markup=False)
    rate = report["tickets_per_second"]
    if rate:
        spent = sum(report["seconds"].values())
        console.print(f"\n{totals['tickets']} tickets, {rate:.1f} tickets/s ({spent:.1f} s of work)", markup=False)
    for name, path in report["paths"].items():
        console.print(f"{name:>8}: {path}", markup=False, soft_wrap=True)


def show_notes(table: "Table") -> None:
    """What was repaired or guessed while a table was read, and which of its columns nothing is read from."""
    from servicedesk.grid import OUTPUT_PREFIX

    for note in table.notes:
        say(note)
    theirs = [header for header in table.ignored if not header.startswith(OUTPUT_PREFIX)]
    if theirs:
        more = f" and {len(theirs) - 10} more" if len(theirs) > 10 else ""
        say(f"Columns not used: {', '.join(theirs[:10])}{more} (--map their_column=our_field would).")


def show_problems(problems: Sequence[RowError]) -> None:
    """Each row that could not be read, with field and remedy; at most 20, the rest is counted."""
    for problem in problems[:20]:
        say(f"  row {problem.row}, {problem.field}: {problem.message} {problem.remedy}")
    if len(problems) > 20:
        say(f"  … and {len(problems) - 20} more")


def terminal_language(preferred: str = "") -> str:
    """es or en: the preferred one, else that of the environment."""
    import os

    if preferred in ("es", "en"):
        return preferred
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "es" if locale.lower().startswith("es") else "en"


def show_fit(fitted: Any) -> None:  # noqa: ANN401 - Fitted, whose room is imported late
    """Out-of-fold accuracy by field, each expert's weight, and what the thresholds hold."""
    from rich.table import Table

    table = Table("field", "n", "out-of-fold accuracy", "weights", "threshold", "holds")
    for name in fitted.fields:
        quality, threshold = fitted.quality[name], fitted.thresholds[name]
        weights = "  ".join(f"{expert} {weight:.2f}" for expert, weight in fitted.fusion[name].weights.items())
        table.add_row(name, f"{quality['n']:.0f}", f"{quality['fusion']:.3f}", weights, _threshold(threshold), _holds(threshold))
    out().print(table)


def _threshold(threshold: Any) -> str:  # noqa: ANN401 - Threshold
    return f"{threshold.value:.3f}" if threshold.holds else "–"


def _holds(threshold: Any) -> str:  # noqa: ANN401 - Threshold
    if threshold.holds:
        return f"precision {threshold.precision:.3f} (≥ {threshold.lower:.3f}) at coverage {threshold.coverage:.2f}"
    if threshold.needed is None:
        return f"not {threshold.target:.2f}; most errors: {threshold.weakest}"
    return f"not {threshold.target:.2f} yet: about {threshold.needed} more labelled tickets, first of {threshold.weakest}"


def show_neighbors(found: Sequence[Any]) -> None:
    """Past tickets with similarity, labels and resolution."""
    if not found:
        say("Nothing like it is known.")
    for neighbor in found:
        exemplar = neighbor.exemplar
        text = " ".join(printable(exemplar.text).split())[:160]
        out().print(f"{neighbor.similarity:.2f}  {exemplar.id[:SHORT_ID]}  {text}", markup=False)
        out().print(f"      {'  '.join(f'{k}={v}' for k, v in exemplar.labels.items())}", markup=False)
        if exemplar.resolution:
            out().print(f"      → {printable(exemplar.resolution)}", markup=False)


def show_settings(rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Every setting with value, origin and meaning."""
    from rich.table import Table

    table = Table("setting", "value", "from", "meaning")
    for row in rows:
        table.add_row(*row)
    out().print(table)


def show_evaluation(result: Mapping[str, Any]) -> None:
    """The figures of an evaluation, each with its interval."""
    console = out()
    console.print(
        f"knowledge base {result['n_kb']}, test {result['n_test']}, near-duplicates shared {result['duplicates_shared']}",
        markup=False,
    )
    for name, field in result["fields"].items():
        low, high = field["accuracy_ci"]
        console.print(
            f"{name}: accuracy {field['accuracy']:.3f} ({low:.3f}-{high:.3f}), macro-F1 {field['macro_f1']:.3f},"
            f" ECE {field['ece']:.3f}, AURC {field['aurc']:.3f}",
            markup=False,
        )
        for target, at in field["coverage_at"].items():
            console.print(f"  target {target}: {_at_target(at)}", markup=False)
        for expert, score in field["experts"].items():
            console.print(f"  {expert}: accuracy {score['accuracy']:.3f}, weight {score['weight']:.2f}", markup=False)
        for baseline, score in field.get("baselines", {}).items():
            console.print(
                f"  baseline {baseline}: accuracy {score['accuracy']:.3f}, macro-F1 {score['macro_f1']:.3f}", markup=False
            )
        if field["mcnemar_vs_best_baseline"]:
            test = field["mcnemar_vs_best_baseline"]
            console.print(f"  against {test['name']}: McNemar p = {test['p']:.4f}", markup=False)
    critic = result["critic"]
    caught = ", ".join(f"{_share(v)} of errors at {float(k):.0%} review" for k, v in critic["errors_caught_at"].items())
    auroc = "–" if critic["auroc"] is None else f"{critic['auroc']:.3f}"
    console.print(f"critic: AUROC {auroc}, ECE {critic['ece']:.3f}, {caught}", markup=False)
    console.print(f"{result['tickets_per_second']:.1f} tickets/s; seconds: {result['seconds']}", markup=False)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _at_target(at: Mapping[str, Any]) -> str:
    if at["threshold"] is None:
        more = (
            f"about {at['needed']} more labelled tickets, first of {at['weakest']}"
            if at["needed"]
            else "more data alone would not"
        )
        return f"no threshold holds it ({more})"
    if at["precision"] is None:
        return f"threshold {at['threshold']:.3f}, nothing reaches it"
    low, high = at["precision_ci"]
    return (
        f"threshold {at['threshold']:.3f}, coverage {at['coverage']:.3f}, precision {at['precision']:.3f} ({low:.3f}-{high:.3f})"
    )
