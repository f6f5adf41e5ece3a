"""A language model that says in a line what a ticket is about: where another model than the triage's writes the summaries."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from core.taxonomy import Taxonomy
from core.ticket import CleanTicket
from core.triage import Generation, Summarized
from llm.base import LanguageModel
from prompts.prompt import Prompt
from prompts.render import Question, Style, render

TEMPLATE = "summary.v1"


@dataclass(frozen=True, slots=True)
class LanguageSummarizer:
    """Summarises tickets; whether its words are the ticket's is checked by who asked.

    Args:
        key: secret of the nonces that fence a ticket in its prompt.
        context: the operator's own words about everything.
    """

    model: LanguageModel
    taxonomy: Taxonomy
    key: bytes
    context: str = ""

    def summarize(self, tickets: Sequence[CleanTicket]) -> list[Summarized]:
        """One summary a ticket, in order; "" where the model says nothing.

        Raises:
            ModelError: the model fails, or what it says can't be read.
        """
        prompts = [self.prompt(ticket) for ticket in tickets]
        told = []
        for prompt, answer in zip(prompts, self.model.answer(prompts), strict=True):
            counts = (answer.read, answer.forced, answer.generated)
            read = f"{prompt.system}\n\n{prompt.user}".strip()
            generation = Generation("summary", self.model.name, prompt.template, read, answer.completion, *counts)
            told.append(Summarized(answer.text, generation))
        return told

    def prompt(self, ticket: CleanTicket) -> Prompt:
        """What the model will read."""
        nonce = hmac.digest(self.key, f"summary {ticket.digest}".encode(), "sha256").hex()[:8]
        question = Question(ticket, (), self.taxonomy, {}, nonce, self.context)
        return render(question, Style(TEMPLATE, (), self.model.budget, self.model.count))
