"""Linear heads: one multinomial logistic regression a field, kept as plain arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.fusion import normalise
from core.taxonomy import Taxonomy
from core.triage import LogProbs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix: TypeAlias = NDArray[np.float64]
FEW = 2_000
"""Up to this many texts a head is solved in the span of the texts."""
TOLERANCE = 1e-3
"""Where the solver stops: probabilities are then within a few hundredths of the optimum's, at a fraction of the time."""


@dataclass(frozen=True, slots=True)
class Head:
    """One field's weights: `coef` (classes, features), `intercept` (classes,), `classes` = label indices seen in training.

    `unseen` is the log-probability that is left for each label without an example.
    """

    coef: NDArray[np.float32]
    intercept: NDArray[np.float32]
    classes: NDArray[np.int64]
    unseen: float

    def log_probs(self, features: "csr_matrix | NDArray[np.float32]", labels: int) -> LogProbs:
        """(tickets, labels) from features (tickets, terms)."""
        result = np.full((features.shape[0], labels), self.unseen)
        scores = np.asarray(features @ self.coef.T, dtype=np.float64) + self.intercept
        if len(self.classes):
            result[:, self.classes] = normalise(scores)
        return normalise(result)


def fit_head(
    features: "csr_matrix | Matrix", labels: Sequence[Mapping[str, str]], taxonomy: Taxonomy, field: str, c: float
) -> Head:
    """Fit one field on features (texts, terms), sparse or dense, of the texts that have a label for it.

    `c` is the inverse strength of the L2 penalty.
    """
    index = {name: i for i, name in enumerate(taxonomy.labels(field))}
    rows = np.array([i for i, row in enumerate(labels) if field in row], dtype=np.intp)
    gold = np.array([index[labels[i][field]] for i in rows], dtype=np.int64)
    return _fit(features[rows], gold, len(index), c)


def _fit(features: "csr_matrix | Matrix", gold: NDArray[np.int64], labels: int, c: float) -> Head:
    classes = np.unique(gold)
    unseen = float(np.log(0.5 / (len(gold) + 0.5 * labels)))
    if len(classes) < 2:
        zeros = np.zeros((len(classes), features.shape[1]), dtype=np.float32)
        return Head(zeros, np.zeros(len(classes), dtype=np.float32), classes, unseen)
    coef, intercept = _solve(features, gold, c)
    if len(classes) == 2:  # sklearn keeps one row for two classes: the log-odds of the second
        coef, intercept = np.vstack([0 * coef, coef]), np.append(0 * intercept, intercept)
    return Head(coef, intercept, classes, unseen)


def _solve(features: "csr_matrix | Matrix", gold: NDArray[np.int64], c: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Multinomial logistic regression with an L2 penalty: weights (classes, terms) and intercepts (classes,).

    With few texts the problem is solved in the span of their rows, where the minimum lies (the representer theorem): the
    same answer as over all terms, with a hundred times fewer unknowns.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=300, tol=TOLERANCE)
    if features.shape[0] > FEW or features.shape[0] > features.shape[1]:
        model.fit(features, gold)
        return model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    values, basis = np.linalg.eigh(_dense(features @ features.T))
    kept = values > 1e-9 * values[-1]
    scales, basis = np.sqrt(values[kept]), basis[:, kept]
    model.fit(basis * scales, gold)
    coef = np.asarray(features.T @ (basis / scales @ model.coef_.T)).T
    return coef.astype(np.float32), model.intercept_.astype(np.float32)


def _dense(matrix: "csr_matrix | Matrix") -> Matrix:
    return matrix.astype(np.float64) if isinstance(matrix, np.ndarray) else matrix.toarray().astype(np.float64)
