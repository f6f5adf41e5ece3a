"""The figures of an evaluation: fields, experts, baselines and critic, each over the test tickets with a gold label."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core import metrics
from core.gate import Threshold, fit_threshold
from core.triage import Decision, Escalated, Proposal
from experts.fitted import Fitted

TARGETS = (0.90, 0.95, 0.98)
CURVE_POINTS = 200
BINS = 15


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
        "auroc": _known(metrics.auroc(score, correct)),
        "ece": metrics.expected_calibration_error(score, correct, BINS),
        "errors_caught_at": {f"{share:.2f}": _known(metrics.errors_caught(score, correct, share)) for share in (0.05, 0.10)},
        "approved": float(np.mean([not isinstance(d.outcome, Escalated) for d in decisions])),
    }


def _known(figure: float) -> float | None:
    """None for nan, which JSON does not have: the critic met nothing wrong, or nothing right."""
    return None if math.isnan(figure) else figure
