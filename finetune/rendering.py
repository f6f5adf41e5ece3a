"""From rows to written lessons: each is rendered by the function that serves, with neighbours that a test may see."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from core.retrieval import Search
from core.summary import extract_summary
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Neighbor, Vectors
from experts.outoffold import as_ticket
from experts.vote import NeighborVote, label_priors
from finetune.proposals import proposals
from finetune.rows import Row, Split
from llm.author import LanguageAuthor
from llm.base import Answer, LanguageModel, text_digest
from llm.reviewer import LanguageReviewer
from prompts.prompt import Choice, FreeText, Prompt
from prompts.render import SUMMARY

AuthorOf = Callable[[Mapping[str, NDArray[np.float64]]], LanguageAuthor]
"""The author that serves, for priors: field -> label frequencies."""
COMPACT = "compact"
"""Templates whose name begins so belong to models with aliases of their own, which mean nothing until a prompt says it."""


class Offer(BaseModel):
    """A closed field of the answer, as `prompts.prompt.Choice`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    labels: tuple[str, ...]
    aliases: tuple[str, ...]


class Written(BaseModel):
    """A lesson as a line of a file.

    `gold` holds the confirmed labels (a critic's: right or wrong by field), offered or not; `said` what stands in the answer
    of a field without an offered gold label, where nothing is learned; `vote` what the neighbours' vote says, the baseline.
    `proposal` is what a critic judges. `neighbors` are the ids of the exemplars that were retrieved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: str
    split: Split
    source: str
    language: str
    text_digest: str
    template: str
    system: str
    user: str
    choices: tuple[Offer, ...]
    gold: Mapping[str, str]
    said: Mapping[str, str]
    vote: Mapping[str, str]
    proposal: Mapping[str, str]
    summary: str
    neighbors: tuple[str, ...]

    @property
    def learned(self) -> tuple[str, ...]:
        """The fields whose gold label is among the offered."""
        return tuple(c.field for c in self.choices if self.gold.get(c.field) in c.labels)

    def prompt(self, *, free: bool) -> Prompt:
        """The prompt as it is answered; with its free text or without. Rules narrow an answer and are the caller's to add."""
        choices = tuple(Choice(c.field, c.labels, c.aliases) for c in self.choices)
        asked = FreeText(SUMMARY.field, SUMMARY.longest) if free and not self.proposal else None
        return Prompt(self.system, self.user, choices, self.template, asked)

    def answer(self) -> dict[str, str]:
        """field -> label that stands in the answer to learn."""
        return {c.field: self.gold[c.field] if c.field in self.learned else self.said[c.field] for c in self.choices}


@dataclass(frozen=True, slots=True)
class Dealt:
    """A language model under other aliases, dealt for one prompt; all else is its own."""

    model: LanguageModel
    aliases: Sequence[str]

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def budget(self) -> int:
        return self.model.budget

    @property
    def template(self) -> str:
        return self.model.template

    @property
    def learned(self) -> frozenset[str]:
        return self.model.learned

    def count(self, text: str) -> int:
        return self.model.count(text)

    def answer(self, prompts: Sequence[Prompt], progress: Callable[[int], None] | None = None) -> list[Answer]:
        return self.model.answer(prompts, progress)

    def close(self) -> None:
        self.model.close()


def train_evidence(rows: Sequence[Row], vectors: Vectors, search: Search, k: int) -> Evidence:
    """Each row as a ticket with its neighbours; `search` looks among the training rows only, and never in a row's own group.

    `vectors` are the rows' unit vectors (n, d).
    """
    members: dict[str, set[str]] = {}
    for row in rows:
        if row.split == "train":
            members.setdefault(row.group, set()).add(row.exemplar.id)
    tickets = [as_ticket(row.exemplar) for row in rows]
    return Evidence(tickets, vectors, search(tickets, vectors, k, [members.get(row.group, set()) for row in rows]))


