"""Label sets from the columns of a history: one spelling a label, the kinds of resolution, the words for levels."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.taxonomy import API_PREFIX, PLAIN_KINDS, RESOLUTION_FIELD
from core.text import fold

MAX_LABELS = 200
MAX_LENGTH = 80
"""Values longer than this on average are texts, whatever their number."""
FEW_ROWS = 40
"""Up to this many labelled rows a column may have any number of values: there is no share to go by."""
NAMED = 10
"""Labels that a note names; the rest is counted."""
KINDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "manual": {
        "es": ("intervencion", "intervencion manual", "trabajo manual"),
        "en": ("manual", "manual work", "manual intervention", "manual resolution"),
    },
    "close": {
        "es": ("cierre", "cerrar", "cerrado", "cerrada", "cierre con respuesta"),
        "en": ("close", "closed", "closure", "close with answer"),
    },
    "reassign": {
        "es": (
            *("reasignar", "reasignacion", "reasignado", "reasignada", "derivar", "derivacion", "derivado", "derivada"),
            *("escalar", "escalado", "escalada", "escalacion"),
        ),
        "en": ("reassign", "reassigned", "reassignment", "transfer", "transferred", "escalate", "escalated", "escalation"),
    },
    "wait": {
        "es": ("en espera", "espera", "a la espera", "pendiente"),
        "en": ("wait", "waiting", "hold", "on hold", "pending"),
    },
}
_KIND_OF = {word: (kind, code) for kind, words in KINDS.items() for code, group in words.items() for word in group}
_API = re.compile(r"api\s*[|:/]\s*(\S.*)", re.IGNORECASE)

LEVEL_FIELDS = frozenset({"urgency", "impact", "priority", "severity", "urgencia", "impacto", "prioridad", "severidad"})
LEVELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "critical": {"es": ("crítica", "crítico"), "en": ("critical",)},
    "high": {"es": ("alta", "alto"), "en": ("high",)},
    "medium": {"es": ("media", "medio", "normal", "moderada", "moderado"), "en": ("medium", "normal", "moderate")},
    "low": {"es": ("baja", "bajo"), "en": ("low",)},
}
_LEVEL_OF = {fold(word): level for level, words in LEVELS.items() for group in words.values() for word in group}
_NUMBERED = re.compile(r"p?\d\s*[-–.:)]\s*")
_MISSING = frozenset({"nan", "null", "#n/a"})

Synonyms = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of the history: its labels in order, each row's label ("" where it has none), synonyms by label and language."""

    field: str
    names: tuple[str, ...]
    rows: tuple[str, ...]
    synonyms: Mapping[str, Synonyms]

    @property
    def labelled(self) -> int:
        """Rows that have a label."""
        return sum(map(bool, self.rows))


@dataclass(frozen=True, slots=True)
class Reading:
    """What was made of one column: None where it is no label set, and what is worth saying about it."""

    column: Column | None
    notes: tuple[str, ...] = ()


def read_column(field: str, values: Sequence[str], languages: Sequence[str], min_count: int) -> Reading:
    """The label set of a column of raw texts; labels seen fewer than `min_count` times are left out."""
    cleaned = [_clean(value) for value in values]
    if not any(cleaned):
        return Reading(None, (f"{field}: no row has a value.",))
    if field == RESOLUTION_FIELD:
        return _read_kinds(cleaned, languages, min_count)
    if why := _no_label_set(cleaned):
        return Reading(None, (f"{field}: left out, {why}.",))
    canonical = _canonical(cleaned)
    reading = _frequent(field, [canonical.get(fold(value), "") for value in cleaned], min_count)
    return _with_levels(reading) if field in LEVEL_FIELDS else reading


def level_of(name: str) -> str:
    """The level that a label names: critical, high, medium or low; "" where it names none. `"2 - Alta"` is high."""
    return _LEVEL_OF.get(_NUMBERED.sub("", fold(name), count=1), "")


def _clean(value: str) -> str:
    """One line of visible characters; "" for what stands for nothing, such as `-` or `NaN`."""
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return text if any(c.isalnum() for c in text) and fold(text) not in _MISSING else ""


def _canonical(values: Sequence[str]) -> dict[str, str]:
    """fold -> its most frequent spelling (the first one where several are as frequent)."""
    chosen: dict[str, str] = {}
    for spelling, _ in Counter(filter(None, values)).most_common():
        chosen.setdefault(fold(spelling), spelling)
    return chosen


