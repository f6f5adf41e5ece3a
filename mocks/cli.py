"""`python -m mocks desk | systems | loki | all | reset`: start the stand-ins, or empty their state."""

import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import InputError, SettingsError, TamizError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from mocks.faults import Faults

EXAMPLES = Path(__file__).parent / "examples"
STATE_VARIABLE = "TAMIZ_HOME"

app = typer.Typer(
    help="Stand-ins for trying Tamiz: a service desk, the resolution systems and Loki, over HTTP on this machine.",
    epilog="Example: python -m mocks all --port 8750",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one and says which.")]
Host = Annotated[str, typer.Option(help="Address to listen on. The default is reachable from this machine only.")]
State = Annotated[Path | None, typer.Option(help="Folder of the state. Default: mocks/ under TAMIZ_HOME, else var/mocks.")]
Tickets = Annotated[Path | None, typer.Option(help="Tickets (.jsonl) to load while the desk has none. Default: the examples.")]
FaultsFile = Annotated[Path | None, typer.Option("--faults", help="Faults to inject (.json). Default: TAMIZ_FAULTS, else none.")]
Taxonomy = Annotated[Path | None, typer.Option(help="Taxonomy (.yaml) whose `systems` are stood in for. Default: the example.")]
Ready = Annotated[Path | None, typer.Option(help='Where to write {"url", "pid"} as JSON once it listens.')]
Token = Annotated[str, typer.Option(envvar="TAMIZ_MOCK_TOKEN", help="Bearer token that requests must carry; none by default.")]
Builder = Callable[[Path, "Faults", str], "ASGIApp"]


@app.command(epilog="Example: python -m mocks desk --port 8750 --tickets my_tickets.jsonl")
def desk(
    port: Port = 8750,
    host: Host = "127.0.0.1",
    state: State = None,
    tickets: Tickets = None,
    faults: FaultsFile = None,
    ready_file: Ready = None,
    token: Token = "",
) -> None:
    """Start the mock service desk. Its interactive documentation is at /docs."""

    def build(folder: Path, schedule: "Faults", secret: str) -> "ASGIApp":
        from mocks.desk import create_desk

        return create_desk(folder, tickets=_tickets(tickets), faults=schedule, token=secret)

    _run("Service desk", build, port=port, host=host, state=state, faults=faults, ready_file=ready_file, token=token)


@app.command(epilog="Example: python -m mocks systems --port 8751")
def systems(
    port: Port = 8751,
    host: Host = "127.0.0.1",
    state: State = None,
    taxonomy: Taxonomy = None,
    faults: FaultsFile = None,
    ready_file: Ready = None,
    token: Token = "",
) -> None:
    """Start the mock resolution systems: POST /systems/<name>/actions."""

    def build(folder: Path, schedule: "Faults", secret: str) -> "ASGIApp":
        from mocks.systems import create_systems

        return create_systems(folder, names=_system_names(taxonomy), faults=schedule, token=secret)

    _run("Systems", build, port=port, host=host, state=state, faults=faults, ready_file=ready_file, token=token)


@app.command(epilog="Example: python -m mocks loki --port 3100")
def loki(
    port: Port = 3100,
    host: Host = "127.0.0.1",
    state: State = None,
    faults: FaultsFile = None,
    ready_file: Ready = None,
    token: Token = "",
) -> None:
    """Start a stand-in for Loki: its push API with its limits, and range queries to read back."""

    def build(folder: Path, schedule: "Faults", secret: str) -> "ASGIApp":
        from mocks.loki import create_loki

        return create_loki(folder, faults=schedule, token=secret)

    _run("Loki", build, port=port, host=host, state=state, faults=faults, ready_file=ready_file, token=token)


@app.command("all", epilog="Example: python -m mocks all --port 0 --ready-file var/mocks.json")
def both(
    port: Port = 8750,
    host: Host = "127.0.0.1",
    state: State = None,
    tickets: Tickets = None,
    taxonomy: Taxonomy = None,
    faults: FaultsFile = None,
    ready_file: Ready = None,
    token: Token = "",
) -> None:
    """Start the service desk and the systems together, under one address."""

    def build(folder: Path, schedule: "Faults", secret: str) -> "ASGIApp":
        from mocks import app as shared
        from mocks import desk as desk_app
        from mocks import systems as systems_app

        names = _system_names(taxonomy)
        stores = {"desk": desk_app.open_desk(folder, _tickets(tickets)), "systems": systems_app.SystemsStore(folder, names)}
        return shared.build("Mocks", [desk_app.router, systems_app.router], stores, faults=schedule, token=secret)

    _run("Desk and systems", build, port=port, host=host, state=state, faults=faults, ready_file=ready_file, token=token)


@app.command(epilog="Example: python -m mocks reset --state var/mocks")
def reset(state: State = None) -> None:
    """Empty the state of all stand-ins: the next start of the desk loads the tickets again."""
    from mocks.desk_store import DATABASE as DESK
    from mocks.desk_store import DeskStore
    from mocks.loki_store import DATABASE as LOKI
    from mocks.loki_store import LokiStore
    from mocks.systems import DATABASE as SYSTEMS
    from mocks.systems import SystemsStore

    with _clear_errors():
        folder = _state(state)
        stores: dict[str, Callable[[Path], DeskStore | SystemsStore | LokiStore]]
        stores = {DESK: DeskStore, SYSTEMS: lambda place: SystemsStore(place, ()), LOKI: LokiStore}
        found = [name for name in stores if (folder / name).exists()]
        for name in found:
            store = stores[name](folder)
            store.clear()
            store.close()
        typer.echo(f"Emptied in {folder}: {', '.join(found)}." if found else f"There is no state in {folder}.")


def main() -> None:
    """The entry of `python -m mocks`."""
    app(prog_name="python -m mocks")


def _run(
    title: str,
    build: Builder,
    *,
    port: int,
    host: str,
    state: Path | None,
    faults: Path | None,
    ready_file: Path | None,
    token: str,
) -> None:
    """Serve until SIGINT or SIGTERM."""
    from mocks.faults import load_faults
    from mocks.serve import serve

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _clear_errors():
        _withdraw(ready_file)
        folder = _state(state)
        with serve(build(folder, load_faults(faults), token), port, host=host) as url, _announced(ready_file, url):
            typer.echo(f"{title} at {url} (state in {folder}). Ctrl+C stops it.")
            while not stop.wait(0.5):
                pass


@contextmanager
def _announced(ready_file: Path | None, url: str) -> "Iterator[None]":
    """The ready file, there in one piece while the server listens."""
    if ready_file is None:
        yield
        return
    part = ready_file.with_name(f"{ready_file.name}.part")
    with _ready_file_errors():
        ready_file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
        part.replace(ready_file)
    try:
        yield
    finally:
        _withdraw(ready_file)


def _withdraw(ready_file: Path | None) -> None:
    """No ready file without a server: one may be left of a process that was killed."""
    with _ready_file_errors():
        if ready_file:
            ready_file.unlink(missing_ok=True)


@contextmanager
def _ready_file_errors() -> "Iterator[None]":
    try:
        yield
    except OSError as error:
        raise InputError(f"The ready file can't be written: {error}.", remedy="Name another with --ready-file.") from error


@contextmanager
def _clear_errors() -> "Iterator[None]":
    try:
        yield
    except TamizError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def _state(given: Path | None) -> Path:
    return given or Path(os.environ.get(STATE_VARIABLE) or "var") / "mocks"


def _tickets(given: Path | None) -> Path | None:
    """The file that was asked for, else the examples where they are there."""
    example = EXAMPLES / "open.jsonl"
    return given or (example if example.exists() else None)


def _system_names(taxonomy: Path | None) -> Sequence[str]:
    import yaml
    from pydantic import ValidationError

    from core.taxonomy import Taxonomy as Labels

    path = taxonomy or EXAMPLES / "taxonomy.yaml"
    try:
        return Labels.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).systems
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        remedy = "Name another with --taxonomy."
        raise SettingsError(f"The systems can't be read from {path}: {error}.", remedy=remedy) from error
