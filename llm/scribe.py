"""A language model that writes a line about each ticket and reads nothing else: words to search with, or a summary."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.retrieval import Rephrased
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket
from core.triage import Summarized
from llm.base import LanguageModel, generation_of
from prompts.prompt import FreeText, Prompt
from prompts.render import SUMMARY, Question, Style, render


@dataclass(frozen=True, slots=True)
class Task:
    """What the line is for: its name in the journal, the template that asks for it, and the line itself."""

    name: str
    template: str
    line: FreeText


REPHRASE = Task("rephrase", "rephrase.v1", FreeText("query", 200))
SUMMARIZE = Task("summary", "summary.v1", SUMMARY)


@dataclass(frozen=True, slots=True)
class LanguageScribe:
    """Writes lines; what becomes of them, and whether a summary's words are the ticket's, is for who asked.

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
        return [
            Rephrased(replace(ticket, subject="", body=one.text) if one.text.strip() else ticket, one.generation)
            for ticket, one in zip(tickets, self._written(REPHRASE, tickets), strict=True)
        ]

    def summarize(self, tickets: Sequence[CleanTicket]) -> list[Summarized]:
        """One summary a ticket, in order; "" where the model says nothing.

        Raises:
            ModelError: the model fails, or what it says can't be read.
        """
        return self._written(SUMMARIZE, tickets)

    def prompt(self, task: Task, ticket: CleanTicket) -> Prompt:
        """What the model will read."""
        nonce = hmac.digest(self.key, f"{task.name} {ticket.digest}".encode(), "sha256").hex()[:8]
        question = Question(ticket, (), self.taxonomy, {}, nonce, self.context, free=task.line)
        return render(question, Style(task.template, (), self.model.budget, self.model.count))

    def _written(self, task: Task, tickets: Sequence[CleanTicket]) -> list[Summarized]:
        prompts = [self.prompt(task, ticket) for ticket in tickets]
        return [
            Summarized(answer.text, generation_of(task.name, self.model, prompt, answer))
            for prompt, answer in zip(prompts, self.model.answer(prompts), strict=True)
        ]
