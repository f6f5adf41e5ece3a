"""What each command does: call one piece of work and show the result. Each returns the number of rows that could not be read."""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch import console
from batch.assemble import EXAMPLES, House, make_embedder, read_taxonomy
from batch.settings import Settings, describe, load_settings
from core.errors import DeskError, RowError, TaxonomyError
from core.ticket import CleanTicket, Ticket
from observability.records import DecisionRecord

EVALUATION_KEY = b"evaluations keep nothing and repeat"
"""Pseudonyms of an evaluation: always the same, so that its figures are, and gone with its index."""

if TYPE_CHECKING:
    from servicedesk.http import HttpDesk


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


def prepare(house: House) -> None:
    """See that there is a knowledge base and a fit; for the demo, make them."""
    if house.demo and not (house.home / "kb").exists():
        console.say("Indexing the example company's resolved tickets …")
        ingest_file(house, EXAMPLES / "resolved.jsonl", {}, prune=True, dry_run=False, as_json=False)


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
    from batch.runreport import build_report, find_run
    from observability.journal import Journal
    from observability.logs import configure_logs, log_decision, log_event

    configure_logs(house.home)
    name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    with _stages("Fitting") as stage:
        fitted = house.fitted(stage)
        stage("loading the embedder")
        house.embedder.encode(["warm"])
    settings = house.settings
    with Journal(house.home / "journal.sqlite") as journal:
        run = Run(
            name, source, house.pipeline(fitted), journal, house.versions(), desk, dry_run, settings.run.chunk,
            settings.desk.comment_language,
        )  # fmt: skip
        with console.progress_bar("Triage", len(tickets)) as advance:

            def done(record: DecisionRecord, state: str) -> None:
                advance()
                log_decision(record)
                log_event("write", run=name, ticket=record.ticket_id, state=state)

            run.execute(tickets, {name: value for name, value, _, _ in describe(settings)}, done)
        return build_report(journal, find_run(journal, name), _thresholds(fitted), [_problem(problem) for problem in problems])


def _problem(problem: RowError) -> dict[str, Any]:
    return {"row": problem.row, "field": problem.field, "message": problem.message, "remedy": problem.remedy}


def _thresholds(fitted: Any) -> dict[str, Any]:  # noqa: ANN401 - Fitted, whose room is imported late
    return {name: {**asdict(threshold), "holds": threshold.holds} for name, threshold in fitted.thresholds.items()}


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
            console.out().print(f"{name:>8}: {path}", markup=False)
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


def ingest_file(house: House, file: Path, columns: Mapping[str, str], *, prune: bool, dry_run: bool, as_json: bool) -> int:
    """`ingest FILE`."""
    from batch.history import to_exemplars
    from knowledge.ingest import ingest
    from servicedesk.tables import read_table, to_resolved

    table = read_table(file, columns, require_text=True)
    console.show_notes(table)
    resolved, repeated = to_resolved(table)
    if not house.taxonomy_path.exists() and house.settings.taxonomy is None:
        _first_taxonomy(house, resolved, file.stem, dry_run=dry_run)
    history = to_exemplars(resolved, house.taxonomy, house.intake, file.name)
    problems = [*table.problems, *repeated, *history.problems]
    if dry_run:
        console.say(f"{len(history.exemplars)} resolved tickets can be taken in; nothing was changed.")
    else:
        with _counted("Ingest") as progress:
            done = ingest(house.shelf, house.remembering, history.exemplars, source=file.name, prune=prune, progress=progress)
        if as_json:
            sys.stdout.write(json.dumps(asdict(done)) + "\n")
        else:
            console.say(
                f"{done.added} added, {done.replaced} replaced, {done.unchanged} unchanged, {done.pruned} pruned:"
                f" {done.total} resolved tickets, {done.duplicates} of them near-duplicates (version {done.version[:12]})."
            )
    console.show_problems(problems)
    return len(problems)


def _first_taxonomy(house: House, resolved: Sequence[Any], name: str, *, dry_run: bool) -> None:
    from batch.files import save
    from batch.inference import infer_rows

    text = infer_rows(resolved, house.intake, name)
    if dry_run:
        raise TaxonomyError(f"There is no taxonomy {house.taxonomy_path} yet.", remedy="Make one with `taxonomy infer FILE`.")
    save(house.taxonomy_path, text)
    console.say(f"There was no taxonomy: one was made from the file. Read and correct it: {house.taxonomy_path}")


def fit_house(house: House, *, encoder: bool, lora: int, epochs: int, as_json: bool) -> int:
    """`fit`."""
    prepare(house)
    with ExitStack() as stack:
        stage = stack.enter_context(_stages("Fitting"))
        train = _encoder_trainer(house.settings, house.home / "encoder", stack, lora, epochs) if encoder else None
        fitted = house.fit(stage, train)
    if as_json:
        thresholds = _thresholds(fitted)
        sys.stdout.write(json.dumps({"quality": fitted.quality, "thresholds": thresholds}, ensure_ascii=False, indent=1) + "\n")
    else:
        console.show_fit(fitted)
    return 0


