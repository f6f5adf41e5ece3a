"""A language model as the pipeline's author: from evidence to prompts, from answers to drafts."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.pipeline import stacked
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Neighbor
from core.triage import Draft, LogProbs
from llm.base import Answer, LanguageModel, generation_of
from prompts.options import offered, told_shares, with_rules
from prompts.prompt import Prompt
from prompts.render import Question, Style, render

UNOFFERED = 0.02
"""Probability that the labels a prompt does not offer share by their priors."""


@dataclass(frozen=True, slots=True)
class LanguageAuthor:
    """Writes drafts for the active fields.

    Args:
        priors: field -> label frequencies of the knowledge base, shape (labels,).
        key: secret of the nonces that fence a ticket in its prompt; the same ticket gets the same one.
        options: labels offered for each field.
        exemplars: neighbours shown.
        context, glossary: the operator's own words, about everything and about single labels.
        summaries: whether it writes them; its prompt is the same without.
    """

    model: LanguageModel
    taxonomy: Taxonomy
    priors: Mapping[str, NDArray[np.float64]]
    key: bytes
    options: int = 6
    exemplars: int = 6
    context: str = ""
    glossary: Mapping[str, str] = field(default_factory=dict)
    summaries: bool = True
    progress: Callable[[int], None] | None = None

    @property
    def name(self) -> str:
        return "language"

    def draft(self, evidence: Evidence) -> list[Draft]:
        """One draft a ticket, in order.

        Raises:
            ModelError: the model fails, or what it says can't be read.
            SettingsError: a prompt does not fit into the model's budget.
        """
        prompts = self._prompts(evidence)
        return self._drafts(prompts if self.summaries else [replace(prompt, free=None) for prompt in prompts])

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """The drafts' opinions alone, field -> (tickets, labels): the summary, which comes after them, is not written."""
        return stacked(self._drafts([replace(prompt, free=None) for prompt in self._prompts(evidence)]))

    def prompt(self, ticket: CleanTicket, neighbors: Sequence[Neighbor]) -> Prompt:
        """What the model will read for a ticket."""
        near = neighbors[: self.exemplars]
        offers = {
            name: offered(self.taxonomy, name, neighbors, self._prior(name), self.options)
            for name in self.taxonomy.active()
            if name in self.priors
        }
        offers = with_rules(self.taxonomy, offers, self._prior)
        question = Question(ticket, near, self.taxonomy, offers, self._nonce(ticket), self.context, self.glossary)
        question = replace(question, shares=told_shares(self.taxonomy, offers, neighbors, len(near)))
        return render(question, Style(self.model.template, self.model.aliases, self.model.budget, self.model.count))

    def _prompts(self, evidence: Evidence) -> list[Prompt]:
        return [self.prompt(ticket, near) for ticket, near in zip(evidence.tickets, evidence.neighbors, strict=True)]

    def _drafts(self, prompts: Sequence[Prompt]) -> list[Draft]:
        answers = self.model.answer(prompts, self.progress)
        return [self._draft(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _nonce(self, ticket: CleanTicket) -> str:
        return hmac.digest(self.key, ticket.digest.encode(), "sha256").hex()[:8]

    def _prior(self, name: str) -> dict[str, float]:
        return dict(zip(self.taxonomy.labels(name), self.priors[name].tolist(), strict=True))

    def _draft(self, prompt: Prompt, answer: Answer) -> Draft:
        said = {
            choice.field: spread(
                self.taxonomy.labels(choice.field), choice.labels, answer.log_probs[choice.field], self.priors[choice.field]
            )
            for choice in prompt.choices
        }
        return Draft(said, answer.text, generation_of("triage", self.model, prompt, answer))


def spread(
    labels: Sequence[str], offered_labels: Sequence[str], log_probs: NDArray[np.float64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """From the offered labels' log-probabilities to all labels', shape (labels,): the others share UNOFFERED by their priors."""
    place = {label: i for i, label in enumerate(labels)}
    rows = [place[label] for label in offered_labels]
    others = np.setdiff1d(np.arange(len(labels)), rows)
    kept = 1.0 - (UNOFFERED if len(others) else 0.0)
    result = np.empty(len(labels))
    result[rows] = log_probs + np.log(kept)
    if len(others):
        result[others] = np.log(UNOFFERED * prior[others] / prior[others].sum())
    return result
