"""The commands but `run` and `report`: call one piece of work, show the result. Each gives the number of unreadable rows."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from batch import console
from batch.assemble import EXAMPLES, House
from batch.models import make_embedder
from batch.operator_files import read_taxonomy
from batch.settings import Settings, describe, load_settings
from core.errors import TaxonomyError
from core.ticket import CleanTicket, Ticket

EVALUATION_KEY = b"evaluations keep nothing and repeat"
"""Pseudonyms of an evaluation: always the same, so that its figures are, and gone with its index."""


def prepare(house: House) -> None:
    """See that there is a knowledge base and a fit; for the demo, make them."""
    if house.demo and not (house.home / "kb").exists():
        console.say("Indexing the example company's resolved tickets …")
        ingest_file(house, EXAMPLES / "resolved.jsonl", {}, prune=True, dry_run=False, as_json=False)


def ingest_file(house: House, file: Path, columns: Mapping[str, str], *, prune: bool, dry_run: bool, as_json: bool) -> int:
    """`ingest FILE`."""
    from batch.history import to_exemplars
    from knowledge.archive import Archive
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
        retired = Archive(house.home).read().retired
        with console.counted("Ingest") as progress:
            done = ingest(
                house.shelf,
                house.remembering,
                history.exemplars,
                source=file.name,
                prune=prune,
                retired=retired,
                progress=progress,
            )
        if as_json:
            sys.stdout.write(json.dumps(asdict(done)) + "\n")
        else:
            console.say(
                f"{done.added} added, {done.replaced} replaced, {done.unchanged} unchanged, {done.pruned} pruned:"
                f" {done.total} resolved tickets, {done.duplicates} of them near-duplicates (version {done.version[:12]})."
            )
            if done.retired:
                console.say(
                    f"{done.retired} rows were passed over: a night retired them (`python -m batch maintain list --all`)."
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
    from batch.runreport import thresholds_of

    prepare(house)
    with ExitStack() as stack:
        stage = stack.enter_context(console.stages("Fitting"))
        train = _encoder_trainer(house.settings, house.home / "encoder", stack, lora, epochs) if encoder else None
        fitted = house.fit(stage, train)
    if as_json:
        thresholds = thresholds_of(fitted)
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

    progress = stack.enter_context(console.counted("Encoder"))
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
        stage = stack.enter_context(console.stages("Evaluate"))
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
    from experts.baseline_models import required
    from experts.baselines import run_baselines

    for package in ("optuna", "xgboost", "lightgbm"):  # before anything that takes minutes
        required(package)

    def run(texts: Any, labels: Any, test_texts: Any, vectors: Any, test_vectors: Any, folds: Any) -> Any:  # noqa: ANN401 - as Baselines
        return run_baselines(
            texts, labels, test_texts, vectors=vectors, test_vectors=test_vectors, folds=folds, trials=trials, progress=stage
        )

    return run


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
