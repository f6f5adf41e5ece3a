"""What is proposed for a ticket, what the critic says of it, and what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.taxonomy import Mode
from core.ticket import CleanTicket, Neighbor

LogProbs: TypeAlias = NDArray[np.float64]
"""Natural-log probabilities, shape (tickets, labels of the field); every row sums to one in probability."""

Opinions: TypeAlias = Mapping[str, Mapping[str, LogProbs]]
"""expert name -> field -> log-probabilities."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One field's proposal.

    `confidence` is the calibrated probability that `label` is right, 0..1. `distribution` holds the likeliest labels with
    their probabilities. `evidence` are ids of retrieved exemplars that carry the label. `mode` is what the gate allows.
    """

    field: str
    label: str
    confidence: float
    distribution: Mapping[str, float]
    evidence: tuple[str, ...] = ()
    mode: Mode = Mode.SUGGEST


@dataclass(frozen=True, slots=True)
class Resolution:
    """A proposed resolution: the text is the exemplar's, word for word; `exemplar_id` is "" only for an unexplained `manual`.

    `group` is set for `reassign`, `system` for `api|<system>`. `confidence` is the share of the neighbours' weight behind it.
    """

    kind: str
    text: str = ""
    exemplar_id: str = ""
    group: str = ""
    system: str = ""
    confidence: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """What a language model read and wrote. Tokens: read, forced by the form of the answer, and generated."""

    task: str
    model: str
    template: str
    prompt: str
    completion: str
    read: int
    forced: int
    generated: int


@dataclass(frozen=True, slots=True)
class Summarized:
    """What a language model says of one ticket in a line, and what it read for that."""

    text: str
    generation: Generation


@dataclass(frozen=True, slots=True)
class Draft:
    """A language model's triage of one ticket: field -> log-probabilities (labels of the field,), and a one-line summary."""

    log_probs: Mapping[str, NDArray[np.float64]]
    summary: str
    generation: Generation


@dataclass(frozen=True, slots=True)
class Triage:
    """All proposals for one ticket revision; `attempt` counts from 0, one more for each revision the critic asked for."""

    ticket_id: str
    revision: str
    proposals: Mapping[str, Proposal]
    resolution: Resolution
    summary: str = ""
    priority: str | None = None
    evidence: tuple[str, ...] = ()
    attempt: int = 0
    summary_from: Literal["extract", "model"] = "extract"

    @property
    def labels(self) -> dict[str, str]:
        """field -> proposed label."""
        return {name: p.label for name, p in self.proposals.items()}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason as a code of `core.words.REASONS` with its values, so that it can be said in any language."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Review:
    """What a language model makes of a triage: field -> probability that its label is right, and a reason or ""."""

    right: Mapping[str, float]
    reason: str
    generation: Generation


@dataclass(frozen=True, slots=True)
class Verdict:
    """The critic's word. `score` is its calibrated probability that the triage is right, 0..100; there is no default.

    `doubts` are the fields it would not trust, `avoid` the exemplar ids a revision should leave out, `advice` what to try.
    """

    score: float
    reasons: tuple[Reason, ...]
    doubts: tuple[str, ...] = ()
    avoid: frozenset[str] = frozenset()
    advice: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Approved, and at least one field (`written`) may be filled in at the desk."""

    triage: Triage
    verdict: Verdict
    written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggested:
    """Approved, but no field reaches its threshold: proposed in a comment, nothing is filled in."""

    triage: Triage
    verdict: Verdict
    causes: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Escalated:
    """A person decides. `triage` and `verdict` are there as far as they were made."""

    causes: tuple[Reason, ...]
    triage: Triage | None = None
    verdict: Verdict | None = None


Outcome: TypeAlias = Accepted | Suggested | Escalated


@dataclass(frozen=True, slots=True)
class Decision:
    """One ticket's whole way: what was seen, what each expert said, what was decided, and how long each stage took.

    `opinions` are the probabilities by expert and field (label -> probability, the likeliest only); `seconds` is the
    ticket's share of each stage of its batch; `generations` is what a language model read and wrote for it.
    """

    ticket: CleanTicket
    outcome: Outcome
    neighbors: Sequence[Neighbor] = ()
    opinions: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    generations: tuple[Generation, ...] = ()
