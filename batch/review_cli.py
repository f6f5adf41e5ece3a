"""`python -m batch review`: what a person types to judge what the gate held back."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from core.errors import InputError

if TYPE_CHECKING:
    from batch.reviewing import ReviewDesk

UNREADABLE_ROWS = 3

app = typer.Typer(help="Judge what was held back: approve, correct, reject, skip, undo. Without a command: one after another.")

Ticket = Annotated[str, typer.Argument(help="The ticket's id.")]
Who = Annotated[str, typer.Option(help="Who judges. Default: the name you are logged in with.")]
Sort = Annotated[Literal["mixed", "teaches", "urgency", "oldest"], typer.Option("--order", help="What comes first.")]
Reason = Annotated[str, typer.Option(help="Why.")]
Exemplar = Annotated[str, typer.Option(help="Id of the past ticket whose resolution is right.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context, order: Sort = "mixed", who: Who = "", config: Config = None) -> None:
    """Judge what was held back, one ticket after another: each key is said on the screen."""
    if context.invoked_subcommand is None:
        from batch.review_terminal import settled, work

        with _desk(who, config) as desk:
            if owed := desk.settle():
                settled(owed)
            work(desk, order)


@app.command("list", epilog="Example: python -m batch review list --order urgency")
def list_(
    order: Sort = "mixed",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 40,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """What waits for a person, the first to look at first."""
    from batch.review_terminal import show_queue

    with _desk("", config) as desk:
        show_queue(desk, order, limit, as_json=as_json)


@app.command(epilog="Example: python -m batch review show T-2104")
def show(ticket: Ticket, as_json: Json = False, config: Config = None) -> None:
    """One ticket: what was proposed and why, the exemplars, each opinion, the critic, the thresholds, the history."""
    from batch.review_terminal import show_one

    with _desk("", config) as desk:
        show_one(desk, ticket, as_json=as_json)


@app.command(epilog="Example: python -m batch review approve T-2104")
def approve(ticket: Ticket, exemplar: Exemplar = "", who: Who = "", as_json: Json = False, config: Config = None) -> None:
    """What was proposed is right."""
    from batch.review_terminal import tell

    with _desk(who, config) as desk:
        tell(desk.judge(ticket, "approved", {}, exemplar=exemplar), as_json=as_json)


@app.command(epilog="Example: python -m batch review correct T-2104 category=Red urgency=alta --reason 'toda la sede'")
def correct(
    ticket: Ticket,
    labels: Annotated[list[str], typer.Argument(metavar="FIELD=LABEL...", help="What is right instead; the rest is confirmed.")],
    reason: Reason = "",
    exemplar: Exemplar = "",
    who: Who = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Some fields are other than proposed; the others are right."""
    from batch.review_terminal import tell

    with _desk(who, config) as desk:
        tell(desk.judge(ticket, "corrected", _changes(labels), reason, exemplar), as_json=as_json)


@app.command(epilog="Example: python -m batch review reject T-2104 --reason 'two problems in one ticket'")
def reject(ticket: Ticket, reason: Reason = "", who: Who = "", as_json: Json = False, config: Config = None) -> None:
    """The triage is wrong, and you don't say what is right."""
    from batch.review_terminal import tell

    with _desk(who, config) as desk:
        tell(desk.judge(ticket, "rejected", {}, reason), as_json=as_json)


@app.command(epilog="Example: python -m batch review skip T-2104")
def skip(ticket: Ticket, who: Who = "", config: Config = None) -> None:
    """Put it off: it comes after all others."""
    with _desk(who, config) as desk:
        desk.skip(ticket)


@app.command(epilog="Example: python -m batch review undo T-2104")
def undo(ticket: Ticket, who: Who = "", as_json: Json = False, config: Config = None) -> None:
    """Take the last verdict back; what it wrote to the desk is removed where it is still there."""
    from batch.review_terminal import tell

    with _desk(who, config) as desk:
        tell(desk.undo(ticket), as_json=as_json, undone=True)


@app.command(epilog="Example: python -m batch review settle")
def settle(who: Who = "", config: Config = None) -> None:
    """Tell the desk the verdicts that it does not know of yet."""
    from batch.review_terminal import settled

    with _desk(who, config) as desk:
        settled(desk.settle())


@app.command(epilog="Example: python -m batch review export waiting.xlsx")
def export(
    file: Annotated[Path, typer.Argument(help="An .xlsx file; one that is there is replaced.")],
    order: Sort = "mixed",
    config: Config = None,
) -> None:
    """What waits as an Excel file, with the labels to choose from."""
    from batch.console import say, terminal_language
    from batch.review_sheet import export as write

    with _desk("", config) as desk:
        count = write(desk, file, order, terminal_language(desk.house.settings.run.language))
        say(f"{count} tickets are in {file}. Fill in `verdict` (approve, correct, reject, skip), then `review import {file}`.")


@app.command("import", epilog="Example: python -m batch review import waiting.xlsx --who ana")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `review export` wrote, with verdicts filled in.")],
    who: Who = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Take the verdicts of an Excel file in, with an account of every row; the same file again changes nothing."""
    from batch.review_sheet import take_in
    from batch.review_terminal import tell_rows

    with _desk(who, config) as desk:
        said = take_in(desk, file)
        tell_rows(said, as_json=as_json)
    if any(one.said == "refused" for one in said):
        raise typer.Exit(UNREADABLE_ROWS)


@contextmanager
def _desk(who: str, config: Path | None) -> "Iterator[ReviewDesk]":
    from batch.assemble import open_house
    from batch.reviewing import ReviewDesk
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        yield ReviewDesk(house, who or getpass.getuser())


def _changes(pairs: list[str]) -> dict[str, str]:
    changes = {}
    for pair in pairs:
        field, equals, label = pair.partition("=")
        if not (field.strip() and equals and label.strip()):
            raise InputError(f"{pair!r} is not of the form field=label.", remedy="For example category=Red.")
        changes[field.strip()] = label.strip()
    return changes
