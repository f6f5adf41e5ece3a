"""What synthetic data must keep to: enough variety, and nothing of validation and test in training."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from core.taxonomy import RESOLUTION_FIELD
from finetune.synthetic.deal import SPLITS, Split
from finetune.synthetic.episodes import Episode, episode
from finetune.synthetic.lexicon import lexicon
from finetune.synthetic.phrasing import SLOT
from finetune.synthetic.summary import words

GRAM = 4
"""Words of a gram."""
NEAR = 0.8
"""Jaccard overlap of word sets from which two tickets are near-duplicates."""
TELLING = 5
"""Words in a row that show where a text comes from."""
_SMALL_SET = 3


@dataclass(frozen=True, slots=True)
class Report:
    """Diversity of the training tickets, and leaks into them.

    `distinct_grams` is the number of different 4-grams over that of all 4-grams; `openings` that of distinct
    first five words; `near_duplicates` the share of tickets with a near-duplicate; `leaked_*` count what occurs on both sides.
    """

    tickets: int
    distinct_grams: float
    openings: float
    near_duplicates: float
    leaked_tickets: int
    leaked_label_sets: int
    leaked_phrases: int
    leaked_entries: int

    @property
    def leaks(self) -> int:
        """All leaks together; must be 0."""
        return self.leaked_tickets + self.leaked_label_sets + self.leaked_phrases + self.leaked_entries


def report(seed: int, count: int) -> Report:
    """Looks at the first `count` episodes of each split."""
    made = {split: [episode(seed, split, i) for i in range(count)] for split in SPLITS}
    texts = {split: [text for one in made[split] for text in _texts(one)] for split in SPLITS}
    queries = [one.ticket.text for one in made["train"]]
    held = SPLITS[1:]
    return Report(
        len(queries),
        distinct_grams(texts["train"]),
        len({tuple(words(text)[:5]) for text in queries}) / len(queries),
        near_duplicates(queries),
        sum(len(_long(texts["train"]) & _long(texts[split])) for split in held),
        sum(len(_label_sets(made["train"]) & _label_sets(made[split])) for split in held),
        sum(leaked_phrases(texts["train"], split) for split in held),
        sum(len(_entries("train") & _entries(split)) for split in held),
    )


def _texts(one: Episode) -> Iterable[str]:
    yield one.ticket.text
    yield from (neighbor.exemplar.text for neighbor in one.neighbors)


def _long(texts: Iterable[str]) -> set[str]:
    """Texts as words; those of fewer than five can be alike by chance."""
    return {" ".join(found) for text in texts if len(found := words(text)) >= TELLING}


def distinct_grams(texts: Iterable[str]) -> float:
    """Types over tokens of 4-grams."""
    grams = Counter(gram for text in texts for gram in _grams(words(text), GRAM))
    return len(grams) / max(1, sum(grams.values()))


def _grams(found: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    return zip(*(found[i:] for i in range(size)), strict=False)


def near_duplicates(texts: Sequence[str]) -> float:
    """Share of texts that have a near-duplicate among the others; quadratic in their number."""
    bags = [frozenset(words(text)) for text in texts]
    hit: set[int] = set()
    for (i, one), (j, other) in combinations(enumerate(bags), 2):
        shared = len(one & other)
        if shared and shared >= NEAR * (len(one) + len(other) - shared):
            hit |= {i, j}
    return len(hit) / max(1, len(texts))


def _label_sets(made: Iterable[Episode]) -> set[frozenset[str]]:
    """Names of a field's labels together; the product's own resolution kinds are everybody's."""
    fields = ((name, one.taxonomy.labels(name)) for one in made for name in one.taxonomy.fields)
    return {frozenset(labels) for name, labels in fields if name != RESOLUTION_FIELD and len(labels) >= _SMALL_SET}


def leaked_phrases(texts: Iterable[str], held: Split) -> int:
    """Phrases of held-out symptoms, banks and templates, of five words or more between slots, that occur in texts."""
    read = "\n".join(f" {' '.join(words(text))} " for text in texts)
    own = _pieces("train")
    return sum(f" {piece} " in read for piece in _pieces(held) if not any(piece in known for known in own))


def _pieces(split: Split) -> set[str]:
    """What stands between the slots of a split's phrases, as words, where it is long enough to tell where it comes from."""
    own = lexicon(split)
    sides = [side for one in own.symptoms.values() for side in (one.says, one.heads)]
    pools: Iterable[Mapping[str, tuple[str, ...]]] = (*sides, *own.banks.values(), *own.templates.values())
    pieces = (piece for pool in pools for texts in pool.values() for text in texts for piece in SLOT.split(text)[::3])
    return {" ".join(found) for piece in pieces if len(found := words(piece)) >= TELLING}


def _entries(split: Split) -> set[str]:
    """Symptoms, products and names of areas, groups and causes that belong to a split."""
    own = lexicon(split)
    tables = (own.areas, own.groups, own.causes, own.requests, own.departments)
    named = {name for table in tables for entry in table.values() for names in entry.names.values() for name in names}
    products = {name for kind in own.kinds.values() for name in kind.products}
    return {*own.symptoms} | named | products
