"""An episode in words that its reader has never learned: what is left to read is what ticket, exemplars and names share.

Without such lessons a model learns the generator's words instead of reading, and is lost with a company's own.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from core.taxonomy import RESOLUTION_FIELD, FieldSpec, Label, Rule, Taxonomy
from core.ticket import Neighbor
from finetune.synthetic import invented
from finetune.synthetic.deal import Split
from finetune.synthetic.episodes import Episode
from finetune.synthetic.lexicon import LANGUAGES
from finetune.synthetic.lookup import vocabulary

STEM = 5
"""Letters that forms of one word share: a stem is changed, its ending stays, so that forms of one word stay alike."""
SHORTEST = 4
"""Letters; shorter words, which hold sentences together, stay."""
INVENTED = 0.3
"""Share of stems that no language has."""
PLAIN = 0.3
"""Share of episodes without capitals and punctuation, as some desks export them."""
_WORD = re.compile(rf"[^\W\d_]{{{SHORTEST},}}")
_NOT_WORDS = re.compile(r"[^\w\s]+")


def unfamiliar(episode: Episode, split: Split, rng: random.Random) -> Episode:
    """The same episode with every stem replaced by another, everywhere the same one. Kinds of resolution keep their names.

    Only labels that are on an exemplar can be known now; an episode without one is left as it is.
    """
    told = _Told(split, rng, plain=rng.random() < PLAIN)
    fields = {f: spec if f == RESOLUTION_FIELD else _renamed(spec, told.name) for f, spec in episode.taxonomy.fields.items()}
    new = {
        field: dict(zip(episode.taxonomy.labels(field), (label.name for label in spec.labels), strict=True))
        for field, spec in fields.items()
    }
    rules = tuple(
        Rule(
            when={f: new[f][label] for f, label in rule.when.items()},
            allow={f: tuple(new[f][x] for x in labels) for f, labels in rule.allow.items()},
        )
        for rule in episode.taxonomy.rules
    )
    taxonomy = Taxonomy(version="1", fields=fields, rules=rules, systems=episode.taxonomy.systems)
    ticket = replace(episode.ticket, subject=told.text(episode.ticket.subject), body=told.text(episode.ticket.body))
    neighbors, further = (tuple(_retold(one, told.text, new) for one in some) for some in (episode.neighbors, episode.further))
    shown = {item for one in neighbors for item in one.exemplar.labels.items()}
    gold = {field: new[field][label] for field, label in episode.gold.items() if (field, new[field][label]) in shown}
    return Episode(taxonomy, ticket, gold, neighbors, told.text(episode.summary), further) if gold else episode


def _renamed(spec: FieldSpec, told: Callable[[str], str]) -> FieldSpec:
    """The field without synonyms, which no prompt shows."""
    labels = (
        Label(name=told(label.name), definition={tongue: told(text) for tongue, text in label.definition.items()})
        for label in spec.labels
    )
    return spec.model_copy(update={"labels": tuple(labels)})


def _retold(neighbor: Neighbor, told: Callable[[str], str], new: Mapping[str, Mapping[str, str]]) -> Neighbor:
    past = neighbor.exemplar
    labels = {field: new[field][label] for field, label in past.labels.items()}
    texts = {"subject": told(past.subject), "body": told(past.body), "resolution": told(past.resolution)}
    return replace(neighbor, exemplar=replace(past, labels=labels, **texts))


class _Told:
    """Texts in the words of one episode."""

    def __init__(self, split: Split, rng: random.Random, *, plain: bool) -> None:
        self._split, self._rng, self._plain = split, rng, plain
        self._stems: dict[str, str] = {}

    def name(self, text: str) -> str:
        return _WORD.sub(lambda found: self._word(found[0]), text)

    def text(self, text: str) -> str:
        told = self.name(text)
        return " ".join(_NOT_WORDS.sub(" ", told).lower().split()) if self._plain else told

    def _word(self, word: str) -> str:
        stem = word[:STEM].lower()
        if stem not in self._stems:
            self._stems[stem] = self._fresh()
        told = self._stems[stem] + word[STEM:].lower()
        return told.upper() if word.isupper() else told.capitalize() if word[0].isupper() else told

    def _fresh(self) -> str:
        """A stem that nothing in this episode has yet."""
        taken = set(self._stems.values())
        while True:
            known = self._rng.random() >= INVENTED
            word = self._rng.choice(_stems(self._split)) if known else invented.word(self._rng, self._split).lower()
            if (stem := word[:STEM]) not in taken:
                return stem


@cache
def _stems(split: Split) -> tuple[str, ...]:
    words = (word for language in LANGUAGES for word in vocabulary(split, language))
    return tuple(sorted({word[:STEM] for word in words}))
