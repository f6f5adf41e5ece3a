"""The lexicon: what tickets are about and how people say it, read from the files beside it and dealt to the splits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

from finetune.synthetic.deal import SPLITS, Names, Split, deal

LANGUAGES = ("es", "en")
SMALLEST_POOL = 8
"""Phrase pools smaller than this are function words, shared by all splits."""
Texts = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Symptom:
    """What happens. `kind` is fault, request, question or alert; `on` the kinds of service that it can happen to.

    By language: `names` (a label), `heads` (a headline) and `says` (a clause), with slots such as `{s}` for the service.
    """

    id: str
    group: str
    area: str
    kind: str
    on: tuple[str, ...]
    names: Texts = field(hash=False)
    heads: Texts = field(hash=False)
    says: Texts = field(hash=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something with names and definitions by language: area, group, cause, department, kind of request.

    `extra` is what was done (groups) or how it is hinted at (causes).
    """

    id: str
    names: Texts
    definitions: Texts
    extra: Texts
    area: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of service: generic names with their article, product names, and for applications things and actions."""

    id: str
    app: bool
    generic: Texts = field(hash=False)
    products: tuple[str, ...] = ()
    labels: Texts = field(default_factory=dict, hash=False)
    gloss: Texts = field(default_factory=dict, hash=False)
    things: Texts = field(default_factory=dict, hash=False)
    doing: Texts = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What one split may use. `banks` and `templates` are phrases by name, aligned between the languages by place.

    `rows` are the label patterns and scales of labels.yaml, by name.
    """

    split: Split
    symptoms: Mapping[str, Symptom]
    areas: Mapping[str, Entry]
    groups: Mapping[str, Entry]
    kinds: Mapping[str, Kind]
    requests: Mapping[str, Entry]
    causes: Mapping[str, Entry]
    departments: Mapping[str, Entry]
    banks: Mapping[str, Texts]
    templates: Mapping[str, Texts]
    rows: Mapping[str, Texts]
    ends: Mapping[str, Entry]
    fields: Mapping[str, tuple[str, ...]]