def _no_label_set(values: Sequence[str]) -> str:
    """Why these values are no labels; "" where they may be."""
    labelled = [value for value in values if value]
    distinct = len(set(map(fold, set(labelled))))
    if distinct > MAX_LABELS or (len(labelled) > FEW_ROWS and 2 * distinct > len(labelled)):
        return f"{distinct:,} different values in {len(labelled):,} rows are no label set"
    length = sum(map(len, labelled)) / len(labelled)
    return f"its values are texts of {length:.0f} characters on average" if length > MAX_LENGTH else ""


def _frequent(field: str, rows: Sequence[str], min_count: int) -> Reading:
    """The labels seen often enough, the most frequent first."""
    counts = Counter(filter(None, rows))
    names = tuple(sorted((name for name, n in counts.items() if n >= min_count), key=lambda name: (-counts[name], name)))
    rare = sorted(name for name, n in counts.items() if n < min_count)
    notes = (f"{field}: left out, seen fewer than {min_count} times: {listed(rare)}.",) if rare else ()
    kept = set(names)
    if not kept:
        return Reading(None, notes)
    if len(names) == 1:
        notes = (*notes, f"{field}: {names[0]!r} is the only label, so there is nothing to tell apart.")
    return Reading(Column(field, names, tuple(row if row in kept else "" for row in rows), {}), notes)


def listed(names: Sequence[str]) -> str:
    """Names for a note: the first few quoted, the others counted."""
    shown = ", ".join(repr(name[:MAX_LENGTH]) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _read_kinds(values: Sequence[str], languages: Sequence[str], min_count: int) -> Reading:
    """The product's own kinds, with the spellings of the history as synonyms; a spelling that says no kind is noted."""
    systems = _canonical([_system(value) for value in values])
    kinds = [_kind(value, systems) for value in values]
    reading = _frequent(RESOLUTION_FIELD, kinds, min_count)
    unknown = sorted({value for value, kind in zip(values, kinds, strict=True) if value and not kind})
    notes = reading.notes
    if unknown:
        what = f"{listed(unknown)} say no kind of resolution; make each a synonym of {', '.join(PLAIN_KINDS)} or api|<system>"
        notes = (*notes, f"{RESOLUTION_FIELD}: left out, {what}.")
    if reading.column is None:
        return Reading(None, notes)
    order = {kind: i for i, kind in enumerate(PLAIN_KINDS)}
    names = tuple(sorted(reading.column.names, key=lambda name: (order.get(name, len(order)), name)))
    synonyms = _found_spellings(names, values, kinds, languages)
    return Reading(replace(reading.column, names=names, synonyms=synonyms), notes)


def _system(value: str) -> str:
    found = _API.fullmatch(value)
    return found[1] if found else ""


def _kind(value: str, systems: Mapping[str, str]) -> str:
    system = systems.get(fold(_system(value)), "")
    return API_PREFIX + system if system else _KIND_OF.get(fold(value), ("", ""))[0]


def _found_spellings(
    names: Sequence[str], values: Sequence[str], kinds: Sequence[str], languages: Sequence[str]
) -> dict[str, Synonyms]:
    """label -> language -> spellings that do not fold to the label itself. An `api` spelling goes to the main language."""
    main = Counter(code for code in languages if code in ("es", "en")).most_common(1)
    kind_of = dict(zip(values, kinds, strict=True))
    found: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    for key, spelling in _canonical(values).items():
        name = kind_of[spelling]
        if name in found and key != fold(name):
            language = _KIND_OF[key][1] if key in _KIND_OF else main[0][0] if main else "en"
            found[name].setdefault(language, []).append(spelling)
    return {name: {code: tuple(group) for code, group in groups.items()} for name, groups in found.items() if groups}


def _with_levels(reading: Reading) -> Reading:
    """The labels that name a level in descending order, each with the other words for its level, unless two share a level."""
    if reading.column is None:
        return reading
    column, notes = reading.column, reading.notes
    rank = {level: i for i, level in enumerate(LEVELS)}
    by_level: dict[str, list[str]] = {}
    for name in column.names:
        by_level.setdefault(level_of(name), []).append(name)
    shared = [names for level, names in by_level.items() if level and len(names) > 1]
    notes += tuple(
        f"{column.field}: {listed(names)} look like one level; keep one, the others as its synonyms." for names in shared
    )
    synonyms = {names[0]: _level_synonyms(names[0], level) for level, names in by_level.items() if level and len(names) == 1}
    ordered = sorted(column.names, key=lambda name: rank.get(level_of(name), len(rank)))
    return Reading(replace(column, names=tuple(ordered), synonyms=synonyms), notes)


def _level_synonyms(name: str, level: str) -> Synonyms:
    others = {code: tuple(word for word in words if fold(word) != fold(name)) for code, words in LEVELS[level].items()}
    return {code: words for code, words in others.items() if words}
