"""A replay on the terminal, in Spanish or English."""

import json
import sys
from collections.abc import Mapping

from batch import console
from batch.replay_report import FieldChange, Replayed, ReplayReport, Share

SHOWN = 40
WORDS: Mapping[str, tuple[str, str]] = {  # key: (Spanish, English)
    "tickets": (
        "{n} tickets decididos de nuevo; cambian {changed}. No se ha escrito nada en ninguna mesa.",
        "{n} tickets decided again; {changed} change. Nothing was written to any desk.",
    ),
    "regated": (
        "{n} salen del diario sin preguntar a ningún modelo: con esos cambios es exacto.",
        "{n} are from the journal, no model was asked: for these changes that is exact.",
    ),
    "piped": ("{n} pasaron por el proceso entero.", "{n} went through the whole pipeline."),
    "refitted": (
        "El ajuste es uno aparte, hecho para esta repetición; el que está en uso no ha cambiado.",
        "The fit is one of its own, made for this replay; the one in use has not changed.",
    ),
    "learned": (
        "{n} no se comparan con lo que dijeron las personas: ya se aprendió de ellos.",
        "{n} are not compared with what people said: something was learned from them.",
    ),
    "judged": ("{n} tienen un veredicto con el que comparar.", "{n} have a verdict to compare with."),
    "filled": (
        "De los campos que se rellenan y alguien juzgó, son correctos: antes {old}, ahora {new}.",
        "Of the fields that are filled in and that somebody judged, right: before {old}, now {new}.",
    ),
    "field": ("campo", "field"),
    "changed": ("cambian", "change"),
    "before": ("antes correctos", "right before"),
    "now": ("ahora correctos", "right now"),
    "won": ("gana / pierde", "won / lost"),
    "p": ("McNemar p (Holm)", "McNemar p (Holm)"),
    "outcome": ("resultado", "outcome"),
    "labels": ("etiquetas", "labels"),
    "more": ("… y {n} más (--json los da todos)", "… and {n} more (--json has them all)"),
}


def word(key: str, language: str, **values: object) -> str:
    """The words of a key with its values put in."""
    return WORDS[key][0 if language == "es" else 1].format(**values)


def show(report: ReplayReport, language: str, *, as_json: bool) -> None:
    """Counts, the fields with what people said, and the tickets that change; or everything as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n")
        return
    out = console.out()
    out.print(word("tickets", language, n=report.tickets, changed=_share(report.changed)), markup=False, soft_wrap=True)
    for key, count in (
        ("regated", report.regated),
        ("piped", report.tickets - report.regated),
        ("judged", report.judged),
        ("learned", report.learned),
    ):
        if count:
            out.print(word(key, language, n=count), markup=False, soft_wrap=True)
    if report.refitted:
        out.print(word("refitted", language), markup=False, soft_wrap=True)
    for pair, count in report.outcomes.items():
        out.print(f"{count:>6}  {pair}", markup=False)
    if report.filled_old.n or report.filled_new.n:
        old, new = _share(report.filled_old), _share(report.filled_new)
        out.print(word("filled", language, old=old, new=new), markup=False, soft_wrap=True)
    _show_fields(report.fields, language)
    _show_rows(report.rows, language)


def _show_fields(fields: tuple[FieldChange, ...], language: str) -> None:
    from rich.table import Table

    table = Table(*(word(key, language) for key in ("field", "changed", "before", "now", "won", "p")))
    for one in fields:
        p = "" if one.p is None or one.p_adjusted is None else f"{one.p:.4f} ({one.p_adjusted:.4f})"
        table.add_row(one.field, _share(one.changed), _share(one.old_right), _share(one.new_right), f"{one.won} / {one.lost}", p)
    console.out().print(table)


def _show_rows(rows: tuple[Replayed, ...], language: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table("ticket", word("outcome", language), word("labels", language), box=SIMPLE_HEAD, pad_edge=False)
    for one in rows[:SHOWN]:
        outcome = one.new.outcome if one.old.outcome == one.new.outcome else f"{one.old.outcome} > {one.new.outcome}"
        labels = "; ".join(f"{name}: {old or '–'} > {new or '–'}{_mark(one, name)}" for name, (old, new) in one.fields.items())
        filled = _filled(one)
        table.add_row(
            Text(console.printable(one.ticket)), Text(outcome), Text(console.printable("; ".join(filter(None, (labels, filled)))))
        )
    console.out().print(table)
    if len(rows) > SHOWN:
        console.out().print(word("more", language, n=len(rows) - SHOWN), markup=False)


def _filled(one: Replayed) -> str:
    """The fields that are filled in besides (+) or no longer (-)."""
    old, new = set(one.old.written), set(one.new.written)
    return " ".join([*(f"+{name}" for name in sorted(new - old)), *(f"-{name}" for name in sorted(old - new))])


def _mark(one: Replayed, name: str) -> str:
    """Who was right where a person said so: `✓` the new label, `✗` the old one."""
    gold = one.gold.get(name)
    if gold is None:
        return ""
    return " ✓" if one.new.labels.get(name) == gold else " ✗" if one.old.labels.get(name) == gold else ""


def _share(share: Share) -> str:
    return f"{share.hits}/{share.n} ({share.low:.2f}-{share.high:.2f})" if share.n else "–"