@cache
def raw(name: str) -> Any:  # noqa: ANN401 (as it was parsed)
    """One file of the lexicon as it was parsed."""
    text = resources.files("finetune.synthetic").joinpath("lexicon", f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def parts(text: str) -> tuple[str, ...]:
    """The wordings of one entry."""
    return tuple(part.strip() for part in text.split(" | ") if part.strip())


@cache
def symptoms() -> Mapping[str, Symptom]:
    """All symptoms, of every split, by id."""
    area_of = {group: area for area, row in raw("areas").items() for group in row["subs"]}
    found = {}
    for part in ("symptoms_a", "symptoms_b", "symptoms_c"):
        for name, (group, kind, on, *wordings) in raw(part).items():
            texts = [dict(zip(LANGUAGES, (parts(w[i]) for w in wordings), strict=True)) for i in range(3)]
            kinds = () if on == "-" else tuple(on.split(","))
            found[name] = Symptom(name, group, area_of[group], kind, kinds, *texts)
    return found


@cache
def symptom_splits() -> Mapping[str, Split]:
    """The split of every symptom; every area gives some to each."""
    by_area: dict[str, list[str]] = {}
    for one in symptoms().values():
        by_area.setdefault(one.area, []).append(one.id)
    return {name: split for ids in by_area.values() for name, split in deal(ids, str).items()}


@cache
def kind_splits() -> Mapping[str, Split]:
    """The split of the business applications that no symptom asks for by name; all other kinds are common words."""
    asked = {kind for one in symptoms().values() for kind in one.on}
    return deal([name for name in raw("services")["app"] if name not in asked], str)


@cache
def names() -> Names:
    """Every name that a label may have, dealt."""
    dealt = Names()
    for name, split in symptom_splits().items():
        dealt.claim((n for texts in symptoms()[name].names.values() for n in texts), split)
    for name, split in kind_splits().items():
        dealt.claim((n for pool in _kind_pools(raw("services")["app"][name]) for n in pool), split)
    for pool in _pools():
        dealt.deal(pool)
    return dealt


def _kind_pools(row: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    yield from (parts(row[key]) for key in ("products", "label_es", "label_en"))


def _pools() -> Iterable[tuple[str, ...]]:
    labels = raw("labels")
    for area in raw("areas").values():
        yield from (parts(row[lang]) for row in (area, *area["subs"].values()) for lang in LANGUAGES)
    for table in ("kind", "cause", "department"):
        yield from (parts(row[lang]) for row in labels[table].values() for lang in LANGUAGES)
    for kinds in raw("services").values():
        yield from (pool for row in kinds.values() for pool in _kind_pools(row))


@cache
def lexicon(split: Split) -> Lexicon:
    """What a split may use."""
    labels, areas = raw("labels"), raw("areas")
    every = {k: _kind(k, row, cls == "app", split) for cls, kinds in raw("services").items() for k, row in kinds.items()}
    kinds = {k: kind for k, kind in every.items() if kind_splits().get(k, split) == split}
    groups = {g: _entry(g, row, split, "f", area=a) for a, area in areas.items() for g, row in area["subs"].items()}
    return Lexicon(
        split=split,
        symptoms={k: one for k, one in symptoms().items() if symptom_splits()[k] == split},
        areas={k: _entry(k, row, split, "f") for k, row in areas.items()},
        groups=groups,
        kinds=kinds,
        requests={k: _entry(k, row, split, "f") for k, row in labels["kind"].items()},
        causes={k: _entry(k, row, split, "h") for k, row in labels["cause"].items()},
        departments={k: _entry(k, row, split, "f") for k, row in labels["department"].items()},
        banks={k: _bank(k, {lang: _lines(row[lang]) for lang in LANGUAGES}, split) for k, row in raw("banks").items()},
        templates={k: _bank(k, {lang: _lines(row[lang]) for lang in LANGUAGES}, split) for k, row in raw("templates").items()},
        rows={k: _bank(k, _row(row), split) for k, row in labels.items() if set(_row(row)) == set(LANGUAGES)},
        ends={k: _end(k, row, labels["kind_texts"].get(k, {})) for k, row in labels["kinds"].items()},
        fields={dim: parts(text) for dim, text in labels["fields"].items()},
    )


@cache
def everything() -> Lexicon:
    """All splits together: for tickets that nobody measures with. Its `split` is train."""
    train, *others = (lexicon(split) for split in SPLITS)
    return replace(
        train,
        symptoms=symptoms(),
        kinds={name: one for words in (train, *others) for name, one in words.kinds.items()},
        areas=_joined("areas", train, others),
        groups=_joined("groups", train, others),
        requests=_joined("requests", train, others),
        causes=_joined("causes", train, others),
        departments=_joined("departments", train, others),
        banks=_pooled("banks", train, others),
        templates=_pooled("templates", train, others),
        rows=_pooled("rows", train, others),
    )


def _joined(table: str, train: Lexicon, others: Iterable[Lexicon]) -> Mapping[str, Entry]:
    tables = [getattr(words, table) for words in others]
    return {
        name: replace(one, names=_together(one.names, *(table[name].names for table in tables)))
        for name, one in getattr(train, table).items()
    }


def _pooled(table: str, train: Lexicon, others: Iterable[Lexicon]) -> Mapping[str, Texts]:
    tables = [getattr(words, table) for words in others]
    return {name: _together(texts, *(table[name] for table in tables)) for name, texts in getattr(train, table).items()}


def _together(*pools: Texts) -> Texts:
    return {lang: tuple(dict.fromkeys(text for pool in pools for text in pool[lang])) for lang in LANGUAGES}


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _row(row: object) -> Texts:
    """Patterns and scales have wordings by language and nothing below."""
    if not isinstance(row, dict) or set(row) != set(LANGUAGES):
        return {}
    return {lang: tuple(value) if isinstance(value, list) else parts(value) for lang, value in row.items()}


def _bank(name: str, texts: Texts, split: Split) -> Texts:
    """One pool of phrases: what stands at one place in both languages is dealt together."""
    size = min(len(texts[lang]) for lang in LANGUAGES)
    if size < SMALLEST_POOL:
        return texts
    dealt = deal([f"{name}/{i}" for i in range(size)], str)
    kept = [i for i in range(size) if dealt[f"{name}/{i}"] == split]
    return {lang: tuple(texts[lang][i] for i in kept) for lang in LANGUAGES}


def _entry(name: str, row: Mapping[str, str], split: Split, extra: str, area: str = "") -> Entry:
    return Entry(
        name,
        {lang: names().of(parts(row[lang]), split) for lang in LANGUAGES},
        {lang: parts(row.get(f"d{lang}", "")) for lang in LANGUAGES},
        {lang: parts(row.get(f"{extra}{lang}", "")) for lang in LANGUAGES},
        area,
    )


def _end(name: str, row: Mapping[str, str], texts: Mapping[str, str]) -> Entry:
    """A way a case ends. Its wordings are the product's own, so nothing of them is held out."""
    sources = ((row, ""), (row, "d"), (texts, ""))
    called, defined, said = ({lang: parts(found.get(key + lang, "")) for lang in LANGUAGES} for found, key in sources)
    return Entry(name, called, defined, said)


def _kind(name: str, row: Mapping[str, str], app: bool, split: Split) -> Kind:
    common = raw("banks")

    def texts(key: str) -> Texts:
        return {lang: parts(row.get(f"{key}_{lang}", "")) or _lines(common.get(key, {}).get(lang, "")) for lang in LANGUAGES}

    return Kind(
        name,
        app,
        generic={lang: parts(row[lang]) for lang in LANGUAGES},
        products=names().of(parts(row["products"]), split),
        labels=texts("label"),
        gloss=texts("gloss"),
        things=texts("things"),
        doing=texts("doing"),
    )
