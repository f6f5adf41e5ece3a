"""Cross-field rules and the priority matrix, where a history bears them out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from core.taxonomy import Priority, Rule
from experts.infer_labels import Column, level_of

MIN_ROWS = 10
"""With fewer rows under a condition nothing is concluded."""
MIN_SEEN, MIN_SHARE = 2, 0.01
"""How often a label must be seen under a condition to be allowed: times, and share of the rows."""
COVERED = 0.98
"""A rule must agree with this share of the rows it is about."""
GROUP = "assignment_group"
_LEVELS = ("high", "medium", "low")


def infer_rules(columns: Mapping[str, Column]) -> tuple[Rule, ...]:
    """category -> subcategory and assignment_group; category and application -> assignment_group where that says more."""
    if "category" not in columns:
        return ()
    rules = []
    for category, rows in _rows_by_label(columns["category"]).items():
        allow = {f: names for f in ("subcategory", GROUP) if f in columns and (names := _allowed(columns[f], rows))}
        if allow:
            rules.append(Rule(when={"category": category}, allow=allow))
        if GROUP in columns and "application" in columns:
            rules.extend(_application_rules(category, rows, columns, allow.get(GROUP, columns[GROUP].names)))
    return tuple(rules)


def infer_priority(columns: Mapping[str, Column]) -> Priority | None:
    """ITIL's matrix P1..P5 where urgency and impact have just the levels high, medium and low."""
    levels = {f: {level_of(name): name for name in columns[f].names} for f in ("urgency", "impact") if f in columns}
    if len(levels) < 2 or any(sorted(found) != sorted(_LEVELS) for found in levels.values()):
        return None
    if any(len(columns[f].names) != len(_LEVELS) for f in levels):
        return None
    matrix = {
        levels["urgency"][u]: {levels["impact"][i]: f"P{row + column + 1}" for column, i in enumerate(_LEVELS)}
        for row, u in enumerate(_LEVELS)
    }
    return Priority(rows="urgency", columns="impact", matrix=matrix)


def _rows_by_label(column: Column) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {name: [] for name in column.names}
    for i, name in enumerate(column.rows):
        if name:
            rows[name].append(i)
    return rows


def _application_rules(
    category: str, rows: Sequence[int], columns: Mapping[str, Column], groups: Sequence[str]
) -> Iterable[Rule]:
    """Where the application narrows down the groups that the category allows."""
    among = set(rows)
    for application, all_rows in _rows_by_label(columns["application"]).items():
        names = _allowed(columns[GROUP], [i for i in all_rows if i in among])
        if names and set(names) < set(groups):
            yield Rule(when={"category": category, "application": application}, allow={GROUP: names})


def _allowed(column: Column, rows: Sequence[int]) -> tuple[str, ...]:
    """The labels of a field that these rows allow, in the field's order; empty where the data does not carry a rule."""
    counts = Counter(column.rows[i] for i in rows if column.rows[i])
    total = counts.total()
    names = tuple(name for name in column.names if counts[name] >= max(MIN_SEEN, MIN_SHARE * total))
    covered = sum(counts[name] for name in names)
    carried = total >= MIN_ROWS and covered >= COVERED * total and len(names) < len(column.names)
    return names if carried else ()
