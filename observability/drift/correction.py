"""Many signals and many looks: how the chance of a false alarm stays under `alpha` all the same.

Signals: Holm's step-down procedure (Holm, "A simple sequentially rejective multiple test procedure", 1979). It holds whatever the
signals have to do with each other, and they have: a new topic moves labels, confidence and texts at once.

Looks: a reference serves `LOOKS` looks and each may spend `alpha` / `LOOKS`, the linear spending function of Lan and DeMets
("Discrete sequential boundaries for clinical trials", Biometrika 70, 1983) with the looks added up by Bonferroni. That holds
for looks that overlap (a week's window seen every night) and share their reference, where p-values depend on each other in
ways that e-values, or martingales, of independent looks do not allow. So over all looks and signals of one reference,

    P(any alarm | nothing has changed) <= alpha

and with a look a night and the values below a quiet desk has less than one false alarm in twenty months. The price is paid in
delay, and `benchmarks/drift.py` measures it. When its looks are spent a reference is renewed, and spending starts again.
"""

from collections.abc import Mapping

ALPHA = 0.05
"""The chance of any false alarm in the life of a reference."""
LOOKS = 30
"""How many looks a reference serves."""


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values: rejecting those at or under a gives a false rejection at all with probability a at most."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, (len(p_values) - rank) * p_values[name])
        adjusted[name] = min(1.0, largest)
    return adjusted


def over_looks(p_value: float, looks: int = LOOKS) -> float:
    """A p-value of one look as one of all looks."""
    return min(1.0, p_value * looks)
