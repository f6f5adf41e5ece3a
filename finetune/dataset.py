"""A data set on disk: a file of lessons for each split and a card that says what is in it. Read whole or refused."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import InputError, StorageError
from core.taxonomy import Rule
from finetune.rendering import Written
from finetune.rows import SPLITS, Split
from prompts.prompt import Prompt

_REMEDY = "Make the data again with `python -m finetune data`."


class Card(BaseModel):
    """What a data set is and what it was made from. `digest` is that of the three files, by which everything refers to it.

    `labels` counts split -> field -> label; `unoffered` counts split -> field: gold labels that their prompt does not offer,
    where nothing is learned. `leaks` are the figures of the leak check.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    digest: str
    files: Mapping[str, str]
    base: str
    base_name: str
    template: str
    budget: int
    options: int
    exemplars: int
    neighbors: int
    seed: int
    split_by: str
    taxonomy: str
    taxonomy_digest: str
    knowledge: str
    embedder: str
    rules: tuple[Rule, ...]
    sources: Mapping[str, int]
    languages: Mapping[str, int]
    rows: Mapping[str, int]
    labels: Mapping[str, Mapping[str, Mapping[str, int]]]
    unoffered: Mapping[str, Mapping[str, int]]
    verdicts: Mapping[str, int]
    undated: int
    leaks: Mapping[str, float]


def write_lessons(folder: Path, lessons: Sequence[Written]) -> dict[str, str]:
    """A file for each split; split -> SHA-256.

    Raises:
        InputError: a leak, see `check`.
        StorageError: it can't be written.
    """
    check(lessons)
    digests: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            text = "".join(one.model_dump_json() + "\n" for one in lessons if one.split == split)
            (folder / f"lessons-{split}.jsonl").write_text(text, encoding="utf-8")
            digests[split] = hashlib.sha256(text.encode()).hexdigest()
    except OSError as error:
        raise StorageError(f"{folder} can't be written ({error}).", remedy="Name another folder with --out.") from error
    return digests


def data_digest(files: Mapping[str, str]) -> str:
    """One digest of all files, 12 hexadecimal digits."""
    return hashlib.sha256(" ".join(files[split] for split in SPLITS).encode()).hexdigest()[:12]


def write_card(folder: Path, card: Card) -> None:
    """As JSON for programs and as Markdown for people."""
    try:
        (folder / "card.json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "card.md").write_text(card_text(card), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder} can't be written ({error}).", remedy="Name another folder with --out.") from error


def read_card(folder: Path) -> Card:
    """The card of a data set. Raises InputError where there is none or it can't be read."""
    try:
        return Card.model_validate_json((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(f"{folder} holds no data set ({str(error).splitlines()[0]}).", remedy=_REMEDY) from error


def read_lessons(folder: Path, split: Split) -> list[Written]:
    """The lessons of one split, as they were written.

    Raises:
        InputError: the file is missing, can't be read, or is not the one that the card speaks of.
    """
    file = folder / f"lessons-{split}.jsonl"
    try:
        text = file.read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() != read_card(folder).files[split]:
            raise InputError(f"{file} has been changed: its digest is not the card's.", remedy=_REMEDY)
        return [Written.model_validate_json(line) for line in text.splitlines()]
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(f"{file} can't be read ({str(error).splitlines()[0]}).", remedy=_REMEDY) from error


def prompts_of(card: Card, lessons: Iterable[Written]) -> list[Prompt]:
    """The questions for their labels alone, with the rules that serving has."""
    rules = card.rules if card.task == "triage" else ()
    return [Prompt(p.system, p.user, p.choices, p.template, None, rules) for p in (one.prompt(free=False) for one in lessons)]


def check(lessons: Sequence[Written]) -> None:
    """Refuse what would let a test measure memory.

    Raises:
        InputError: a group or a text in two splits, a lesson that was shown itself, its near-duplicate or a row that is not
            of the training part.
    """
    splits: dict[str, set[str]] = {}
    for one in lessons:
        for key in (f"the group {one.group}", f"the text {one.text_digest}", f"the ticket {one.id}"):
            splits.setdefault(key, set()).add(one.split)
    for key, found in splits.items():
        if len(found) > 1:
            raise InputError(f"A leak: {key} is in {' and '.join(sorted(found))}.", remedy=_REMEDY)
    group_of = {one.id: (one.group, one.split) for one in lessons}
    for one in lessons:
        for neighbor in one.neighbors:
            group, split = group_of.get(neighbor, ("", "train"))
            if split != "train" or group == one.group:
                raise InputError(f"A leak: the lesson {one.id} shows {neighbor}, of {split}.", remedy=_REMEDY)


def counts(lessons: Sequence[Written]) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, dict[str, int]]]:
    """(labels, unoffered) as the card has them."""
    labels: dict[str, dict[str, Counter[str]]] = {split: {} for split in SPLITS}
    unoffered: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for one in lessons:
        for field, label in one.gold.items():
            labels[one.split].setdefault(field, Counter())[label] += 1
            unoffered[one.split][field] += field not in one.learned
    sorted_labels = {s: {f: dict(c.most_common()) for f, c in fields.items()} for s, fields in labels.items()}
    return sorted_labels, {split: dict(count) for split, count in unoffered.items()}


def card_text(card: Card) -> str:
    """The card as Markdown."""
    how = (
        "the latest tickets are the test" if card.split_by == "time" else f"by a hash of the group ({card.undated} have no date)"
    )
    lines = [
        f"# Data for {card.task}, {card.digest}",
        "",
        f"Split {how}; near-duplicates are together. Rendered with {card.template} for {card.base_name} in {card.budget} tokens,",
        f"{card.options} labels a field and {card.exemplars} exemplars, which are of the training part and no near-duplicates.",
        "",
        *_table("split", "tickets", card.rows),
        *_table("source", "tickets", card.sources),
        *_table("language", "tickets", card.languages),
        *_table("verdicts of people", "", card.verdicts),
        *_table("leak check", "", {name: f"{value:g}" for name, value in card.leaks.items()}),
    ]
    fields = sorted({field for by_field in card.labels.values() for field in by_field})
    for field in fields:
        lines += [f"## {field}", "", "| label | " + " | ".join(SPLITS) + " |", "|---|" + "--:|" * len(SPLITS)]
        names = dict.fromkeys(label for split in SPLITS for label in card.labels[split].get(field, {}))
        for name in names:
            lines.append(
                f"| {_cell(name)} | " + " | ".join(str(card.labels[s].get(field, {}).get(name, 0)) for s in SPLITS) + " |"
            )
        lines += ["| (not offered) | " + " | ".join(str(card.unoffered[s].get(field, 0)) for s in SPLITS) + " |", ""]
    lines += [
        f"Taxonomy {card.taxonomy} ({card.taxonomy_digest[:12]}), knowledge {card.knowledge[:12]}, embedder {card.embedder}."
    ]
    return "\n".join(lines) + "\n"


def _table(name: str, value: str, rows: Mapping[str, object]) -> list[str]:
    return [f"| {name} | {value} |", "|---|--:|", *(f"| {_cell(key)} | {count} |" for key, count in rows.items()), ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "?"
