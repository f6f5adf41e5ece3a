"""Episodes of a few words: a label is found by its name in the text, or on the exemplar that shares a keyword.

The skill behind every triage with exemplars, with nothing around it: a model that learns it first learns the rest sooner.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from core.taxonomy import FieldSpec, Label, Taxonomy
from core.ticket import CleanTicket, Exemplar, Neighbor
from finetune.synthetic import invented
from finetune.synthetic.deal import Split
from finetune.synthetic.episodes import Episode
from finetune.synthetic.lexicon import LANGUAGES, lexicon

NAMED = 0.5
"""Share of labels whose name stands in their tickets."""
MISLED = 0.15
"""Share of unlike exemplars that look near."""
BLIND = 0.5
"""Share of episodes whose similarities say nothing: the words must be read."""
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class _Theme:
    """A label of each field with the words that its tickets have one of."""

    labels: Mapping[str, str]
    keywords: Sequence[str]


def lookup(seed: int, split: Split, number: int) -> Episode:
    """The episode with this number."""
    rng = random.Random(f"lookup/{seed}/{split}/{number}")
    language = rng.choice(LANGUAGES)
    fields = rng.sample(_fields(split), rng.choice((1, 1, 2)))
    themes = _themes(rng, split, fields)
    about = rng.choice(themes)
    keyword = rng.choice(about.keywords)
    past = [(about, keyword), *((one, rng.choice(one.keywords)) for one in rng.choices(themes, k=rng.randint(3, 14)))]
    asked = "" if rng.random() < BLIND else keyword
    neighbors = [_neighbor(rng, split, f"{number}-{i}", *one, asked, language) for i, one in enumerate(past)]
    names = {field: sorted({theme.labels[field] for theme in themes}) for field in fields}
    taxonomy = Taxonomy(
        version="1", fields={f: FieldSpec(labels=tuple(Label(name=name) for name in known)) for f, known in names.items()}
    )
    text = _text(rng, split, keyword, language, rng.randint(2, 9))
    ticket = CleanTicket(f"lookup-{split}-{number}", "", text, language=language)
    nearest = tuple(sorted(neighbors, key=lambda n: -n.similarity))
    return Episode(taxonomy, ticket, about.labels, nearest, text.capitalize())


def _themes(rng: random.Random, split: Split, fields: Sequence[str]) -> list[_Theme]:
    themes: list[_Theme] = []
    count = rng.randint(2, 6)
    while len(themes) < count:
        words = rng.sample(vocabulary(split, rng.choice(LANGUAGES)), rng.randint(1, 2))
        labels = {field: words[0].capitalize() if rng.random() < NAMED else _nonsense(rng, split) for field in fields}
        if all(labels[f] != one.labels[f] for one in themes for f in fields):
            themes.append(_Theme(labels, words))
    return themes


def _nonsense(rng: random.Random, split: Split) -> str:
    return rng.choice((invented.word, invented.code))(rng, split)


def _neighbor(rng: random.Random, split: Split, name: str, theme: _Theme, keyword: str, asked: str, language: str) -> Neighbor:
    near = keyword == asked or rng.random() < MISLED
    similarity = rng.uniform(0.6, 0.98) if near else rng.uniform(0.2, 0.75)
    exemplar = Exemplar(name, "", _text(rng, split, keyword, language, rng.randint(0, 2)), language, theme.labels, "")
    return Neighbor(exemplar, similarity)


def _text(rng: random.Random, split: Split, keyword: str, language: str, more: int) -> str:
    words = [*rng.sample(vocabulary(split, language), more), keyword]
    return " ".join(rng.sample(words, len(words)))


@cache
def vocabulary(split: Split, language: str) -> tuple[str, ...]:
    """Words of four letters or more that the symptoms are told with."""
    told = (text for one in lexicon(split).symptoms.values() for texts in (one.names, one.says) for text in texts[language])
    return tuple(sorted({word.lower() for text in told for word in _WORD.findall(text)}))


@cache
def _fields(split: Split) -> tuple[str, ...]:
    return tuple(sorted({name for names in lexicon(split).fields.values() for name in names}))
