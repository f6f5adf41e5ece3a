"""`python -m batch users`: who may use the review pages, and as what."""

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from core.errors import InputError

if TYPE_CHECKING:
    from review.accounts import Accounts, User

app = typer.Typer(
    help="Who may use the review pages: viewers look, reviewers judge, admins also change users and read the audit log.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The person's name: letters, digits and . _ - + @.")]
Role = Literal["viewer", "reviewer", "admin"]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")]


@app.command(epilog="Example: python -m batch users add ana --role admin")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may do.")] = "reviewer",
    config: Config = None,
) -> None:
    """Make an account; from the first one on everybody signs in. The password is asked for, or read from standard input."""
    from batch.console import say

    accounts = _accounts(config)
    first = not accounts.exist()
    user = accounts.add(name, role, _password(), _operator())
    say(f"{user.name} is {user.role}.")
    if first:
        say("From now on people sign in to the pages.")
    if not any(one.role == "admin" and not one.disabled for one in accounts.users()):
        say("There is no admin yet: users and the audit log are on the command line only.")


@app.command("list", epilog="Example: python -m batch users list --json")
def list_(as_json: Json = False, config: Config = None) -> None:
    """Everybody who has an account."""
    from batch.console import out, say

    accounts = _accounts(config)
    users = accounts.users() if accounts.exist() else []
    if as_json:
        content = [{"name": u.name, "role": u.role, "disabled": u.disabled, "provided": u.provided} for u in users]
        sys.stdout.write(json.dumps({"users": content}, ensure_ascii=False) + "\n")
        return
    from rich.table import Table

    table = Table("name", "role", "signs in")
    for user in users:
        how = "disabled" if user.disabled else "at the provider" if user.provided else "with a password"
        table.add_row(user.name, user.role, how)
    out().print(table)
    if not users:
        say("Nobody has an account: whoever is on this machine uses the pages.")


@app.command(epilog="Example: python -m batch users role ana reviewer")
def role(name: Name, role: Annotated[Role, typer.Argument(help="What they may do.")], config: Config = None) -> None:
    """Change what somebody may do, from their next page on. Who signs in at the provider has the role of their group."""
    _tell(_accounts(config).set_role(name, role, _operator()))


@app.command(epilog="Example: python -m batch users disable ana")
def disable(name: Name, config: Config = None) -> None:
    """Lock an account and end its sessions."""
    _tell(_accounts(config).set_disabled(name, True, _operator()))


@app.command(epilog="Example: python -m batch users enable ana")
def enable(name: Name, config: Config = None) -> None:
    """Open a locked account again."""
    _tell(_accounts(config).set_disabled(name, False, _operator()))


@app.command(epilog="Example: python -m batch users password ana")
def password(name: Name, config: Config = None) -> None:
    """Set another password, asked for or read from standard input; the person's sessions end."""
    _tell(_accounts(config).set_password(name, _password(), _operator()))


@app.command(epilog="Example: python -m batch users audit --limit 20")
def audit(
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines.")] = 100,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Who signed in, who was refused, who judged which ticket, and every change of an account; the newest first."""
    from batch.console import out, printable

    lines = _accounts(config).audit(limit)
    if as_json:
        content = [{**{k: getattr(x, k) for k in ("who", "what", "about", "detail")}, "at": x.at.isoformat()} for x in lines]
        sys.stdout.write(json.dumps({"audit": content}, ensure_ascii=False) + "\n")
        return
    from rich.table import Table

    table = Table("when (UTC)", "who", "what", "about", "detail")
    for line in lines:
        row = (line.at.strftime("%Y-%m-%d %H:%M:%S"), line.who, line.what, line.about, line.detail)
        table.add_row(*map(printable, row))
    out().print(table)


def _accounts(config: Path | None) -> "Accounts":
    from batch.settings import load_settings
    from review.accounts import FILE, Accounts

    return Accounts(load_settings(config).home / FILE)


def _operator() -> str:
    return f"{getpass.getuser()} (command line)"


def _password() -> str:
    """Typed twice without being shown, or the first line of standard input; never an argument, which others could list."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise InputError("The two are not the same.", remedy="Try again.")
    return first


def _tell(user: "User") -> None:
    from batch.console import say

    say(f"{user.name} is {user.role}{', disabled' if user.disabled else ''}.")
