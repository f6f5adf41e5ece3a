"""A language model as a critic: it reads ticket, proposal and other evidence than the author saw, and judges each field."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Neighbor
from core.triage import Generation, Review, Triage
from llm.base import LanguageModel
from prompts.options import offered
from prompts.prompt import FreeText, Prompt
from prompts.render import Question, Style, render

TEMPLATES = {"compact.v2": "compact-critic.v2", "triage.v1": "critic.v1"}
"""The critic's template for a model of each triage template. A model that was trained as a critic names the critic's itself."""
REASON = FreeText("reason", 120)


@dataclass(frozen=True, slots=True)
class LanguageReviewer:
    """Judges the fields that a triage proposes.

    Args:
        priors: field -> label frequencies of the knowledge base, shape (labels,).
        key: secret of the nonces that fence a ticket in its prompt.
        options: labels offered for each field.
        exemplars: neighbours shown.
        reasons: whether it also writes why; the shipped model does not.
    """

    model: LanguageModel
    taxonomy: Taxonomy
    priors: Mapping[str, NDArray[np.float64]]
    key: bytes
    options: int = 6
    exemplars: int = 6
    reasons: bool = False

    def review(self, evidence: Evidence, triages: Sequence[Triage]) -> list[Review]:
        """One review a triage, in order.

        Raises:
            ModelError: the model fails, or what it says can't be read.
            SettingsError: a prompt does not fit into the model's budget.
        """
        asked = zip(evidence.tickets, evidence.neighbors, triages, strict=True)
        prompts = [self.prompt(ticket, near, _proposed(triage)) for ticket, near, triage in asked]
        reviews = []
        for prompt, answer in zip(prompts, self.model.answer(prompts), strict=True):
            right = {choice.field: float(np.exp(answer.log_probs[choice.field][0])) for choice in prompt.choices}
            read = f"{prompt.system}\n\n{prompt.user}".strip()
            counts = (answer.read, answer.forced, answer.generated)
            generation = Generation("critic", self.model.name, prompt.template, read, answer.completion, *counts)
            reviews.append(Review(right, answer.text, generation))
        return reviews

    def prompt(self, ticket: CleanTicket, neighbors: Sequence[Neighbor], proposed: Mapping[str, str]) -> Prompt:
        """What the model will read about proposed labels (field: label)."""
        proposal = {name: label for name, label in proposed.items() if name in self.priors}
        near = contrasted(neighbors, proposal)[: self.exemplars]
        offers = {name: self._offered(name, label, near) for name, label in proposal.items()}
        nonce = hmac.digest(self.key, f"critic {ticket.digest}".encode(), "sha256").hex()[:8]
        free = REASON if self.reasons else None
        question = Question(ticket, near, self.taxonomy, offers, nonce, free=free, proposal=proposal)
        model = self.model
        template = TEMPLATES.get(model.template, model.template)
        return render(question, Style(template, model.aliases, model.budget, model.count))

    def _offered(self, name: str, label: str, near: Sequence[Neighbor]) -> tuple[str, ...]:
        labels = self.taxonomy.labels(name)
        prior = dict(zip(labels, self.priors[name].tolist(), strict=True))
        chosen = {label, *offered(self.taxonomy, name, near, prior, self.options - 1)}
        return tuple(one for one in labels if one in chosen)


def _proposed(triage: Triage) -> dict[str, str]:
    return {name: proposal.label for name, proposal in triage.proposals.items()}


def contrasted(neighbors: Sequence[Neighbor], proposal: Mapping[str, str]) -> list[Neighbor]:
    """The nearest that agree with the whole proposal and the nearest that do not, in turns: what speaks for it and against it.

    The author saw the nearest only, whatever they said.
    """
    agree = [n for n in neighbors if _agrees(n, proposal)]
    differ = [n for n in neighbors if not _agrees(n, proposal)]
    return [n for pair in zip_longest(agree, differ) for n in pair if n is not None]


def _agrees(neighbor: Neighbor, proposal: Mapping[str, str]) -> bool:
    return all(neighbor.exemplar.labels.get(field, label) == label for field, label in proposal.items())
