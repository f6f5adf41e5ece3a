"""`data`: from a home to a data set. Opens the home's parts; what happens to them is in `rows`, `rendering` and `dataset`."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch.assemble import House
from batch.commands import prepare
from batch.models import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from core.errors import InputError, SettingsError
from core.ticket import Evidence, Vectors
from finetune.dataset import Card, counts, data_digest, write_card, write_lessons
from finetune.rendering import AuthorOf, Written, lessons, train_evidence
from finetune.rows import Gathered, Row, dated, divided, gathered
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.duplicates import shared
from knowledge.ingest import ingest
from llm.author import LanguageAuthor
from llm.champion import base_source
from llm.checkpoint import Checkpoint
from observability.journal import Journal
from review.corrections import Judged, judged

_MARK = "<|option|>"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: `base` is "shipped", a folder or a hub name, and decides the template and budget that are not given."""

    task: str
    out: Path
    base: str
    template: str = ""
    budget: int = 0
    seed: int = 0


def reading_house(house: House, request: Request) -> House:
    """The house as it will be when the model to be trained serves: its author renders the lessons."""
    source = base_source(request.base)
    own = _MARK in Checkpoint(source, house.settings.llm.revision).tokenizer.get_vocab()
    template = request.template or (SHIPPED_TEMPLATE if own else house.settings.llm.template)
    budget = request.budget or (min(SHIPPED_BUDGET, house.settings.llm.budget) if own else house.settings.llm.budget)
    changes = {"model": source, "url": "", "adapter": "", "precision": "fp32", "template": template, "budget": budget}
    settings = house.settings.model_copy(update={"llm": house.settings.llm.model_copy(update=changes)})
    return House(settings, house.home, house.demo)


def collect(house: House, request: Request) -> Card:
    """Make the data set. The user's index is only read; neighbours come from a throw-away index of the training rows.

    Raises:
        InputError: too few tickets, or a leak.
    """
    prepare(house)
    known = house.knowledge.exemplars()
    verdicts = read_verdicts(house)
    together = [*known, *verdicts.rows]
    vectors = house.remembering.encode([e.text for e in together])
    found = gathered(known, verdicts.rows, vectors)
    rows, split_by = divided(found, request.seed)
    at = house.remembering.encode([row.exemplar.text for row in rows])
    with tempfile.TemporaryDirectory(prefix="tamiz-data-") as folder:
        evidence = _evidence(house, Path(folder), rows, at)
    written = list(lessons(rows, evidence, author_of(house), request.task, request.seed))
    if request.task == "critic":
        written = [one for one in written if one.choices]
    card = _card(house, request, written, verdicts, found, split_by, _near(rows, at), write_lessons(request.out, written))
    write_card(request.out, card)
    return card


def read_verdicts(house: House) -> Judged:
    """What people said in this home's journal."""
    file = house.home / "journal.sqlite"
    if not file.exists():
        return Judged((), 0)
    with Journal(file) as journal:
        return judged(journal.about_judged(), house.taxonomy)


def author_of(house: House) -> AuthorOf:
    """The serving author, for priors."""

    def made(priors: Mapping[str, NDArray[np.float64]]) -> LanguageAuthor:
        author = house.author(priors)
        if author is None:
            raise SettingsError("No language model is set.", remedy="Name one with --base.")
        return author

    return made


def _evidence(house: House, folder: Path, rows: Sequence[Row], vectors: Vectors) -> Evidence:
    training = [row.exemplar for row in rows if row.split == "train"]
    shelf = shelf_at(folder)
    for source in sorted({e.source for e in training}):
        ingest(shelf, house.remembering, [e for e in training if e.source == source], source=source)
    with KnowledgeBase.open(shelf, house.embedder, floor=house.settings.knowledge.floor) as index:
        return train_evidence(
            rows, vectors, lambda t, v, k, x: index.search(t, v, k, exclude=x), house.settings.knowledge.neighbors
        )


def _near(rows: Sequence[Row], vectors: Vectors) -> dict[str, float]:
    """How near the held-out rows are to the training rows, found again without the groups."""
    train = [i for i, row in enumerate(rows) if row.split == "train"]
    held = [i for i, row in enumerate(rows) if row.split != "train"]
    texts = [row.exemplar.text for row in rows]
    near = shared([texts[i] for i in train], vectors[train], [texts[i] for i in held], vectors[held])
    closest = (vectors[held] @ vectors[train].T).max(axis=1)
    if len(near):
        raise InputError(
            f"A leak: {len(near)} held-out tickets have a near-duplicate in the training part.",
            remedy="Make the data again; if it stays, ingest the history again.",
        )
    return {
        "texts in two splits": 0,
        "groups in two splits": 0,
        "held-out tickets with a near-duplicate in training": 0,
        "largest cosine between held-out and training": round(float(closest.max()), 4),
        "mean of the largest cosine": round(float(closest.mean()), 4),
    }


def _card(
    house: House,
    request: Request,
    written: Sequence[Written],
    verdicts: Judged,
    found: Gathered,
    split_by: str,
    near: dict[str, float],
    files: dict[str, str],
) -> Card:
    chosen = house.settings.llm
    author = author_of(house)({})
    labels, unoffered = counts(written)
    fields = {c.field for one in written for c in one.choices}
    return Card(
        task=request.task,
        digest=data_digest(files),
        files=files,
        base=request.base,
        base_name=author.model.name,
        template=written[0].template,
        budget=chosen.budget,
        options=chosen.options,
        exemplars=chosen.exemplars,
        neighbors=house.settings.knowledge.neighbors,
        seed=request.seed,
        split_by=split_by,
        taxonomy=house.taxonomy.version,
        taxonomy_digest=house.taxonomy.digest,
        knowledge=house.knowledge.version,
        embedder=house.embedder.name,
        rules=tuple(rule for rule in house.taxonomy.rules if set(rule.when) <= fields),
        sources=dict(Counter(one.source for one in written)),
        languages=dict(Counter(one.language for one in written)),
        rows=dict(Counter(one.split for one in written)),
        labels=labels,
        unoffered=unoffered,
        verdicts={
            "judged tickets": len(verdicts.rows),
            "exemplars that took a verdict's labels": found.corrected,
            "labels that the taxonomy does not have": verdicts.unknown_labels,
        },
        undated=sum(dated(e.resolved_at) is None for e in found.exemplars),
        leaks=near,
    )
