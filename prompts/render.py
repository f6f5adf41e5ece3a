"""Rendering within a budget of tokens: exemplars are shortened, then dropped, then definitions go; the ticket is cut last."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.taxonomy import Rule, Taxonomy
from core.text import without_keys
from core.ticket import CleanTicket, Neighbor
from prompts.options import Field, fields_of, firmer
from prompts.prompt import Choice, FreeText, Prompt

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).with_name("templates")
SUMMARY = FreeText("summary", 120)
SYSTEM_ENDS = "=====\n"
WORDS = (60, 40, 25, 15, 8)
"""Words of an exemplar's text, from generous to tight."""
RESOLUTION_WORDS = 12
WORD_LENGTH = 8
"""Characters that a word may have on average, with its space: a log line or a row of symbols is cut by them."""
LANGUAGES = {"es": "Spanish", "en": "English"}


@dataclass(frozen=True, slots=True)
class Style:
    """How prompts are written for one model: the template with its version, aliases, budget, and how tokens are counted."""

    template: str
    aliases: Sequence[str]
    budget: int
    count: Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Question:
    """What a prompt is about. `offers` are the labels of each field that may be chosen, `neighbors` the exemplars to show.

    `shares` (field -> label -> 0..1) are the labels' parts in the vote of all similar past tickets, those not shown included.

    With a `proposal` (field: label, each among the offers) the question is which labels are right, given that these are proposed.
    """

    ticket: CleanTicket
    neighbors: Sequence[Neighbor]
    taxonomy: Taxonomy
    offers: Mapping[str, Sequence[str]]
    nonce: str
    context: str = ""
    glossary: Mapping[str, str] = field(default_factory=dict)
    free: FreeText | None = SUMMARY
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    proposal: Mapping[str, str] | None = None


