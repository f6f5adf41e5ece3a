"""A taxonomy from a history: what to start from where nobody has written one down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import TaxonomyError
from core.taxonomy import API_PREFIX, RESOLUTION_FIELD, FieldSpec, Label, Mode, Taxonomy
from experts.infer_labels import Column, read_column
from experts.infer_rules import infer_priority, infer_rules
from experts.infer_terms import definitions
from experts.infer_yaml import dump_yaml

__all__ = ["Inferred", "dump_yaml", "infer_taxonomy"]

ORDER = ("category", "subcategory", "application", "urgency", "impact", "assignment_group", RESOLUTION_FIELD)
ENOUGH = 200
"""Labelled rows from which a field may be filled in; with fewer it is suggested."""
TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Inferred:
    """A taxonomy and, in words, what was left out of it or deserves a look."""

    taxonomy: Taxonomy
    notes: tuple[str, ...]


def infer_taxonomy(
    rows: Sequence[Mapping[str, str]], texts: Sequence[str], languages: Sequence[str], *, name: str, min_count: int = 1
) -> Inferred:
    """Build a taxonomy from a history.

    Args:
        rows: the raw label texts of each past ticket by field.
        texts: their cleaned and redacted texts, in the same order; words of them end up in the definitions.
        languages: their ISO 639-1 codes; definitions are made for "es" and "en".
        name: what the taxonomy is called.
        min_count: labels seen fewer times are left out.

    Raises:
        TaxonomyError: no column is a label set.
    """
    readings = [read_column(f, [row.get(f, "") for row in rows], languages, min_count) for f in _fields(rows)]
    columns = {reading.column.field: reading.column for reading in readings if reading.column is not None}
    notes = [note for reading in readings for note in reading.notes]
    if not columns:
        raise TaxonomyError(
            " ".join(["No column of the history is a label set.", *notes]),
            remedy="Name the label columns with `--map their_column=our_field`, e.g. `--map Type=category`.",
        )
    taxonomy = _assemble(name, columns, definitions(list(columns.values()), texts, languages))
    return Inferred(taxonomy, (*notes, *_exceptions(taxonomy, columns)))


def _fields(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The fields of the product in their order, then the others in that of their appearance."""
    seen = dict.fromkeys(field for row in rows for field in row)
    return [*(f for f in ORDER if f in seen), *(f for f in seen if f not in ORDER)]


def _assemble(name: str, columns: Mapping[str, Column], told: Mapping[tuple[str, str], Mapping[str, str]]) -> Taxonomy:
    kinds = columns[RESOLUTION_FIELD].names if RESOLUTION_FIELD in columns else ()
    return Taxonomy(
        version="1",
        name=name,
        fields={field: _spec(column, told) for field, column in columns.items()},
        systems=tuple(kind.removeprefix(API_PREFIX) for kind in kinds if kind.startswith(API_PREFIX)),
        rules=infer_rules(columns),
        priority=infer_priority(columns),
    )


def _spec(column: Column, told: Mapping[tuple[str, str], Mapping[str, str]]) -> FieldSpec:
    labels = tuple(
        Label(name=name, definition=told.get((column.field, name), {}), synonyms=column.synonyms.get(name, {}))
        for name in column.names
    )
    mode = Mode.AUTOFILL if column.labelled >= ENOUGH else Mode.SUGGEST
    return FieldSpec(labels=labels, mode=mode, target_precision=TARGET)


def _exceptions(taxonomy: Taxonomy, columns: Mapping[str, Column]) -> tuple[str, ...]:
    """How often the history itself breaks each rule that it does not fully keep."""
    history = [
        {column.field: label for column, label in zip(columns.values(), labels, strict=True) if label}
        for labels in zip(*(column.rows for column in columns.values()), strict=True)
    ]
    broken: dict[str, int] = {}
    for labels in history:
        for rule in taxonomy.violations(labels):
            when = " and ".join(f"{field} {label!r}" for field, label in rule.when.items())
            broken[when] = broken.get(when, 0) + 1
    return tuple(f"rules: {n} past {'ticket breaks' if n == 1 else 'tickets break'} the one for {w}." for w, n in broken.items())