def lessons(rows: Sequence[Row], evidence: Evidence, author_of: AuthorOf, task: str, seed: int) -> Iterator[Written]:
    """A lesson for each row with a label. Priors and baseline come from the training rows.

    Training rows of a compact template have aliases dealt by seed and row; the others are rendered exactly as when serving.
    """
    fields = _fields(rows, author_of)
    author = author_of(fields)
    votes = NeighborVote(author.taxonomy, fields).log_probs(evidence)
    known = [_known(row.exemplar.labels, author.taxonomy) for row in rows]
    judged = proposals(rows, known, votes, author.taxonomy, seed) if task == "critic" else []
    for place, (row, ticket, near) in enumerate(zip(rows, evidence.tickets, evidence.neighbors, strict=True)):
        gold = {f: label for f, label in known[place].items() if f in fields}
        if not gold:
            continue
        dealt = _dealt(author, row, seed)
        if judged:
            yield _critic(row, ticket, near, dealt, gold, judged[place])
        else:
            vote = {f: author.taxonomy.labels(f)[int(votes[f][place].argmax())] for f in fields}
            yield _triage(row, ticket, near, dealt, gold, vote)


def _fields(rows: Sequence[Row], author_of: AuthorOf) -> dict[str, NDArray[np.float64]]:
    """The priors of the active fields that training rows have labels for."""
    taxonomy = author_of({}).taxonomy
    known = [_known(row.exemplar.labels, taxonomy) for row in rows if row.split == "train"]
    return label_priors(known, taxonomy, [f for f in taxonomy.active() if any(f in labels for labels in known)])


def _known(labels: Mapping[str, str], taxonomy: Taxonomy) -> dict[str, str]:
    """Those that the taxonomy (still) has."""
    return {f: label for f, label in labels.items() if f in taxonomy.fields and label in taxonomy.labels(f)}


def _dealt(author: LanguageAuthor, row: Row, seed: int) -> LanguageAuthor:
    if row.split != "train" or not author.model.template.startswith(COMPACT):
        return author
    aliases = list(author.model.aliases)
    dealt = random.Random(f"{seed} {row.exemplar.id}").sample(aliases, len(aliases))
    return replace(author, model=Dealt(author.model, tuple(dealt)))


def _triage(
    row: Row,
    ticket: CleanTicket,
    near: Sequence[Neighbor],
    author: LanguageAuthor,
    gold: Mapping[str, str],
    vote: Mapping[str, str],
) -> Written:
    prompt = author.prompt(ticket, near)
    said = {c.field: vote[c.field] if vote[c.field] in c.labels else c.labels[0] for c in prompt.choices}
    summary = extract_summary(ticket.subject, ticket.body).replace('"', "'").replace("\\", "/")
    return _written(row, near, prompt, gold, said, vote, {}, summary)


def _critic(
    row: Row,
    ticket: CleanTicket,
    near: Sequence[Neighbor],
    author: LanguageAuthor,
    gold: Mapping[str, str],
    proposed: Mapping[str, str],
) -> Written:
    """What was proposed out of fold is put right, by the critic's own prompt; fields without a known label teach nothing."""
    reviewer = LanguageReviewer(author.model, author.taxonomy, author.priors, author.key, author.options, author.exemplars)
    prompt = reviewer.prompt(ticket, near, proposed)
    asked = {choice.field: proposed[choice.field] for choice in prompt.choices}
    return _written(row, near, prompt, gold, asked, asked, proposed, "")


def _written(
    row: Row,
    near: Sequence[Neighbor],
    prompt: Prompt,
    gold: Mapping[str, str],
    said: Mapping[str, str],
    vote: Mapping[str, str],
    proposal: Mapping[str, str],
    summary: str,
) -> Written:
    return Written(
        id=row.exemplar.id,
        group=row.group,
        split=row.split,
        source=row.exemplar.source,
        language=row.exemplar.language,
        text_digest=text_digest(row.exemplar.text),
        template=prompt.template,
        system=prompt.system,
        user=prompt.user,
        choices=tuple(Offer(field=c.field, labels=c.labels, aliases=c.aliases) for c in prompt.choices),
        gold=dict(gold),
        said=dict(said),
        vote=dict(vote),
        proposal=dict(proposal),
        summary=summary,
        neighbors=tuple(n.exemplar.id for n in near),
    )