def render(question: Question, style: Style) -> Prompt:
    """The prompt that fits the budget and says most.

    Raises:
        SettingsError: even with the ticket cut to a few words it does not fit, or there are more options than aliases.
    """
    options = sum(len(labels) for labels in question.offers.values())
    if options > len(style.aliases):
        raise SettingsError(
            f"The prompt offers {options} labels, and the model has {len(style.aliases)} aliases.",
            remedy="Offer fewer labels per field.",
        )
    for plan in _plans(question):
        system, user = _texts(question, style, plan)
        if style.count(system + user) <= style.budget:
            return _prompt(question, style, system, user)
    raise SettingsError(
        f"A prompt for ticket {question.ticket.id!r} does not fit into {style.budget} tokens.",
        remedy="Offer fewer labels, or use a model with a longer context.",
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    exemplars: int
    words: int
    definitions: bool
    ticket_words: int


def _plans(question: Question) -> Iterator[_Plan]:
    """From saying everything to saying the least."""
    text = question.ticket.text
    whole = max(len(text.split()), -(-len(text) // WORD_LENGTH))
    count = len(question.neighbors)
    yield from (_Plan(count, words, True, whole) for words in WORDS)
    yield from (_Plan(count, words, False, whole) for words in WORDS[1:])
    yield from (_Plan(kept, WORDS[-1], False, whole) for kept in range(count - 1, 0, -1))
    cut = whole
    while cut > 1:
        cut = cut * 2 // 3
        yield _Plan(min(count, 1), WORDS[-1], False, cut)
        yield _Plan(0, 0, False, cut)


def _texts(question: Question, style: Style, plan: _Plan) -> tuple[str, str]:
    fields = _fields(question, style)
    values = {
        "choices": [_choice(one, definitions=plan.definitions) for one in fields],
        "exemplars": [_past(n, fields, plan.words) for n in reversed(question.neighbors[: plan.exemplars])],
        "ticket": clipped(question.ticket.text, plan.ticket_words),
        "context": harmless(question.context),
        "free": question.free,
        "language": LANGUAGES.get(question.ticket.language, "as it is written"),
        "keys": ", ".join(f'"{name}"' for name in _keys(question, fields)),
        "nonce": question.nonce,
        "mark": f"<{question.nonce}-…>",
        "proposal": [(one.field, one.alias_of[label]) for one, label in _proposed(question, fields)],
    }
    text = _template(style.template).render(**values)
    system, found, user = text.partition(SYSTEM_ENDS)
    return (system.strip(), user) if found else ("", text)


def _choice(one: Field, *, definitions: bool) -> dict[str, object]:
    firm = firmer([o.share or 0.0 for o in one.options])
    options = [
        {
            "alias": o.alias,
            "name": harmless(o.name),
            "definition": harmless(o.definition) if definitions else "",
            "share": None if o.share is None else f"{o.share:.0%}",
            "tenth": None if o.share is None else tenth(o.share),
            "firm": None if o.share is None else tenth(leaned),
        }
        for o, leaned in zip(one.options, firm, strict=True)
    ]
    return {"field": harmless(one.field), "options": options}


def _past(neighbor: Neighbor, fields: Sequence[Field], words: int) -> dict[str, object]:
    labels = neighbor.exemplar.labels
    known = [(one.field, one.alias_of[labels[one.field]]) for one in fields if labels.get(one.field) in one.alias_of]
    return {
        "text": clipped(neighbor.exemplar.text, words),
        "labels": [(harmless(name), alias) for name, alias in known],
        "aliases": [alias for _, alias in known],
        "similarity": f"{neighbor.similarity:.2f}",
        "bucket": tenth(neighbor.similarity),
        "resolution": clipped(neighbor.exemplar.resolution, min(words, RESOLUTION_WORDS)),
    }


def _prompt(question: Question, style: Style, system: str, user: str) -> Prompt:
    fields = _fields(question, style)
    choices = tuple(
        Choice(one.field, tuple(o.label for o in one.options), tuple(o.alias for o in one.options))
        for one in _asked(question, fields)
    )
    rules = () if question.proposal is not None else tuple(_rules(question))  # each label is judged by itself
    return Prompt(system, user, choices, style.template, question.free, rules)


def _fields(question: Question, style: Style) -> tuple[Field, ...]:
    language, glossary = question.ticket.language, question.glossary
    return fields_of(question.taxonomy, question.offers, style.aliases, language, glossary, question.shares)


def _keys(question: Question, fields: Sequence[Field]) -> list[str]:
    """Of the answer, in order."""
    return [*(one.field for one in _asked(question, fields)), *([question.free.field] if question.free else [])]


def _asked(question: Question, fields: Sequence[Field]) -> Sequence[Field]:
    """All of them, or those with a proposal where there is one."""
    return fields if question.proposal is None else [one for one, _ in _proposed(question, fields)]


def _proposed(question: Question, fields: Sequence[Field]) -> list[tuple[Field, str]]:
    """The fields with a proposed label, in the order of the prompt."""
    proposal = question.proposal or {}
    return [(one, proposal[one.field]) for one in fields if one.field in proposal]


def _rules(question: Question) -> Iterator[Rule]:
    """Those that speak of fields in this prompt only."""
    for rule in question.taxonomy.rules:
        if set(rule.when) <= question.offers.keys():
            yield rule


def tenth(value: float) -> int:
    """0 to 9: of a cosine, from unlike to nearly the same; of a share, from nobody to all."""
    return min(9, max(0, int(value * 10)))


def clipped(text: str, words: int) -> str:
    """One line of at most so many words of common length, harmless to a model's marks, without the digits of pseudonyms."""
    line = " ".join(without_keys(text).split())
    kept = " ".join(line.split(" ")[:words])[: words * WORD_LENGTH]
    return harmless(kept + (" …" if len(kept) < len(line) else ""))


def harmless(text: str) -> str:
    """Without anything that could be read as a special token, which all begin with `<|`, and without half surrogate pairs."""
    return text.encode("utf-8", "replace").decode().replace("<|", "<·|")


def answer_text(prompt: Prompt, labels: Mapping[str, str], free: str) -> str:
    """The answer that a model should give, with aliases: what it is trained on."""
    chosen = {c.field: c.aliases[c.labels.index(labels[c.field])] for c in prompt.choices}
    return json.dumps({**chosen, **({prompt.free.field: free} if prompt.free else {})}, ensure_ascii=False)


@cache
def _template(name: str) -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # No autoescape: the output is no markup, and what marks mean to a model is made harmless in the data.
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return environment.get_template(f"{name}.jinja")
