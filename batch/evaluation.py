"""`evaluate`: fit on one table, score on another, with a throw-away index. Nothing of the test table reaches the fit.

Label sets come from the knowledge base's own columns. Thresholds come from out-of-fold predictions on it; precision and
coverage are measured on the test table. A test ticket that the pipeline refuses counts as wrong, with confidence 0.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch.assemble import make_pipeline
from batch.history import to_exemplars
from batch.scoring import score_baselines, score_critic, score_field
from batch.settings import Settings
from core.errors import InputError, RowError
from core.pipeline import Pipeline
from core.retrieval import Search
from core.taxonomy import FieldSpec, Label, Mode, Taxonomy
from core.text import fold
from core.ticket import Exemplar, Ticket, Vectors
from core.triage import Decision
from experts.fit import fit
from experts.outoffold import TrainEncoder
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.duplicates import shared
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from servicedesk.tables import read_table, to_resolved, to_tickets

Baselines = Callable[[Sequence[str], Sequence[str], Sequence[str], Vectors, Vectors, NDArray[np.intp]], Sequence[Any]]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be evaluated and how. `definitions` lends names and synonyms to labels it also has."""

    kb: Path
    test: Path
    fields: tuple[str, ...]
    columns: Mapping[str, str]
    definitions: Taxonomy | None = None
    k: int = 30
    chunk: int = 128


def evaluate(
    plan: Plan,
    home: Path,
    intake: Intake,
    embedder: Embedder,
    settings: Settings,
    *,
    train_encoder: TrainEncoder | None = None,
    baselines: Baselines | None = None,
    progress: Progress = lambda stage: None,
) -> tuple[dict[str, Any], list[RowError]]:
    """Run it all under `home`, a directory that the caller throws away.

    Gives the figures, in the structure of the published JSON, and the rows of both tables that could not be used.
    """
    seconds = _Stages(progress)
    remembering = CachedEmbedder(embedder, home / "vectors.sqlite")
    with seconds("read and clean"):
        tickets, problems = read_test(plan)
        taxonomy, history, more = read_history(plan, intake)
    with seconds("embed and index"):
        shelf = shelf_at(home)
        ingest(shelf, remembering, history, source=plan.kb.name)
    with KnowledgeBase.open(shelf, embedder, floor=settings.knowledge.floor) as knowledge:
        with seconds("fit"):
            exemplars = knowledge.exemplars()
            vectors = remembering.encode([exemplar.text for exemplar in exemplars])
            fitted = fit(
                taxonomy, exemplars, vectors, _search(knowledge), remembering.encode, k=plan.k, train_encoder=train_encoder,
                progress=progress,
            )  # fmt: skip
        _require_fitted(plan.fields, fitted.fields)
        with seconds("test"):
            decisions = decide_all(
                make_pipeline(taxonomy, intake, embedder, _search(knowledge), fitted, settings), tickets, plan.chunk
            )
    gold = [{f: _gold(taxonomy, f, ticket.labels.get(f, "")) for f in plan.fields} for ticket in tickets]
    test_texts = [decision.ticket.text for decision in decisions]
    test_vectors = embedder.encode(test_texts)
    scores = {f: score_field(f, fitted, decisions, gold) for f in plan.fields}
    result = {
        "n_kb": len(exemplars),
        "n_test": len(decisions),
        "unreadable": len(problems) + len(more),
        "duplicates_shared": int(np.size(shared([e.text for e in exemplars], vectors, test_texts, test_vectors))),
        "fields": scores,
        "critic": score_critic(fitted, decisions, gold),
    }
    if baselines is not None:
        with seconds("baselines"):
            for field in plan.fields:
                rows = [i for i, e in enumerate(exemplars) if field in e.labels]
                found = baselines(
                    [exemplars[i].text for i in rows], [exemplars[i].labels[field] for i in rows], test_texts,
                    vectors[rows], test_vectors, fitted.folds[rows],
                )  # fmt: skip
                scores[field] |= score_baselines(field, found, decisions, gold)
    rate = len(decisions) / seconds.of("test")
    return {**result, "seconds": seconds.rounded(), "tickets_per_second": rate}, [*more, *problems]


