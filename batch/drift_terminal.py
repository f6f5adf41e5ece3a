"""A drift report on the terminal, in Spanish or English: the table, and what to do."""

import json
import sys
from collections.abc import Sequence

from batch import console
from batch.drift_words import action, word
from batch.drifting import Look
from observability.drift.report import DriftReport, Finding, Span


def show(seen: Look, language: str, *, as_json: bool) -> None:
    """The report as a table with what to do, or as JSON."""
    report = seen.report
    if as_json:
        sys.stdout.write(json.dumps({**report.as_json(), "renewed": seen.renewed}, ensure_ascii=False, indent=1) + "\n")
        return
    out = console.out()
    for name, part in (("reference", report.reference), ("window", report.window)):
        out.print(f"{word(name, language)}: {_spanned(part, language)}", markup=False)
    if seen.renewed:
        out.print(word("renewed", language, why=word(f"renewed_{seen.renewed}", language)), markup=False)
    out.print(word("look", language, look=report.look, looks=report.looks, alpha=f"{report.alpha:g}"), markup=False)
    if report.changed:
        out.print(word("changed", language, names=", ".join(report.changed)), markup=False)
    _show_table(report.findings, language)
    _show_actions(report, language)


def _spanned(part: Span, language: str) -> str:
    return word("span", language, n=part.tickets, since=part.since[:16], until=part.until[:16], version=part.version)


def _show_table(findings: Sequence[Finding], language: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for key in ("signal", "tickets", "effect", "p_value", "p_adjusted", "verdict", "examples"):
        table.add_column(word(key, language), justify="right" if key in ("effect", "p_value", "p_adjusted") else "left")
    for one in findings:
        few = one.p_value is None
        mark = word("too_few" if few else "drift" if one.drifted else "quiet", language)
        table.add_row(
            Text(one.signal),
            f"{one.reference} / {one.window}",
            "" if few else Text(_effect(one, language)),
            _p(one.p_value),
            _p(one.p_adjusted),
            Text(mark, "red" if one.drifted else ""),
            Text(console.printable(" ".join(one.examples[:3])) if one.drifted else ""),
        )
    console.out().print(table)


def _effect(one: Finding, language: str) -> str:
    moved = word(one.moved, language) if one.moved in ("up", "down") else console.printable(one.moved)
    return f"{one.effect:.3f} {moved}".strip()


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def _show_actions(report: DriftReport, language: str) -> None:
    out = console.out()
    if not report.drifted:
        out.print(word("none", language))
        return
    out.print(word("found", language))
    for name in dict.fromkeys(one.action for one in report.drifted):
        out.print(f"- {action(name, language)}", markup=False, soft_wrap=True)
    if report.refit:
        out.print(f"- {word('refit', language)}", markup=False, soft_wrap=True)
