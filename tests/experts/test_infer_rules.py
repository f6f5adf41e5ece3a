"""Levels, the priority matrix and cross-field rules from small hand-made tables."""

import pytest

from core.taxonomy import Rule
from experts.infer_labels import level_of
from tests.experts.infer_examples import column, infer, label

# --- levels --------------------------------------------------------------------------------------------------------------


def test_level_words_get_the_obvious_synonyms() -> None:
    inferred = infer(column("urgency", ("Baja", 3), ("Crítica", 1), ("Alta", 2), ("Media", 2)))
    assert inferred.taxonomy.labels("urgency") == ("Crítica", "Alta", "Media", "Baja")
    for text, name in (("critical", "Crítica"), ("HIGH", "Alta"), ("alto", "Alta"), ("Medium", "Media"), ("low", "Baja")):
        assert inferred.taxonomy.match("urgency", text) == name
    assert infer(column("category", ("Alta", 2), ("Baja", 1))).taxonomy.match("category", "high") is None


def test_no_synonyms_where_two_labels_share_a_level() -> None:
    inferred = infer(column("priority", ("Alta", 2), ("High", 1), ("Low", 1)))
    assert label(inferred, "priority", "Alta").synonyms == {}
    assert inferred.taxonomy.match("priority", "high") == "High"
    assert inferred.taxonomy.match("priority", "baja") == "Low"
    assert "priority: 'Alta', 'High' look like one level; keep one, the others as its synonyms." in inferred.notes


@pytest.mark.parametrize(("name", "level"), [("2 - Alta", "high"), ("P1: Critical", "critical"), ("baja", "low"), ("2", "")])
def test_levels_are_read_through_numbering(name: str, level: str) -> None:
    assert level_of(name) == level


def levels(field: str, *names: str) -> list[dict[str, str]]:
    return [{field: name} for name in names]


def test_priority_matrix_needs_three_recognised_levels_of_both() -> None:
    urgency, impact = ("low", "high", "medium"), ("Medio", "Alto", "Bajo")
    both = [{"urgency": u, "impact": i} for u, i in zip(urgency, impact, strict=True)]
    taxonomy = infer(both).taxonomy
    assert taxonomy.priority is not None
    assert taxonomy.itil_priority({"urgency": "high", "impact": "Alto"}) == "P1"
    assert taxonomy.itil_priority({"urgency": "low", "impact": "Alto"}) == "P3"
    assert taxonomy.itil_priority({"urgency": "low", "impact": "Bajo"}) == "P5"
    assert infer(levels("urgency", *urgency)).taxonomy.priority is None
    four = [*both, {"urgency": "critical", "impact": "Bajo"}]
    assert infer(four).taxonomy.priority is None
    unknown = [{**row, "impact": row["impact"].replace("Bajo", "Planta 3")} for row in both]
    assert infer(unknown).taxonomy.priority is None


# --- rules ---------------------------------------------------------------------------------------------------------------


def pairs(*counted: tuple[str, str, int]) -> list[dict[str, str]]:
    return [{"category": c, "subcategory": s} for c, s, n in counted for _ in range(n)]


def test_a_rule_needs_ten_rows_and_98_percent() -> None:
    assert infer(pairs(("A", "a", 9), ("B", "b", 9))).taxonomy.rules == ()
    ten = infer(pairs(("A", "a", 10), ("B", "b", 9)))
    assert ten.taxonomy.rules == (Rule(when={"category": "A"}, allow={"subcategory": ("a",)}),)
    one_in_fifty = infer(pairs(("A", "a", 49), ("A", "b", 1), ("B", "b", 9)))
    assert [rule.when for rule in one_in_fifty.taxonomy.rules] == [{"category": "A"}]
    assert "rules: 1 past ticket breaks the one for category 'A'." in one_in_fifty.notes
    one_in_forty = infer(pairs(("A", "a", 39), ("A", "b", 1), ("B", "b", 9)))
    assert one_in_forty.taxonomy.rules == ()


def test_a_rule_must_exclude_something_and_allows_what_is_seen_twice() -> None:
    assert infer(pairs(("A", "a", 10), ("A", "b", 2))).taxonomy.rules == ()
    seen_twice = infer(pairs(("A", "a", 10), ("A", "b", 2), ("B", "c", 3)))
    assert seen_twice.taxonomy.rules == (Rule(when={"category": "A"}, allow={"subcategory": ("a", "b")}),)


def test_in_a_large_category_one_percent_is_needed() -> None:
    inferred = infer(pairs(("A", "a", 297), ("A", "b", 2), ("B", "b", 9)))
    assert inferred.taxonomy.rules == (Rule(when={"category": "A"}, allow={"subcategory": ("a",)}),)
    assert "rules: 2 past tickets break the one for category 'A'." in inferred.notes


def test_the_application_narrows_the_group_down() -> None:
    counted = (
        ("App", "ERP", "Negocio", 12),
        ("App", "WMS", "Logística", 12),
        ("Red", "", "Redes", 12),
        ("App", "BI", "Datos", 9),
    )
    rows = [{"category": c, "application": a, "assignment_group": g} for c, a, g, n in counted for _ in range(n)]
    rules = infer(rows).taxonomy.rules
    assert Rule(when={"category": "Red"}, allow={"assignment_group": ("Redes",)}) in rules
    assert Rule(when={"category": "App", "application": "WMS"}, allow={"assignment_group": ("Logística",)}) in rules
    assert Rule(when={"category": "App"}, allow={"assignment_group": ("Logística", "Negocio", "Datos")}) in rules
    assert len(rules) == 4
