"""`evaluate`: fit on one table, score on another, with a throw-away index. The test table is read once, at the end.

Label sets come from the knowledge base's own columns. Thresholds come from out-of-fold predictions on it; precision and
coverage are measured on the test table. A test ticket that the pipeline refuses counts as wrong, with confidence 0.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch.assemble import make_pipeline
from batch.history import to_exemplars
from batch.settings import Settings
from core import metrics
from core.errors import InputError
from core.gate import Threshold, fit_threshold
from core.pipeline import Pipeline
from core.taxonomy import FieldSpec, Label, Mode, Taxonomy
from core.text import fold
from core.ticket import Ticket, Vectors
from core.triage import Decision, Escalated, Proposal
from experts.fit import fit
from experts.fitted import Fitted
from experts.outoffold import Search, TrainEncoder
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.duplicates import shared
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from servicedesk.tables import read_table, to_resolved, to_tickets

TARGETS = (0.90, 0.95, 0.98)
CURVE_POINTS = 200
BINS = 15

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
) -> dict[str, Any]:
    """Run it all under `home`, a directory that the caller throws away. The structure is that of the published JSON."""
    seconds = _Stages(progress)
    remembering = CachedEmbedder(embedder, home / "vectors.sqlite")
    with seconds("read and clean"):
        resolved, problems = to_resolved(read_table(plan.kb, plan.columns, extra=plan.fields, require_text=True))
        taxonomy = taxonomy_of([row.ticket.labels for row in resolved], plan.fields, plan.definitions)
        history = to_exemplars(resolved, taxonomy, intake, plan.kb.name)
    with seconds("embed and index"):
        shelf = shelf_at(home)
        ingest(shelf, remembering, history.exemplars, source=plan.kb.name)
        knowledge = KnowledgeBase.open(shelf, embedder, floor=settings.knowledge.floor)
    with seconds("fit"):
        exemplars = knowledge.exemplars()
        vectors = remembering.encode([exemplar.text for exemplar in exemplars])
        fitted = fit(
            taxonomy, exemplars, vectors, _search(knowledge), remembering.encode, k=plan.k, train_encoder=train_encoder,
            progress=progress,
        )  # fmt: skip
    with seconds("test"):
        tickets, unreadable = to_tickets(read_table(plan.test, plan.columns, extra=plan.fields))
        decisions = decide_all(
            make_pipeline(taxonomy, intake, embedder, knowledge, fitted, settings), list(tickets.values()), plan.chunk
        )
    gold = [{f: _gold(taxonomy, f, ticket.labels.get(f, "")) for f in plan.fields} for ticket in tickets.values()]
    test_texts = [decision.ticket.text for decision in decisions]
    test_vectors = embedder.encode(test_texts)
    scores = {f: score_field(f, fitted, decisions, gold) for f in plan.fields}
    result = {
        "n_kb": len(exemplars),
        "n_test": len(decisions),
        "unreadable": len(problems) + len(unreadable),
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
    knowledge.close()
    return {**result, "seconds": seconds.rounded(), "tickets_per_second": len(decisions) / seconds.of("test")}


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


def proposal_of(decision: Decision, field: str) -> Proposal | None:
    """What was proposed for a field, whatever became of the ticket; None where it was refused or failed."""
    triage = decision.outcome.triage
    return None if triage is None else triage.proposals.get(field)


def score_field(field: str, fitted: Fitted, decisions: Sequence[Decision], gold: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """One field's figures over the test tickets that have a gold label for it."""
    rows = [i for i, labels in enumerate(gold) if labels[field]]
    truth = [gold[i][field] for i in rows]
    proposals = [proposal_of(decisions[i], field) for i in rows]
    predicted = [p.label if p else "" for p in proposals]
    confidence = np.array([p.confidence if p else 0.0 for p in proposals])
    right = np.array([a == b for a, b in zip(predicted, truth, strict=True)], dtype=bool)
    if not len(right):
        raise InputError(f"The test table has no values for {field}.", remedy="Name its column with --map theirs=ours.")
    return {
        "n": len(rows),
        "accuracy": float(right.mean()),
        "accuracy_ci": metrics.wilson_interval(int(right.sum()), len(right)),
        "macro_f1": metrics.macro_f1(truth, predicted),
        "ece": metrics.expected_calibration_error(confidence, right, BINS),
        "aurc": metrics.area_under_risk_coverage(confidence, right),
        "coverage_at": {f"{t:.2f}": _coverage(_threshold_at(fitted, field, t), confidence, right) for t in TARGETS},
        "experts": _score_experts(field, fitted, [decisions[i] for i in rows], truth),
        "mcnemar_vs_best_baseline": None,
        "curves": _curves(confidence, right, truth, predicted),
    }


