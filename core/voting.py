"""How much each neighbour says: the nearer the louder."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARPNESS = 8.0
"""A neighbour's weight is exp(SHARPNESS * cosine)."""


def voices(nearness: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Votes of neighbours with these similarities, shape (neighbours,): as many in all as there are neighbours."""
    near = np.asarray(nearness, dtype=np.float64)
    weights = np.exp(SHARPNESS * (near - near.max(initial=0.0)))
    votes: NDArray[np.float64] = len(near) * weights / max(weights.sum(), np.finfo(np.float64).tiny)
    return votes
