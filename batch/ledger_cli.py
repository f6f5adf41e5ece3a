"""`python -m batch ledger`: what each exemplar was used for, and what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from batch.assemble import House

SHOWN = 20


def ledger(
    exemplar: Annotated[str, typer.Argument(help="An exemplar's id, or its beginning. Default: those that lead astray.")] = "",
    worst: Annotated[int, typer.Option("--worst", min=1, help="At most so many, the most harmful first.")] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")] = None,
) -> None:
    """Show the account of past tickets: how often a decision rested on each, and what people and time made of that.

    `harm` is the lower bound of the share of its known uses in which it led to a wrong label.
    """
    from batch.assemble import open_house
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        if exemplar:
            _one(house, exemplar, as_json=as_json)
        else:
            _worst(house, worst, as_json=as_json)


def _worst(house: "House", most: int, *, as_json: bool) -> None:
    from batch import console
    from batch.ledger_view import account_json, print_json, ranked, show_accounts
    from batch.ledger_view import read as read_accounts

    accounts = read_accounts(house)
    first = ranked(accounts)[:most]
    if as_json:
        print_json({"accounts": len(accounts), "worst": [account_json(one) for one in first]})
        return
    show_accounts(first)
    used = sum(bool(one.fields) for one in accounts.values())
    console.say(f"{len(accounts)} past tickets, {used} of them used as evidence.")


def _one(house: "House", exemplar: str, *, as_json: bool) -> None:
    from batch.ledger_view import account_json, find, print_json, read, show_account

    account = find(read(house), exemplar)
    if as_json:
        print_json(account_json(account))
        return
    show_account(account, {one.id: one for one in house.shelf.exemplars()}.get(account.exemplar))
