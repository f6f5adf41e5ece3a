"""What `fit` learns, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.fusion import FieldFusion
from core.gate import Threshold
from core.pipeline import Expert
from core.taxonomy import Taxonomy
from core.triage import LogProbs
from experts.critic import StatisticalCritic
from experts.labeltext import LabelText
from experts.linear import LinearHead
from experts.probe import Probe
from experts.vote import NeighborVote


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One field's cross-fitted proposals on unseen exemplars: confidence, correctness and label, each of shape (n,).

    `rows` are the places of the exemplars, `log_probs` (n, labels of the field) what was said of them.
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    predicted: NDArray[np.str_]
    rows: NDArray[np.intp]
    log_probs: LogProbs


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that `fit` learns. `quality` holds, per field, the out-of-fold accuracy of the fusion and of each expert.

    `folds` (fold of each exemplar) and `held_out` serve to evaluate the fit; they are not kept on disk.
    """

    taxonomy: Taxonomy
    fields: tuple[str, ...]
    k: int
    linear: LinearHead
    probe: Probe
    vote: NeighborVote
    label_text: LabelText
    fusion: Mapping[str, FieldFusion]
    thresholds: Mapping[str, Threshold]
    critic: StatisticalCritic
    quality: Mapping[str, Mapping[str, float]]
    encoder: Expert | None = None
    folds: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    held_out: Mapping[str, HeldOut] = field(default_factory=dict)

    @property
    def experts(self) -> tuple[Expert, ...]:
        """All experts, in the order in which they are asked."""
        base: tuple[Expert, ...] = (self.vote, replace(self.vote, wording=True), self.linear, self.probe, self.label_text)
        return base if self.encoder is None else (*base, self.encoder)
