"""`run` and `report`: tickets in, decisions written and shown. Each gives the number of rows that could not be read."""

import gc
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch import console
from batch.assemble import EXAMPLES, House
from batch.commands import prepare
from batch.settings import describe
from core.errors import DeskError, RowError
from core.ticket import Ticket
from observability.records import DecisionRecord

if TYPE_CHECKING:
    from servicedesk.http import HttpDesk

WARM_UP = Ticket("warm-up", "No puedo entrar", "La clave no vale: escriba a sd@example.com o llame al +34 600 000 000.")

READ_TOGETHER = 64
"""Tickets of a chunk where a language model reads them."""


def run_desk(house: House, *, limit: int | None, dry_run: bool, as_json: bool) -> int:
    """`run`: the open tickets of the desk."""
    from servicedesk.http import HttpDesk

    with ExitStack() as stack:
        url = house.settings.desk.url or stack.enter_context(_mock_desk(house))
        prepare(house)
        desk = stack.enter_context(HttpDesk(url, token=house.settings.desk.token.get_secret_value()))
        source = house.settings.desk.url or "bundled mock desk"
        tickets = list(desk.open_tickets(limit))
        problems = list(desk.problems)
        report = _filed(house, _run(house, source, tickets, problems, desk=desk, dry_run=dry_run))
    _show(house, report, problems, as_json=as_json, left_alone=len(desk.settled))
    _require_written(report)
    return len(problems)


def _require_written(report: Mapping[str, Any]) -> None:
    failed = [write for write in report["unwritten"] if write["state"] == "failed"]
    if failed:
        raise DeskError(
            f"{len(failed)} decisions could not be written, the first for ticket {failed[0]['id']}: {failed[0]['error']}",
            remedy="Run again: they are in the journal and are written then; nothing is written twice.",
        )


def run_file(house: House, source: Path, columns: Mapping[str, str], *, limit: int | None, dry_run: bool, as_json: bool) -> int:
    """`run FILE`: the tickets of a table, the results beside it."""
    from batch.results import result_row
    from servicedesk.tables import read_table, to_tickets, write_beside

    table = read_table(source, columns)
    console.show_notes(table)
    by_row, repeated = to_tickets(table)
    problems = [*table.problems, *repeated]
    rows = list(by_row.items())[:limit]
    prepare(house)
    report = _run(house, str(source), [ticket for _, ticket in rows], problems, desk=None, dry_run=dry_run)
    more = {}
    if not dry_run:
        decided = {ticket["id"]: ticket for ticket in report["tickets"]}
        language = console.terminal_language(house.settings.run.language)
        results = {number: result_row(decided[ticket.id], language) for number, ticket in rows}
        more["results"] = str(write_beside(table, results, problems=repeated))
    _show(house, _filed(house, report, **more), problems, as_json=as_json)
    return len(problems)


def _run(
    house: House,
    source: str,
    tickets: Sequence[Ticket],
    problems: Sequence[RowError],
    *,
    desk: "HttpDesk | None",
    dry_run: bool,
) -> dict[str, Any]:
    from batch.run import Run
    from batch.runreport import build_report, find_run, thresholds_of
    from observability.journal import Journal
    from observability.logs import configure_logs, log_decision, log_event

    configure_logs(house.home)
    name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    with console.stages("Fitting") as stage:
        fitted = house.fitted(stage)
        stage("loading the models")
        pipeline = house.pipeline(fitted)
        pipeline.decide([WARM_UP])  # what is imported and loaded on first use is not the tickets' time
        gc.freeze()  # models and exemplars stay to the end: nothing in them is garbage
    settings = house.settings
    with Journal(house.home / "journal.sqlite") as journal:
        run = Run(
            name, source, pipeline, journal, house.versions(), desk, dry_run, _chunk(house),
            settings.desk.comment_language,
        )  # fmt: skip
        with console.progress_bar("Triage", len(tickets)) as advance:

            def done(record: DecisionRecord, state: str) -> None:
                advance()
                log_decision(record)
                log_event("write", run=name, ticket=record.ticket_id, state=state)

            run.execute(tickets, {name: value for name, value, _, _ in describe(settings)}, done)
        return build_report(journal, find_run(journal, name), thresholds_of(fitted), [_problem(problem) for problem in problems])


def _chunk(house: House) -> int:
    """A language model is so much slower that a small chunk costs nothing, and progress is seen and kept sooner."""
    return min(house.settings.run.chunk, READ_TOGETHER) if house.language_model else house.settings.run.chunk


def _problem(problem: RowError) -> dict[str, Any]:
    return {"row": problem.row, "field": problem.field, "message": problem.message, "remedy": problem.remedy}


def _filed(house: House, report: Mapping[str, Any], **more: str) -> dict[str, Any]:
    """The report with the paths of the files it was written to, and of `more`."""
    from batch.files import write_report

    language = console.terminal_language(house.settings.run.language)
    return {**report, "paths": write_report(house.home, report, language, more)}


def _show(house: House, report: Mapping[str, Any], problems: Sequence[RowError], *, as_json: bool, left_alone: int = 0) -> None:
    language = console.terminal_language(house.settings.run.language)
    done = report["totals"]["already_done"] + left_alone
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    elif report["tickets"]:
        console.show_decisions(report, language)
        console.show_summary(report, language)
    else:
        console.out().print(f"Nothing is left to do: {done} open tickets were triaged before and have not changed since.")
        for name, path in report["paths"].items():
            console.out().print(f"{name:>8}: {path}", markup=False, soft_wrap=True)
    if report["tickets"] and done and not as_json:
        console.say(f"{done} more were triaged before and have not changed since.")
    if report["totals"]["settled"]:
        console.say(f"{report['totals']['settled']} writes that an earlier run had not finished are done now.")
    console.show_problems(problems)


@contextmanager
def _mock_desk(house: House) -> Iterator[str]:
    from mocks.desk import create_desk
    from mocks.serve import serve

    with serve(create_desk(house.home / "mock-desk", tickets=EXAMPLES / "open.jsonl")) as url:
        console.say(f"No service desk is configured: the bundled mock desk serves an example company's tickets at {url}.")
        yield url


def report_run(house: House, name: str, *, as_json: bool) -> int:
    """`report RUN`: what the journal does not hold (rows that could not be read, where results are) stays as it was written."""
    from batch.files import earlier_report
    from batch.runreport import build_report, find_run
    from observability.journal import Journal

    with Journal(house.home / "journal.sqlite") as journal:
        entry = find_run(journal, name)
        known = earlier_report(house.home, entry.run)
        report = build_report(journal, entry, known.get("thresholds"), known.get("problems", ()))
    results = known.get("paths", {}).get("results")
    report = _filed(house, report, **({"results": results} if results else {}))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    else:
        console.show_summary(report, console.terminal_language(house.settings.run.language))
    return 0