def _encoder_trainer(  # the type is TrainEncoder, whose room is imported late
    settings: Settings, workdir: Path, stack: ExitStack, lora: int, epochs: int
) -> Any:  # noqa: ANN401
    from experts.encoder import EncoderSettings
    from experts.encoder_training import train_encoder
    from knowledge.embedder import Embedder

    progress = stack.enter_context(_counted("Encoder"))
    chosen = EncoderSettings(base=str(Embedder(settings.embedder.model).folder), epochs=epochs, lora_rank=lora)

    def train(texts: Any, labels: Any, taxonomy: Any, fields: Any, folds: Any) -> Any:  # noqa: ANN401 - as TrainEncoder
        return train_encoder(chosen, workdir, texts, labels, taxonomy, fields, folds, progress)

    return train


def search_house(house: House, text: str, k: int, where: Mapping[str, str], *, as_json: bool) -> int:
    """`search`."""
    prepare(house)
    cleaned: CleanTicket = house.intake.clean(Ticket("query", "", text))
    filters = {_filter_key(house, name): _filter_value(house, name, value) for name, value in where.items()}
    vectors = house.embedder.encode([cleaned.text])
    found = house.knowledge.search([cleaned], vectors, k, where=filters)[0]
    if as_json:
        rows = [{"similarity": n.similarity, **asdict(n.exemplar)} for n in found]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    else:
        console.show_neighbors(found)
    return 0


def _filter_key(house: House, name: str) -> str:
    return f"labels.{name}" if name in house.taxonomy.fields else name


def _filter_value(house: House, name: str, value: str) -> str:
    return house.taxonomy.canonical(name, value) if name in house.taxonomy.fields else value


def evaluate_tables(
    settings: Settings,
    kb: Path,
    test: Path,
    fields: tuple[str, ...],
    columns: Mapping[str, str],
    *,
    encoder: bool,
    epochs: int,
    trials: int | None,
    json_out: Path | None,
    html: Path | None,
) -> int:
    """`evaluate`."""
    from batch.evaluation import Plan, evaluate
    from batch.files import require_place, save
    from batch.report import render_evaluation
    from intake import Intake

    require_place(json_out)
    require_place(html)
    definitions = read_taxonomy(settings.taxonomy) if settings.taxonomy else None
    plan = Plan(kb, test, fields, columns, definitions, settings.knowledge.neighbors, settings.run.chunk)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tamiz-evaluate-")))
        stage = stack.enter_context(_stages("Evaluate"))
        train = _encoder_trainer(settings, settings.home / "encoder", stack, 0, epochs) if encoder else None
        result, problems = evaluate(
            plan, home, Intake(EVALUATION_KEY), make_embedder(settings), settings,
            train_encoder=train, baselines=_baselines(trials, stage) if trials else None, progress=stage,
        )  # fmt: skip
    if json_out:
        save(json_out, json.dumps(result, ensure_ascii=False, indent=1))
    if html:
        language = console.terminal_language(settings.run.language)
        save(html, render_evaluation(result, "es" if language == "es" else "en"))
    console.show_evaluation(result)
    console.show_problems(problems)
    return len(problems)


def _baselines(trials: int, stage: Any) -> Any:  # noqa: ANN401 - Baselines of `batch.evaluation`
    from experts.baselines import run_baselines

    def run(texts: Any, labels: Any, test_texts: Any, vectors: Any, test_vectors: Any, folds: Any) -> Any:  # noqa: ANN401 - as Baselines
        return run_baselines(
            texts, labels, test_texts, vectors=vectors, test_vectors=test_vectors, folds=folds, trials=trials, progress=stage
        )

    return run


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


def show_settings(config: Path | None, *, as_json: bool) -> int:
    """`settings`."""
    settings = load_settings(config)
    rows = list(describe(settings, config))
    if as_json:
        sys.stdout.write(json.dumps({n: {"value": v, "origin": o} for n, v, o, _ in rows}, indent=1) + "\n")
    else:
        console.show_settings(rows)
    return 0


def infer_from_file(file: Path, columns: Mapping[str, str]) -> int:
    """`taxonomy infer`."""
    import secrets

    from batch.inference import infer_rows
    from intake import Intake
    from servicedesk.tables import read_table, to_resolved

    table = read_table(file, columns, require_text=True)
    resolved, repeated = to_resolved(table)
    problems = [*table.problems, *repeated]
    sys.stdout.write(infer_rows(resolved, Intake(secrets.token_bytes(32)), file.stem))
    console.show_problems(problems)
    return len(problems)


def check_taxonomy(path: Path) -> int:
    """`taxonomy check`."""
    taxonomy = read_taxonomy(path)
    console.out().print(f"{path} holds together: version {taxonomy.version}, {len(taxonomy.rules)} rules.", markup=False)
    for name, spec in taxonomy.fields.items():
        console.out().print(f"  {name}: {len(spec.labels)} labels, {spec.mode}, target {spec.target_precision:.2f}", markup=False)
    return 0


@contextmanager
def _stages(label: str) -> Iterator[Any]:
    """A spinner on standard error that names the stage."""
    with console.err().status(label) as status:
        yield lambda stage: status.update(f"{label}: {stage}")


@contextmanager
def _counted(label: str) -> Iterator[Any]:
    """A bar on standard error for work that says (stage, done, total)."""
    from rich.progress import Progress

    with Progress(console=console.err(), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda stage, done, total: progress.update(task, description=f"{label}: {stage}", completed=done, total=total)
