"""A language model as a critic: it reads ticket, proposal and other evidence than the author saw, and says what is right.

What it gives the proposed label is the probability that the proposal is right. A model asked for a verdict instead ("right",
"wrong") has to compare labels and then forget which; a small one never learned it (docs/LOG.md).
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Neighbor
from core.triage import Review, Triage
from llm.base import LanguageModel, generation_of
from prompts.options import offered, told_shares
from prompts.prompt import FreeText, Prompt
from prompts.render import Question, Style, render

TEMPLATES = {"compact.v3": "compact-critic.v4", "compact.v4": "compact-critic.v4", "triage.v2": "critic.v3"}
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
        reasons: whether its prompt asks for a line of why; the shipped model was not trained on that.
        writes: whether that line is written; what is right is told before it.
    """

    model: LanguageModel
    taxonomy: Taxonomy
    priors: Mapping[str, NDArray[np.float64]]
    key: bytes
    options: int = 6
    exemplars: int = 6
    reasons: bool = False
    writes: bool = True

    def review(self, evidence: Evidence, triages: Sequence[Triage]) -> list[Review]:
        """One review a triage, in order.

        Raises:
            ModelError: the model fails, or what it says can't be read.
            SettingsError: a prompt does not fit into the model's budget.
        """
        proposed = [{name: proposal.label for name, proposal in triage.proposals.items()} for triage in triages]
        asked = zip(evidence.tickets, evidence.neighbors, proposed, strict=True)
        prompts = [prompt if self.writes else replace(prompt, free=None) for prompt in (self.prompt(*one) for one in asked)]
        reviews = []
        for prompt, answer, labels in zip(prompts, self.model.answer(prompts), proposed, strict=True):
            right = {c.field: float(np.exp(answer.log_probs[c.field][c.labels.index(labels[c.field])])) for c in prompt.choices}
            reviews.append(Review(right, answer.text, generation_of("critic", self.model, prompt, answer)))
        return reviews

    def prompt(self, ticket: CleanTicket, neighbors: Sequence[Neighbor], proposed: Mapping[str, str]) -> Prompt:
        """What the model will read about proposed labels (field: label)."""
        proposal = {name: label for name, label in proposed.items() if name in self.priors}
        near = neighbors[::2][: self.exemplars]  # reaching twice as far as the author's, who saw the first ones
        offers = {name: self._offered(name, label, near) for name, label in proposal.items()}
        nonce = hmac.digest(self.key, f"critic {ticket.digest}".encode(), "sha256").hex()[:8]
        free = REASON if self.reasons else None
        shares = told_shares(self.taxonomy, offers, neighbors, len(near))
        question = Question(ticket, near, self.taxonomy, offers, nonce, free=free, shares=shares, proposal=proposal)
        model = self.model
        template = TEMPLATES.get(model.template, model.template)
        return render(question, Style(template, model.aliases, model.budget, model.count))

    def _offered(self, name: str, label: str, near: Sequence[Neighbor]) -> tuple[str, ...]:
        labels = self.taxonomy.labels(name)
        prior = dict(zip(labels, self.priors[name].tolist(), strict=True))
        chosen = {label, *offered(self.taxonomy, name, near, prior, self.options - 1)}
        return tuple(one for one in labels if one in chosen)
