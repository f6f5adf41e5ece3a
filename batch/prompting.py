"""`prompt`: what the language model will read for a ticket, and on demand what it answers."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from batch import console
from batch.assemble import House
from batch.commands import prepare
from batch.operator_files import read_context
from core.errors import SettingsError
from core.ticket import CleanTicket, Ticket
from core.triage import Draft
from observability.records import DecisionRecord

if TYPE_CHECKING:
    from llm.author import LanguageAuthor
    from prompts.prompt import Prompt


def show_prompt(house: House, ticket: str, context: Path | None, *, answer: bool, as_json: bool) -> int:
    """`prompt TICKET`.

    Raises:
        SettingsError: no language model is set.
    """
    from core.ticket import Evidence

    prepare(house)
    author = _author(house, context)
    cleaned = _journalled(house, ticket) or house.intake.clean(Ticket("query", "", ticket))
    vectors = house.embedder.encode([cleaned.text])
    neighbors = house.search([cleaned], vectors, house.settings.knowledge.neighbors, [()])
    prompt = author.prompt(cleaned, neighbors[0])
    draft = author.draft(Evidence([cleaned], vectors, neighbors))[0] if answer else None
    if as_json:
        sys.stdout.write(json.dumps(_described(author, prompt, draft), ensure_ascii=False, indent=1) + "\n")
    else:
        _show(author, prompt, draft)
    return 0


def _author(house: House, context: Path | None) -> "LanguageAuthor":
    from dataclasses import replace

    from experts.vote import label_priors

    exemplars = house.knowledge.exemplars()
    fields = [f for f in house.taxonomy.active() if any(f in e.labels for e in exemplars)]
    author = house.author(label_priors([e.labels for e in exemplars], house.taxonomy, fields))
    if author is None:
        raise SettingsError("No language model is set.", remedy="Name one in tamiz.toml under [llm], or in TAMIZ_LLM__MODEL.")
    return replace(author, context=read_context(context)) if context else author


def _journalled(house: House, ticket_id: str) -> CleanTicket | None:
    """The ticket as it was triaged last, if `ticket_id` is one's id."""
    from observability.journal import Journal

    if not (house.home / "journal.sqlite").exists():
        return None
    with Journal(house.home / "journal.sqlite") as journal:
        found = list(journal.records(kind="decision", ticket_id=ticket_id))
    last = found[-1] if found else None
    if not isinstance(last, DecisionRecord):
        return None
    return CleanTicket(last.ticket_id, last.subject, last.body, last.revision, language=last.language)


def _described(author: "LanguageAuthor", prompt: "Prompt", draft: Draft | None) -> dict[str, object]:
    return {
        "model": author.model.name,
        "template": prompt.template,
        "tokens": {"system": author.model.count(prompt.system), "user": author.model.count(prompt.user)},
        "budget": author.model.budget,
        "system": prompt.system,
        "user": prompt.user,
        "choices": {c.field: dict(zip(c.aliases, c.labels, strict=True)) for c in prompt.choices},
        "answer": asdict(draft.generation) if draft else None,
    }


def _show(author: "LanguageAuthor", prompt: "Prompt", draft: Draft | None) -> None:
    out = console.out()
    for part in filter(None, (prompt.system, prompt.user)):
        out.print(part, markup=False, highlight=False, soft_wrap=True)
        out.print()
    counts = f"{author.model.count(prompt.system)} + {author.model.count(prompt.user)} tokens (system + ticket)"
    console.say(f"{counts} of {author.model.budget}; {prompt.template} for {author.model.name}.")
    if draft:
        out.print(draft.generation.completion, markup=False, highlight=False, soft_wrap=True)