def _threshold_at(fitted: Fitted, field: str, target: float) -> Threshold:
    held = fitted.held_out[field]
    return fit_threshold(held.confidence, held.right, held.predicted, target)


def _coverage(threshold: Threshold, confidence: metrics.Floats, right: metrics.Bools) -> dict[str, Any]:
    accepted = confidence >= threshold.value
    n = int(accepted.sum())
    hits = int(right[accepted].sum())
    return {
        "threshold": threshold.value if threshold.holds else None,
        "coverage": n / len(right),
        "precision": hits / n if n else None,
        "precision_ci": metrics.wilson_interval(hits, n) if n else None,
        "needed": threshold.needed,
        "weakest": threshold.weakest,
    }


def _score_experts(field: str, fitted: Fitted, decisions: Sequence[Decision], truth: Sequence[str]) -> dict[str, Any]:
    scores = {}
    for expert in fitted.experts:
        said = [next(iter(d.opinions.get(expert.name, {}).get(field, {"": 0.0}))) for d in decisions]
        hits = [a == b for a, b in zip(said, truth, strict=True)]
        scores[expert.name] = {
            "accuracy": float(np.mean(hits)),
            "macro_f1": metrics.macro_f1(truth, said),
            "weight": fitted.fusion[field].weights.get(expert.name, 0.0),
        }
    return scores


def _curves(confidence: metrics.Floats, right: metrics.Bools, truth: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    coverage, risk = metrics.risk_coverage(confidence, right)
    points = np.unique(np.linspace(0, len(coverage) - 1, min(CURVE_POINTS, len(coverage))).astype(int))
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    labels = sorted({*truth, *predicted})
    index = {label: i for i, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(matrix, ([index[t] for t in truth], [index[p] for p in predicted]), 1)
    return {
        "risk_coverage": [[float(coverage[i]), float(risk[i])] for i in points],
        "reliability": [
            [float(confidence[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum())] for b in np.unique(bins)
        ],
        "confusion": {"labels": labels, "matrix": matrix.tolist()},
    }


def score_baselines(
    field: str, found: Sequence[Any], decisions: Sequence[Decision], gold: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """Each baseline's accuracy and macro-F1, and McNemar's test of ours against the best."""
    rows = [i for i, labels in enumerate(gold) if labels[field]]
    truth = np.array([gold[i][field] for i in rows])
    ours = np.array([(p.label if (p := proposal_of(decisions[i], field)) else "") for i in rows]) == truth
    hits = {b.name: np.array([b.predictions[i] for i in rows]) == truth for b in found}
    scores = {
        b.name: {
            "accuracy": float(hits[b.name].mean()),
            "macro_f1": metrics.macro_f1(list(truth), [b.predictions[i] for i in rows]),
            "tuning_accuracy": b.tuning_accuracy,
            "params": b.params,
            "seconds": round(b.seconds, 1),
        }
        for b in found
    }
    best = max(scores, key=lambda name: scores[name]["accuracy"])
    return {"baselines": scores, "mcnemar_vs_best_baseline": {"name": best, "p": metrics.mcnemar_p(ours, hits[best])}}


def score_critic(fitted: Fitted, decisions: Sequence[Decision], gold: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """How well the score tells right from wrong: a triage is right if every judged field that is not doubted is right."""
    scores, right = [], []
    for decision, labels in zip(decisions, gold, strict=True):
        outcome = decision.outcome
        verdict, triage = outcome.verdict, outcome.triage
        if verdict is None or triage is None:
            scores.append(0.0)
            right.append(False)
            continue
        judged = [f for f in fitted.critic.fields if labels[f]]
        vouched = [f for f in judged if f not in verdict.doubts] or judged
        scores.append(verdict.score / 100.0)
        right.append(all(triage.proposals[f].label == labels[f] for f in vouched))
    score, correct = np.array(scores), np.array(right, dtype=bool)
    return {
        "auroc": metrics.auroc(score, correct),
        "ece": metrics.expected_calibration_error(score, correct, BINS),
        "errors_caught_at": {f"{share:.2f}": metrics.errors_caught(score, correct, share) for share in (0.05, 0.10)},
        "approved": float(np.mean([not isinstance(d.outcome, Escalated) for d in decisions])),
    }


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
