"""A language model that puts a ticket into words to search with; they are journalled, and used for nothing else."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.retrieval import Rephrased
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket
from core.triage import Generation
from llm.base import LanguageModel
from prompts.prompt import FreeText, Prompt
from prompts.render import Question, Style, render

TEMPLATE = "rephrase.v1"
QUERY = FreeText("query", 200)


@dataclass(frozen=True, slots=True)
class LanguageRephraser:
    """Says what each ticket asks.

    Args:
        key: secret of the nonces that fence a ticket in its prompt.
        context: the operator's own words about everything.
    """

    model: LanguageModel
    taxonomy: Taxonomy
    key: bytes
    context: str = ""

    def rephrase(self, tickets: Sequence[CleanTicket]) -> list[Rephrased]:
        """One query a ticket, in order; the ticket's own words where the model says nothing.

        Raises:
            ModelError: the model fails, or what it says can't be read.
        """
        prompts = [self.prompt(ticket) for ticket in tickets]
        told = []
        for ticket, prompt, answer in zip(tickets, prompts, self.model.answer(prompts), strict=True):
            query = replace(ticket, subject="", body=answer.text) if answer.text.strip() else ticket
            counts = (answer.read, answer.forced, answer.generated)
            read = f"{prompt.system}\n\n{prompt.user}".strip()
            told.append(
                Rephrased(query, Generation("rephrase", self.model.name, prompt.template, read, answer.completion, *counts))
            )
        return told

    def prompt(self, ticket: CleanTicket) -> Prompt:
        """What the model will read."""
        nonce = hmac.digest(self.key, f"rephrase {ticket.digest}".encode(), "sha256").hex()[:8]
        question = Question(ticket, (), self.taxonomy, {}, nonce, self.context, free=QUERY)
        return render(question, Style(TEMPLATE, (), self.model.budget, self.model.count))
