"""What `python -m batch observe` does with the journal: ship it to Loki, show what was refused, and its metrics."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from batch import console
from batch.assemble import House
from core.errors import InputError, SettingsError
from observability.journal import Journal

if TYPE_CHECKING:
    from observability.metrics import JournalMetrics
    from observability.shipper import Shipped, Shipper
    from observability.shipping_state import ShippingState

FOLLOW_SECONDS = 2.0
"""Between two looks at the journal."""


def ship(house: House, url: str, *, follow: bool, set_aside: bool, as_json: bool) -> int:
    """Send what Loki has not; with `follow` until Ctrl+C. How many records Loki refused."""
    with _state(house, url) as (journal, state), _shipper(house, url, journal, state, set_aside, follow) as shipper:
        shipped = _with_progress(shipper, journal, state)
        if not follow:
            _tell(shipped, state, as_json=as_json)
            return shipped.refused
        while True:
            if shipped.refused:
                console.say(f"Loki refused {shipped.refused} records: `python -m batch observe dead` says why.")
            time.sleep(FOLLOW_SECONDS)
            shipped = _with_progress(shipper, journal, state)


def _with_progress(shipper: "Shipper", journal: Journal, state: "ShippingState") -> "Shipped":
    waiting = journal.newest() - state.standing().cursor
    if not waiting:
        return shipper.ship(lambda count: None)
    with console.progress_bar("shipping", waiting) as advance:
        return shipper.ship(advance)


def send_traces(house: House, name: str, uri: str) -> None:
    """A run's decisions to MLflow."""
    from importlib.util import find_spec

    from batch.runreport import find_run
    from observability.records import DecisionRecord
    from observability.traces import trace

    if find_spec("mlflow") is None:
        raise SettingsError("MLflow is not installed.", remedy="Install it with `pip install 'tamiz[finetune]'`.")
    with Journal(house.home / "journal.sqlite") as journal:
        run = find_run(journal, name).run
        decided = [one for one in journal.records(run=run, kind="decision") if isinstance(one, DecisionRecord)]
    where = uri or f"sqlite:///{house.home / 'mlflow.db'}"
    with console.progress_bar("traces", len(decided)) as advance:
        new = 0
        for sent in trace(decided, run, where, house.home / "mlflow-artifacts" / "traces"):
            new += sent
            advance()
    console.say(f"{new} traces sent to {where}, {len(decided) - new} were there.")


def show_dead(house: House, url: str, *, resend: bool, as_json: bool) -> int:
    """What Loki refused, sent again first where that is asked for. How many records it still refuses."""
    with _state(house, url) as (journal, state):
        if resend:
            with (
                _shipper(house, url, journal, state, set_aside=True, follow=False) as shipper,
                console.progress_bar("sending again", state.standing().dead) as advance,
            ):
                shipper.resend(advance)
        letters = state.dead()
    rows = [{"seq": one.seq, "at": one.at, "kind": one.kind, "cause": one.cause} for one in letters]
    if as_json:
        sys.stdout.write(json.dumps({"dead": rows}, ensure_ascii=False, indent=1) + "\n")
    else:
        for row in rows:
            console.out().print(f"{row['seq']:>8}  {row['at']}  {row['kind']}  {row['cause']}", markup=False, soft_wrap=True)
        console.say(f"{len(rows)} records of the journal were refused." if rows else "Loki refused nothing.")
    return len(letters)


def _tell(shipped: "Shipped", state: "ShippingState", *, as_json: bool) -> None:
    standing = state.standing()
    if as_json:
        said = {"shipped": shipped.stored, "refused": shipped.refused, "dead": standing.dead, "cursor": standing.cursor}
        sys.stdout.write(json.dumps(said) + "\n")
        return
    console.out().print(f"{shipped.stored} records are in Loki now, {standing.shipped} in all.")
    if standing.dead:
        console.say(f"Loki refused {standing.dead}: `python -m batch observe dead` says why.")


def metrics_of(house: House) -> "JournalMetrics":
    """The metrics of the home; of shipping to the configured Loki, where there is one."""
    from batch.backups import backup_folder
    from observability.metrics import JournalMetrics

    chosen = house.settings.observability
    return JournalMetrics(house.home, _target(house, chosen.loki_url) if chosen.loki_url else "", backups=backup_folder(house))


def show_metrics(house: House, file: Path | None) -> None:
    """The metrics as text, in the file or on standard output."""
    from observability.metrics import exposition, write_exposition

    if file is None:
        sys.stdout.write(exposition(metrics_of(house)))
    else:
        write_exposition(metrics_of(house), file)


def serve_metrics(house: House, port: int) -> None:
    """Answer scrapes until Ctrl+C."""
    from observability.metrics import serve_exposition

    server, thread = serve_exposition(metrics_of(house), port)
    try:
        console.say(f"Metrics at http://127.0.0.1:{server.server_port}/metrics; Ctrl+C stops.")
        thread.join()
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _state(house: House, url: str) -> "Iterator[tuple[Journal, ShippingState]]":
    """The journal and how far it was shipped to this Loki."""
    from observability.shipping_state import ShippingState, state_path

    to = _target(house, _address(house, url))
    with journal_of(house) as journal, ShippingState(state_path(house.home, journal.name, to)) as state:
        yield journal, state


def _target(house: House, url: str) -> str:
    from observability.loki import shown_address
    from observability.shipping_state import target

    return target(shown_address(url), house.settings.observability.loki_tenant)


@contextmanager
def _shipper(
    house: House, url: str, journal: Journal, state: "ShippingState", set_aside: bool, follow: bool
) -> "Iterator[Shipper]":
    from observability.loki import Loki, Policy
    from observability.shipper import Shipper

    policy = Policy(patience=float("inf")) if follow else Policy()
    with Loki(_address(house, url), tenant=house.settings.observability.loki_tenant, policy=policy) as loki:
        yield Shipper(journal, state, loki, set_aside=set_aside)


@contextmanager
def journal_of(house: House) -> Iterator[Journal]:
    """The home's journal. Raises InputError where nothing was triaged yet."""
    path = house.home / "journal.sqlite"
    if not path.exists():
        raise InputError("Nothing has been triaged here yet.", remedy="Run `python -m batch run` first.")
    with Journal(path) as journal:
        yield journal


def _address(house: House, url: str) -> str:
    address = url or house.settings.observability.loki_url
    if not address:
        remedy = "Set observability.loki_url in tamiz.toml (TAMIZ_OBSERVABILITY__LOKI_URL), or give --url."
        raise SettingsError("No Loki is configured.", remedy=remedy)
    return address
