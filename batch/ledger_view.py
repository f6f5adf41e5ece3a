"""The ledger as a person and a program read it."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from batch import console
from batch.aftermath import journal_of, ledger_of
from batch.assemble import House
from core.errors import InputError
from core.ticket import Exemplar
from review.ledger import Account, Ledger, Tally

COLUMNS = ("uses", "accepted", "confirmed", "corrected", "rejected", "changed", "reopened", "stood")
_TEXT = 300


def read(house: House) -> Ledger:
    """The accounts of the index and of whatever else a decision rested on.

    Raises:
        InputError: nothing has been triaged here yet.
    """
    if not journal_of(house).exists():
        raise InputError("Nothing has been triaged here yet.", remedy="Run `python -m batch run` first.")
    return ledger_of(house)


def ranked(ledger: Ledger) -> list[Account]:
    """Those that were used, the most harmful first."""
    used = [one for one in ledger.values() if one.fields]
    return sorted(used, key=lambda one: (-one.worst[1].harm, -one.worst[1].astray, one.exemplar))


def find(ledger: Ledger, start: str) -> Account:
    """The account whose id begins so.

    Raises:
        InputError: there is none, or there are several.
    """
    found = [account for exemplar, account in sorted(ledger.items()) if exemplar.startswith(start)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} exemplars have ids that begin with {start!r}" if found else f"There is no exemplar {start!r}"
    raise InputError(f"{what}.", remedy="Take an id that `python -m batch ledger` or `search` shows, with more digits.")


def account_json(account: Account) -> dict[str, object]:
    """An account for machines: the figures by field with their harm, and where the exemplar comes from."""
    field, tally = account.worst
    return {
        "exemplar": account.exemplar,
        "provenance": asdict(account.provenance) if account.provenance else None,
        "total": asdict(account.total),
        "fields": {name: {**asdict(one), "harm": round(one.harm, 4)} for name, one in sorted(account.fields.items())},
        "worst_field": field,
        "harm": round(tally.harm, 4),
        "last_success": account.last_success.isoformat() if account.last_success else None,
        "last_used": account.last_used.isoformat() if account.last_used else None,
        "contradictions": account.contradictions,
    }


def print_json(content: Mapping[str, object]) -> None:
    """One object on standard output."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")


def show_accounts(accounts: Sequence[Account]) -> None:
    """A row an exemplar: its figures over all fields, and the field in which it does most harm."""
    from rich.table import Table

    table = Table("exemplar", "from", *COLUMNS, "harm", "in", "last success")
    for one in accounts:
        field, tally = one.worst
        moment = f"{one.last_success:%Y-%m-%d}" if one.last_success else "–"
        row = (one.exemplar[: console.SHORT_ID], _from(one), *_figures(one.total), f"{tally.harm:.2f}", field, moment)
        table.add_row(*map(console.printable, row))
    console.out().print(table)


def show_account(account: Account, exemplar: Exemplar | None) -> None:
    """One exemplar: where it comes from, what it says, and its figures by field."""
    from rich.table import Table

    out = console.out()
    state = (
        "its labels are a person's verdict" if account.provenance and account.provenance.confirmed else "no verdict on its ticket"
    )
    out.print(console.printable(f"{account.exemplar}  {_from(account)}  {state}"), markup=False, soft_wrap=True)
    if exemplar is not None:
        text = " ".join(exemplar.text.split())[:_TEXT]
        out.print(console.printable(f"  {text}"), markup=False, soft_wrap=True)
        out.print(console.printable(f"  → {exemplar.resolution}"), markup=False, soft_wrap=True)
    table = Table("field", "label", *COLUMNS, "harm")
    for name, tally in sorted(account.fields.items()):
        label = exemplar.labels.get(name, "") if exemplar else ""
        table.add_row(*map(console.printable, (name, label, *_figures(tally), f"{tally.harm:.2f}")))
    out.print(table)


def _figures(tally: Tally) -> list[str]:
    return [str(getattr(tally, name)) for name in COLUMNS]


def _from(account: Account) -> str:
    held = account.provenance
    return " ".join(filter(None, (held.source, held.source_id))) if held else "(no longer in the index)"
