"""The labels of one field: values of a dimension put into groups, each group named, perhaps defined."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from core.taxonomy import Label
from core.text import fold
from finetune.synthetic import invented, naming
from finetune.synthetic import lexicon as lexica
from finetune.synthetic.deal import Split
from finetune.synthetic.incident import World, other_language
from finetune.synthetic.lexicon import LANGUAGES, Lexicon, parts
from finetune.synthetic.phrasing import capital

STYLES = {"real": 0.5, "synonym": 0.25, "nonsense": 0.25}
"""Usual names, other names, names that mean nothing."""
JOINED = 3
"""Values that a label's name may list."""
LISTED = 4
"""Values that a definition may list."""
_AND = {"es": " y ", "en": " and "}
_TOPICS = {"area", "sub", "symptom", "domain", "service"}


@dataclass(frozen=True, slots=True)
class Labelling:
    """`label_of` by value; `explained` are the values whose label's name or definition says that they are meant."""

    labels: tuple[Label, ...]
    label_of: Mapping[str, str]
    explained: frozenset[str]
    defined: bool


@dataclass(slots=True)
class Namer:
    """Names the labels of one field. `pattern` has one slot, "{x} team"; `defined` says whether labels have definitions."""

    rng: random.Random
    lexicon: Lexicon
    world: World
    dimension: str
    language: str
    style: str
    defined: bool
    pattern: str = "{x}"
    scale: tuple[str, ...] = ()
    every: Sequence[str] = ()
    taken: set[str] = field(default_factory=set)
    explained: set[str] = field(default_factory=set)

    def label(self, group: Sequence[str], rest: bool) -> Label:
        """One label for a group of values; `rest` where it is what is left over."""
        rng = self.rng
        style = rng.choices(list(STYLES), list(STYLES.values()))[0] if rng.random() < 0.1 and not self.scale else self.style
        name = "" if style == "nonsense" else self._other() if rest else self._meaningful(group, style)
        umbrella = "" if style == "nonsense" or rest else self._umbrella(group, style)
        if umbrella and self._take(umbrella):
            name = umbrella
            self.explained.update(group)
        elif name and self._take(name):
            self.explained.update(group if rest else group[:JOINED])
        else:
            name = self._nonsense()
        listed = self.defined or (not rest and len(group) > JOINED and rng.random() < 0.7)
        if listed and not rest:
            self.explained.update(group[:LISTED])
        return Label(name=name, definition=self._definition(group) if listed and not rest else {}, synonyms=self._synonyms(group))

    def _umbrella(self, group: Sequence[str], style: str) -> str:
        """The area's name, where a group is the whole of it as far as this field goes."""
        if self.dimension not in {"sub", "symptom"} or len(group) < 2:
            return ""
        area_of = {value: _kinship(self.lexicon.split)[value].split("/")[0] for value in self.every}
        areas = {area_of[value] for value in group}
        if len(areas) > 1 or any(area in areas for value, area in area_of.items() if value not in group):
            return ""
        names = self.lexicon.areas[areas.pop()].names[self.language]
        return self._dressed(names[0] if style == "real" else self.rng.choice(names))

    def _meaningful(self, group: Sequence[str], style: str) -> str:
        if self.scale:
            places = [naming.SCALES[self.dimension].index(value) for value in group]
            return " / ".join(self.scale[place] for place in places)
        if len(group) > JOINED:
            return ""
        names = [self._name(value, style) for value in group]
        if not all(names):
            return ""
        joint = self.rng.choice((_AND[self.language], " / ", ", "))
        return self._dressed(
            joint.join(names) if len(names) < JOINED else ", ".join(names[:-1]) + _AND[self.language] + names[-1]
        )

    def _name(self, value: str, style: str) -> str:
        names = naming.names(self.dimension, value, self.lexicon, self.world)[self.language]
        return (self.rng.choice(names[1:]) if style == "synonym" and len(names) > 1 else names[0]) if names else ""

    def _dressed(self, name: str) -> str:
        return self.pattern.replace("{x}", name)

    def _other(self) -> str:
        return self.rng.choice(self.lexicon.banks["other"][self.language])

    def _nonsense(self) -> str:
        rng, split = self.rng, self.lexicon.split
        for _ in range(200):
            form = rng.random()
            if form < 0.4:
                name = invented.code(rng, split)
            elif form < 0.7:
                name = invented.word(rng, split)
            else:
                x = rng.choice((rng.choice(_greek(self.lexicon.split)), invented.code(rng, split), str(rng.randint(1, 99))))
                name = rng.choice(self.lexicon.rows["nonsense"][self.language]).replace("{x}", x)
            if self._take(name):
                return name
        raise AssertionError("syllables ran out")

    def _take(self, name: str) -> bool:
        folded = fold(name)
        if folded in self.taken or not folded:
            return False
        self.taken.add(folded)
        return True

    def _definition(self, group: Sequence[str]) -> dict[str, str]:
        wanted = LANGUAGES if self.rng.random() < 0.2 else (self.language,)
        return {lang: self._defining(group, lang) for lang in wanted}

    def _defining(self, group: Sequence[str], language: str) -> str:
        texts = [self._meaning(value, language, alone=len(group) == 1) for value in group[:LISTED]]
        text = "; ".join(texts)
        if self.dimension in _TOPICS and self.rng.random() < 0.35:
            pattern = self.rng.choice(self.lexicon.rows["define"][language])
            return capital(pattern.replace("{x}", text[:1].lower() + text[1:] if text[1:2].islower() else text))
        return capital(text)

    def _meaning(self, value: str, language: str, alone: bool) -> str:
        source = naming.definitions if alone or self.dimension in naming.SCALES else naming.names
        texts = source(self.dimension, value, self.lexicon, self.world)
        return self.rng.choice(texts[language] or texts[other_language(language)] or (value,))

    def _synonyms(self, group: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Other names, some of the time; a prompt does not show them."""
        if self.style == "nonsense" or len(group) > 1 or self.rng.random() < 0.6:
            return {}
        names = naming.names(self.dimension, group[0], self.lexicon, self.world)
        found = {lang: tuple(name for name in names[lang][1:3] if self._take(name)) for lang in LANGUAGES}
        return {lang: kept for lang, kept in found.items() if kept}


@cache
def _greek(split: Split) -> tuple[str, ...]:
    return tuple(word for word in _GREEK if invented.split_of(word) == split)


_GREEK = (
    *("Alfa", "Beta", "Gamma", "Delta", "Épsilon", "Zeta", "Kappa", "Lambda", "Omega", "Sigma", "Tango", "Norte", "Roble"),
    *("Halcón", "Zafiro", "Lince", "Cobre", "Ámbar", "Fénix", "Nébula", "Cedar", "Falcon", "Amber", "Onyx", "Quartz", "Lotus"),
    *("Olmo", "Trueno", "Marfil", "Coral", "Jade", "Encina", "Boreal", "Cometa", "Maple", "Raven", "Copper", "Willow", "Comet"),
)


def grouped(
    rng: random.Random, dimension: str, values: Sequence[str], most: int, order: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], bool]:
    """Values put into at most `most` groups, and whether the last one is what is left over. `order` says what is akin."""
    if dimension in naming.SCALES:
        return _scale_groups(rng, values), False
    shuffled = rng.sample(list(values), k=len(values))
    count = min(most, len(shuffled))
    if count == len(shuffled) and (count < 4 or rng.random() < 0.85):
        return [(value,) for value in shuffled], False
    if count < len(shuffled) <= 2 * count and rng.random() < 0.4:
        return [*((value,) for value in shuffled[: count - 1]), tuple(shuffled[count - 1 :])], True
    if rng.random() < 0.75:
        shuffled.sort(key=lambda value: (rng.random() < 0.1, order.get(value, "")))  # what belongs together, mostly
    cuts = sorted(rng.sample(range(1, len(shuffled)), k=count - 1))
    return [tuple(shuffled[a:b]) for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)], False


@cache
def _kinship(split: Split) -> Mapping[str, str]:
    """Groups and symptoms by area, pairs by kind: values that sort together belong together."""
    words = lexica.lexicon(split)
    groups = {name: entry.area for name, entry in words.groups.items()}
    return groups | {one.id: f"{one.area}/{one.group}" for one in words.symptoms.values()}


def _scale_groups(rng: random.Random, values: Sequence[str]) -> list[tuple[str, ...]]:
    """All steps, or two neighbouring ones as one."""
    if rng.random() < 0.8:
        return [(value,) for value in values]
    at = rng.randrange(len(values) - 1)
    return [*((v,) for v in values[:at]), tuple(values[at : at + 2]), *((v,) for v in values[at + 2 :])]


def labelling(
    rng: random.Random, lexicon: Lexicon, world: World, dimension: str, values: Sequence[str], most: int, pattern: str = ""
) -> Labelling:
    """Names and definitions for the groups of a dimension's values: usual names, synonyms or nonsense."""
    language = world.language if rng.random() < 0.7 else other_language(world.language)
    groups, rest = grouped(rng, dimension, values, most, _kinship(lexicon.split))
    namer = Namer(
        rng,
        lexicon,
        world,
        dimension,
        language,
        style=rng.choices(list(STYLES), list(STYLES.values()))[0],
        defined=rng.random() < 0.5,
        pattern=_pattern(rng, lexicon, dimension, language, pattern),
        every=values,
        scale=parts(rng.choice(lexicon.rows[f"{dimension}_scales"][language])) if dimension in naming.SCALES else (),
    )
    labels = [namer.label(group, rest and i == len(groups) - 1) for i, group in enumerate(groups)]
    label_of = {value: label.name for label, group in zip(labels, groups, strict=True) for value in group}
    explained = namer.explained
    if rest and not set(label_of) - set(groups[-1]) <= explained:
        explained -= set(groups[-1])  # "other" says nothing where it is not known what the rest is
    return Labelling(_ordered(rng, dimension, labels), label_of, frozenset(explained), namer.defined)


def _ordered(rng: random.Random, dimension: str, labels: Sequence[Label]) -> tuple[Label, ...]:
    return tuple(labels) if dimension in naming.SCALES else tuple(rng.sample(list(labels), k=len(labels)))


def _pattern(rng: random.Random, lexicon: Lexicon, dimension: str, language: str, pattern: str) -> str:
    if pattern:
        return rng.choice(lexicon.rows[pattern][language])
    return rng.choice(lexicon.rows["prefixes"][language]) if dimension in _TOPICS and rng.random() < 0.12 else "{x}"
