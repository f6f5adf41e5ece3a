"""What the labels of a user's taxonomy mean in terms of the lexicon: cosine of word stems, weighted by rarity."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from core.taxonomy import Label, Taxonomy
from finetune.synthetic import naming
from finetune.synthetic.lexicon import LANGUAGES, everything, parts
from finetune.synthetic.phrasing import bare
from finetune.synthetic.summary import words

MEANING_FLOOR = 0.15
"""Cosine below which a label means nothing to the lexicon."""
STEM = 5
"""Letters that forms of one word share."""
NAME_WEIGHT = 3.0
"""A word of a name against one of a definition."""
Value = tuple[str, str]
"""A dimension and one of its values."""
Vector = Mapping[str, float]
_SCALED = {"urgency", "scope", "priority"}


def _vector(names: Iterable[str], others: Iterable[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for texts, weight in ((names, NAME_WEIGHT), (others, 1.0)):
        for word in (word for text in texts for word in words(text) if len(word) > 2 or word.isdigit()):
            found[word[:STEM]] += weight  # type: ignore[assignment]
    return found


@cache
def _known() -> Mapping[Value, Vector]:
    """Every value of every dimension as a unit vector over stems."""
    counted = dict(_counted())
    frequency = Counter(stem for vector in counted.values() for stem in vector)
    return {value: _unit({stem: n * _rarity(frequency[stem]) for stem, n in vector.items()}) for value, vector in counted.items()}


@cache
def _frequencies() -> Counter[str]:
    return Counter(stem for _, vector in _counted() for stem in vector)


def _rarity(frequency: int) -> float:
    return 1.0 / (1.0 + math.log1p(frequency))


def _counted() -> Iterable[tuple[Value, Counter[str]]]:
    lexicon = everything()
    tables = {"area": lexicon.areas, "sub": lexicon.groups, "kind": lexicon.requests, "cause": lexicon.causes}
    for dimension, table in tables.items():
        for name, entry in table.items():
            yield (dimension, name), _vector(_all(entry.names), _all(entry.definitions))
    for one in lexicon.symptoms.values():
        yield ("symptom", one.id), _vector(_all(one.names), (*_all(one.heads), *_all(one.says)))
    for kind in lexicon.kinds.values():
        called = (*_all(kind.labels), *(bare(text) for text in _all(kind.generic)), *kind.products)
        yield ("domain", kind.id), _vector(called, (*_all(kind.gloss), *(_all(kind.things) if kind.app else ())))
    yield from (((d, value), _scale_vector(d, i)) for d, steps in naming.SCALES.items() for i, value in enumerate(steps))


def _all(texts: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [text for lang in LANGUAGES for text in texts[lang]]


def _scale_vector(dimension: str, step: int) -> Counter[str]:
    rows = everything().rows
    names = (parts(scale)[step] for scale in _all(rows[f"{dimension}_scales"]))
    said = [rows[f"{dimension}_definitions"][lang][step] for lang in LANGUAGES]
    return _vector(names, said)


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
    return {stem: value / length for stem, value in vector.items()}


def _likeness(one: Vector, other: Vector) -> float:
    return sum(value * other[stem] for stem, value in one.items() if stem in other)


@dataclass(frozen=True, slots=True)
class Meaning:
    """How near a label is to each value: only those of the dimensions that its field can be about."""

    label: Label
    nearness: Mapping[Value, float]

    @property
    def best(self) -> list[Value]:
        """The nearest values and those nearly as near; none where the label means nothing to the lexicon."""
        top = max(self.nearness.values(), default=0.0)
        return [value for value, near in self.nearness.items() if near >= max(MEANING_FLOOR, 0.8 * top)]


def dimension_of(field: str) -> str:
    """The dimension that a field's name points to, "" where it could be several."""
    fields = everything().fields
    folded = " ".join(words(field))
    return next((d for d in (*_SCALED, "service") if folded in {" ".join(words(name)) for name in fields[d]}), "")


def meanings(taxonomy: Taxonomy, field: str) -> tuple[Meaning, ...]:
    """What each label of a field means."""
    hint = dimension_of(field)
    pool = {"domain"} if hint == "service" else {hint} if hint else {"area", "sub", "symptom", "kind", "domain"}
    return tuple(_meaning(label, pool) for label in taxonomy.fields[field].labels)


def _meaning(label: Label, pool: set[str]) -> Meaning:
    frequency = _frequencies()
    counted = _vector(label.names, label.definition.values())
    vector = _unit({stem: n * _rarity(frequency[stem]) for stem, n in counted.items()})
    return Meaning(label, {value: _likeness(vector, known) for value, known in _known().items() if value[0] in pool})
