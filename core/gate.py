"""Which field may be written: thresholds that hold a target precision on tickets the model has not seen.

The threshold of a field is the lowest confidence whose precision on held-out tickets has a one-sided 95 % Clopper-Pearson
lower bound at or above the target. Where no threshold has that, the field is suggested, and the data that is lacking is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.metrics import Bools, Floats, clopper_pearson_lower
from core.taxonomy import Mode, Taxonomy
from core.triage import Proposal, Reason, Verdict

NEVER = 2.0
"""A threshold that no confidence reaches."""
MIN_ACCEPTED = 30
"""With fewer held-out tickets above it a threshold says nothing about the tail it is meant for."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A field's threshold and what it was seen to do on `n` held-out tickets.

    `precision` and its lower bound `lower` are those of the accepted; `coverage` is accepted / n. Where nothing holds the
    target, `value` is NEVER, `needed` is how many more labelled tickets would do at the precision seen (None: more data
    alone would not) and `weakest` is the label that costs most precision.
    """

    value: float
    target: float
    n: int
    precision: float = 0.0
    lower: float = 0.0
    coverage: float = 0.0
    needed: int | None = None
    weakest: str = ""

    @property
    def holds(self) -> bool:
        """Whether the target is met on held-out tickets."""
        return self.value < NEVER


def fit_threshold(confidence: Floats, correct: Bools, predicted: NDArray[np.str_], target: float) -> Threshold:
    """Fit a threshold on held-out confidences, correctness and predicted labels, each of shape (n,)."""
    n = len(confidence)
    order = np.argsort(-confidence, kind="stable")
    ranked, right = confidence[order], correct[order]
    accepted = np.arange(1, n + 1)
    precision = np.cumsum(right) / accepted if n else np.empty(0)
    lower = clopper_pearson_lower(np.cumsum(right), accepted) if n else np.empty(0)
    cuts = np.append(ranked[1:] < ranked[:-1], True) if n else np.empty(0, dtype=bool)
    good = np.flatnonzero(cuts & (accepted >= MIN_ACCEPTED) & (lower >= target))
    if good.size:
        i = int(good[-1])
        return Threshold(float(ranked[i]), target, n, float(precision[i]), float(lower[i]), (i + 1) / n)
    wrong = predicted[order][~right]
    names, counts = np.unique(wrong, return_counts=True)
    weakest = str(names[counts.argmax()]) if names.size else ""
    return Threshold(NEVER, target, n, needed=_more_needed(precision, cuts, target), weakest=weakest)


def _more_needed(precision: Floats, cuts: Bools, target: float) -> int | None:
    """Held-out tickets still lacking, at the precision and coverage already seen at the most favourable cut."""
    n = len(cuts)
    best: int | None = None
    sizes = np.unique(np.geomspace(30, 100_000, 200).astype(int))
    if n == 0:  # nothing is known of the precision: what would do if all were right
        enough = sizes[clopper_pearson_lower(sizes, sizes) >= target]
        return int(enough[0]) if enough.size else None
    possible = np.flatnonzero(cuts & (np.arange(n) >= min(9, n) - 1))
    for cut in possible[:: max(1, len(possible) // 50)].tolist():
        seen = float(precision[cut])
        enough = sizes[clopper_pearson_lower(np.floor(seen * sizes).astype(int), sizes) >= target]
        if seen > target and enough.size:
            total = int(np.ceil(float(enough[0]) * n / (cut + 1)))
            best = total if best is None else min(best, total)
    return None if best is None else max(1, best - n)


def decide_modes(
    proposals: Mapping[str, Proposal], verdict: Verdict, taxonomy: Taxonomy, thresholds: Mapping[str, Threshold]
) -> dict[str, Proposal]:
    """Each proposal with the mode it may have: autofill only where the taxonomy allows it, the threshold is reached and
    the critic has no doubt and a retrieved exemplar carries the label; otherwise what the taxonomy says, at most suggest."""

    def mode(proposal: Proposal) -> Mode:
        allowed = taxonomy.fields[proposal.field].mode
        held = allowed is Mode.AUTOFILL and _why_held(proposal, verdict, taxonomy, thresholds) is not None
        return Mode.SUGGEST if held else allowed

    return {name: replace(proposal, mode=mode(proposal)) for name, proposal in proposals.items()}


def why_held(
    proposals: Mapping[str, Proposal], verdict: Verdict, taxonomy: Taxonomy, thresholds: Mapping[str, Threshold]
) -> tuple[Reason, ...]:
    """Why each field that is shown was not filled in."""
    shown = (p for p in proposals.values() if p.mode in (Mode.AUTOFILL, Mode.SUGGEST))
    reasons = (_why_held(proposal, verdict, taxonomy, thresholds) for proposal in shown)
    return tuple(reason for reason in reasons if reason is not None)


def _why_held(proposal: Proposal, verdict: Verdict, taxonomy: Taxonomy, thresholds: Mapping[str, Threshold]) -> Reason | None:
    field = proposal.field
    threshold = thresholds.get(field)
    if taxonomy.fields[field].mode is not Mode.AUTOFILL:
        return Reason("suggest_only", {"field": field})
    if threshold is None or not threshold.holds:
        return Reason("no_threshold", {"field": field, "target": f"{taxonomy.fields[field].target_precision:.2f}"})
    if not proposal.confidence >= threshold.value:  # nan fails this too: what can't be compared is not written
        values = {"field": field, "confidence": f"{proposal.confidence:.2f}", "threshold": f"{threshold.value:.2f}"}
        return Reason("under_threshold", values)
    if not proposal.evidence:
        return Reason("unsupported", {"field": field, "label": proposal.label})
    return Reason("doubted", {"field": field}) if field in verdict.doubts else None