def read_history(plan: Plan, intake: Intake) -> tuple[Taxonomy, tuple[Exemplar, ...], list[RowError]]:
    """The knowledge base's table: its label sets, its exemplars, and the rows that could not be used."""
    table = read_table(plan.kb, plan.columns, extra=plan.fields, require_text=True)
    resolved, repeated = to_resolved(table)
    taxonomy = taxonomy_of([row.ticket.labels for row in resolved], plan.fields, plan.definitions)
    history = to_exemplars(resolved, taxonomy, intake, plan.kb.name)
    return taxonomy, history.exemplars, _in(plan.kb, (*table.problems, *repeated, *history.problems))


def read_test(plan: Plan) -> tuple[list[Ticket], list[RowError]]:
    """The test table's tickets, in order, and the rows that could not be read.

    Raises:
        InputError: it has no gold label at all for one of the fields.
    """
    table = read_table(plan.test, plan.columns, extra=plan.fields)
    tickets, repeated = to_tickets(table)
    for field in plan.fields:
        if not any(ticket.labels.get(field) for ticket in tickets.values()):
            raise InputError(f"The test table has no values for {field}.", remedy="Name its column with --map theirs=ours.")
    return list(tickets.values()), _in(plan.test, (*table.problems, *repeated))


def _require_fitted(asked: Sequence[str], fitted: Sequence[str]) -> None:
    if missing := [field for field in asked if field not in fitted]:
        raise InputError(
            f"Nothing can be learnt for {', '.join(missing)}: too few labelled tickets, or only one label.",
            remedy="Leave it out of --fields, or add tickets to the knowledge base.",
        )


def _in(file: Path, problems: Iterable[RowError]) -> list[RowError]:
    return [RowError(f"{file.name}: {p.message}", row=p.row, field=p.field, remedy=p.remedy) for p in problems]


def taxonomy_of(rows: Sequence[Mapping[str, str]], fields: Sequence[str], definitions: Taxonomy | None) -> Taxonomy:
    """The label sets that a table's columns hold; spellings that fold alike are one label, named by the commonest.

    Raises:
        InputError: a field has no column, or no value in it.
    """
    specs = {}
    for field in fields:
        spellings = Counter(row[field] for row in rows if row.get(field))
        if not spellings:
            raise InputError(f"The knowledge base has no values for {field}.", remedy="Name its column with --map theirs=ours.")
        names: dict[str, str] = {}
        for spelling, _ in spellings.most_common():
            names.setdefault(fold(spelling), spelling)
        labels = tuple(_defined(name, field, definitions, set(names)) for name in names.values())
        specs[field] = FieldSpec(labels=labels, mode=Mode.AUTOFILL, target_precision=0.95)
    return Taxonomy(version="evaluation", fields=specs)


def _defined(name: str, field: str, definitions: Taxonomy | None, taken: set[str]) -> Label:
    """The label with the definition and synonyms that the settings' taxonomy has for it, where none of them is another label."""
    if definitions is None or field not in definitions.fields or (known := definitions.match(field, name)) is None:
        return Label(name=name)
    label = next(label for label in definitions.fields[field].labels if label.name == known)
    synonyms = {lang: tuple(s for s in group if fold(s) not in taken) for lang, group in label.synonyms.items()}
    return Label(name=name, definition=label.definition, synonyms=synonyms)


def _search(knowledge: KnowledgeBase) -> Search:
    return lambda tickets, vectors, k, exclude: knowledge.search(tickets, vectors, k, exclude=exclude)


def decide_all(pipeline: Pipeline, tickets: Sequence[Ticket], chunk: int) -> list[Decision]:
    """Decide in chunks, in order."""
    return [d for start in range(0, len(tickets), chunk) for d in pipeline.decide(tickets[start : start + chunk])]


def _gold(taxonomy: Taxonomy, field: str, text: str) -> str:
    """The canonical label, or the text itself where the knowledge base has no such label: such a ticket can't be got right."""
    return taxonomy.match(field, text) or text


class _Stages:
    """Announces stages and adds up their seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._stage = ""
        self._start = 0.0

    def __call__(self, stage: str) -> "_Stages":
        self._stage = stage
        self._progress(stage)
        return self

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._seconds[self._stage] = time.perf_counter() - self._start

    def of(self, stage: str) -> float:
        """Seconds of a stage; never 0."""
        return max(self._seconds[stage], 1e-9)

    def rounded(self) -> dict[str, float]:
        """All stages, in seconds with two decimals."""
        return {stage: round(seconds, 2) for stage, seconds in self._seconds.items()}
