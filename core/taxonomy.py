"""The closed label sets: names, definitions, synonyms, cross-field rules, modes. Read from one versioned file.

Nothing else in the code knows a label. The resolution kinds are the product's own words (`manual`, `close`, `reassign`,
`wait`, `api|<system>`); every other label is the user's.
"""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.errors import TaxonomyError
from core.text import fold

RESOLUTION_FIELD = "resolution_kind"
PLAIN_KINDS = ("manual", "close", "reassign", "wait")
API_PREFIX = "api|"


class Mode(StrEnum):
    """What may happen with a field's proposal: written, proposed, only recorded, or not computed."""

    AUTOFILL = "autofill"
    SUGGEST = "suggest"
    SHADOW = "shadow"
    OFF = "off"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(_Strict):
    """One label, its one-line definition and its other names, by language ("es", "en")."""

    name: str = Field(min_length=1)
    definition: Mapping[str, str] = Field(default_factory=dict)
    synonyms: Mapping[str, tuple[Annotated[str, Field(pattern=r"\S")], ...]] = Field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every synonym."""
        return (self.name, *(s for group in self.synonyms.values() for s in group))

    @property
    def texts(self) -> tuple[str, ...]:
        """One descriptive text per language: name, synonyms and definition, for label-text similarity."""
        languages = sorted({*self.definition, *self.synonyms}) or [""]
        return tuple(
            ". ".join(filter(None, (", ".join((self.name, *self.synonyms.get(lang, ()))), self.definition.get(lang, ""))))
            for lang in languages
        )


class FieldSpec(_Strict):
    """A field: its labels, what may be done with a proposal, and the precision that an autofill must reach."""

    labels: tuple[Label, ...] = Field(min_length=1)
    mode: Mode = Mode.SUGGEST
    target_precision: float = Field(default=0.95, gt=0.0, lt=1.0)


class Rule(_Strict):
    """When all of `when` holds (field: label), each field of `allow` must be one of its labels."""

    when: Mapping[str, str]
    allow: Mapping[str, tuple[str, ...]]


class Priority(_Strict):
    """ITIL priority: `matrix[label of rows][label of columns]`."""

    rows: str
    columns: str
    matrix: Mapping[str, Mapping[str, str]]


class Taxonomy(_Strict):
    """All fields with their labels and the rules between them. Immutable; contradictions are refused when it is made."""

    version: str
    name: str = ""
    fields: Mapping[str, FieldSpec]
    systems: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    priority: Priority | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := contradictions(self):
            raise ValueError("; ".join(problems))
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal: two taxonomies with one digest are the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @cached_property
    def _by_name(self) -> dict[str, dict[str, str]]:
        return {
            name: {fold(alias): label.name for label in spec.labels for alias in reversed(label.names)}
            for name, spec in self.fields.items()
        }

    def labels(self, field: str) -> tuple[str, ...]:
        """The label names of a field, in the order of every distribution over it."""
        return tuple(label.name for label in self.fields[field].labels)

    def active(self) -> tuple[str, ...]:
        """The fields that are computed: all whose mode is not off."""
        return tuple(name for name, spec in self.fields.items() if spec.mode is not Mode.OFF)

    def match(self, field: str, text: str) -> str | None:
        """The canonical label that `text` names or is a synonym of (see `core.text.fold`); None where there is none."""
        return self._by_name[field].get(fold(text))

    def canonical(self, field: str, text: str) -> str:
        """Like `match`, but a text outside the label set is a TaxonomyError."""
        label = self.match(field, text)
        if label is None:
            raise TaxonomyError(
                f"{text!r} is not a label of {field}.",
                remedy=f"Use one of {', '.join(self.labels(field)[:12])}, or add it to the taxonomy.",
            )
        return label

    def violations(self, labels: Mapping[str, str]) -> tuple[Rule, ...]:
        """The rules that a set of canonical labels breaks; fields that are absent break none."""
        return tuple(
            rule
            for rule in self.rules
            if all(labels.get(f) == name for f, name in rule.when.items())
            and any(f in labels and labels[f] not in allowed for f, allowed in rule.allow.items())
        )

    def itil_priority(self, labels: Mapping[str, str]) -> str | None:
        """The priority that the matrix gives for these labels, or None where it does not say."""
        if self.priority is None:
            return None
        row = labels.get(self.priority.rows, "")
        column = labels.get(self.priority.columns, "")
        return self.priority.matrix.get(row, {}).get(column)


def contradictions(taxonomy: Taxonomy) -> list[str]:
    """Every contradiction of a taxonomy, each as one sentence; an empty list where there is none."""
    return [
        *_clashing_names(taxonomy),
        *_unknown_in_rules(taxonomy),
        *_unsatisfiable(taxonomy),
        *_bad_kinds(taxonomy),
        *_bad_priority(taxonomy),
    ]


def _clashing_names(taxonomy: Taxonomy) -> Iterable[str]:
    for field, spec in taxonomy.fields.items():
        owner: dict[str, str] = {}
        for label in spec.labels:
            for alias in label.names:
                previous = owner.setdefault(fold(alias), label.name)
                if previous != label.name or (alias == label.name and list(taxonomy.labels(field)).count(alias) > 1):
                    yield f"{field}: {alias!r} names both {previous!r} and {label.name!r}"


def _unknown_in_rules(taxonomy: Taxonomy) -> Iterable[str]:
    for number, rule in enumerate(taxonomy.rules, 1):
        named = [(f, n) for f, n in rule.when.items()] + [(f, n) for f, names in rule.allow.items() for n in names]
        for field, name in named:
            if field not in taxonomy.fields:
                yield f"rule {number}: there is no field {field!r}"
            elif name not in taxonomy.labels(field):
                yield f"rule {number}: {name!r} is not a label of {field}"


def _unsatisfiable(taxonomy: Taxonomy) -> Iterable[str]:
    """Two rules with compatible conditions of which one implies the other must leave at least one label for each field."""
    for number, rule in enumerate(taxonomy.rules, 1):
        for field, allowed in rule.allow.items():
            if field in rule.when and rule.when[field] not in allowed:
                yield f"rule {number}: its own condition {field} = {rule.when[field]!r} is not allowed by it"
            general = [r for r in taxonomy.rules if r.when.items() <= rule.when.items() and field in r.allow]
            left = set(allowed).intersection(*(set(r.allow[field]) for r in general))
            if not left:
                yield f"rule {number}: together with the rules that also apply, no label of {field} is left"


def _bad_kinds(taxonomy: Taxonomy) -> Iterable[str]:
    if RESOLUTION_FIELD not in taxonomy.fields:
        return
    for name in taxonomy.labels(RESOLUTION_FIELD):
        system = name.removeprefix(API_PREFIX)
        if name.startswith(API_PREFIX) and system not in taxonomy.systems:
            yield f"{RESOLUTION_FIELD}: {name!r} names a system that is not under `systems`"
        elif not name.startswith(API_PREFIX) and name not in PLAIN_KINDS:
            yield f"{RESOLUTION_FIELD}: {name!r} is no kind; make it a synonym of {', '.join(PLAIN_KINDS)} or api|<system>"


def _bad_priority(taxonomy: Taxonomy) -> Iterable[str]:
    priority = taxonomy.priority
    if priority is None:
        return
    for role, field in (("rows", priority.rows), ("columns", priority.columns)):
        if field not in taxonomy.fields:
            yield f"priority: {role} names {field!r}, which is not a field"
            return
    for row in taxonomy.labels(priority.rows):
        for column in taxonomy.labels(priority.columns):
            if column not in priority.matrix.get(row, {}):
                yield f"priority: nothing is said for {priority.rows} {row!r} with {priority.columns} {column!r}"
    for row, columns in priority.matrix.items():
        if row not in taxonomy.labels(priority.rows):
            yield f"priority: {row!r} is not a label of {priority.rows}"
        for column in columns:
            if column not in taxonomy.labels(priority.columns):
                yield f"priority: {column!r} is not a label of {priority.columns}"
