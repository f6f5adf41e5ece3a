"""Label sets: matching, contradictions, rules, the priority matrix, the digest."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import TaxonomyError
from core.taxonomy import FieldSpec, Label, Priority, Rule, Taxonomy, contradictions
from core.text import fold
from tests.core.core_examples import SMALL, TAXONOMY_FILE, example_taxonomy, small_taxonomy


def made(
    fields: dict[str, list[str | Label]] | None = None,
    rules: tuple[Rule, ...] = (),
    systems: tuple[str, ...] = (),
    priority: Priority | None = None,
) -> Taxonomy:
    """A taxonomy that is not checked when it is made, so that `contradictions` can be asked."""
    given_fields = fields or {"a": ["x", "y"], "b": ["p", "q", "r"]}
    specs = {
        name: FieldSpec(labels=tuple(Label(name=found) if isinstance(found, str) else found for found in labels))
        for name, labels in given_fields.items()
    }
    return Taxonomy.model_construct(version="1", name="", fields=specs, systems=systems, rules=rules, priority=priority)


# --- matching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["wait", "WAIT", " Wait ", "En espera", "en  ESPERA", "en_espera", "\tEn\nEspera"])
def test_labels_match_whatever_case_accents_and_spacing(text: str) -> None:
    assert small_taxonomy().match("resolution_kind", text) == "wait"


@pytest.mark.parametrize(
    ("text", "name"), [("MENSAJERIA", "Mensajería"), ("mensajeri\u0301a", "Mensajería"), ("ｔｅｌｅｃｏｍ", "Telecom")]
)
def test_accents_are_the_same_composed_decomposed_and_absent(text: str, name: str) -> None:
    assert small_taxonomy().match("group", text) == name


def test_synonyms_of_both_languages_name_the_label() -> None:
    taxonomy = small_taxonomy()
    assert {taxonomy.match("category", text) for text in ("Redes", "network", "RED")} == {"Red"}
    assert taxonomy.match("group", "network") is None


def test_a_text_outside_the_set_is_an_error_that_names_the_labels() -> None:
    taxonomy = small_taxonomy()
    assert taxonomy.match("category", "Hardware") is None
    with pytest.raises(TaxonomyError, match=r"'Hardware' is not a label of category\. Use one of Red, Correo, Acceso"):
        taxonomy.canonical("category", "Hardware")
    assert taxonomy.canonical("category", "mail") == "Correo"


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(text.upper().lower()) == fold(f"  {text.upper().lower()}\n")


def test_every_name_of_the_example_matches_its_own_label() -> None:
    taxonomy = example_taxonomy()
    for field, spec in taxonomy.fields.items():
        for found in spec.labels:
            assert {taxonomy.match(field, name) for name in found.names} == {found.name}
            assert taxonomy.match(field, found.name.upper()) == found.name


def test_texts_of_a_label_are_one_a_language() -> None:
    found = Label(name="Red", definition={"es": "Conectividad."}, synonyms={"es": ("redes",), "en": ("network",)})
    assert found.texts == ("Red, network", "Red, redes. Conectividad.")
    assert Label(name="Red").texts == ("Red",)


def test_active_fields_are_all_that_are_not_off() -> None:
    off = yaml.safe_load(SMALL)
    off["fields"]["group"]["mode"] = "off"
    assert Taxonomy.model_validate(off).active() == ("category", "urgency", "resolution_kind")


# --- contradictions ----------------------------------------------------------------------------------------------------


def test_the_example_taxonomy_is_free_of_contradictions() -> None:
    assert contradictions(example_taxonomy()) == []
    assert contradictions(made()) == []


KINDS: list[tuple[str, Taxonomy, str]] = [
    (
        "two labels of one name",
        made({"a": ["Red", "RED"]}),
        "a: 'RED' names both 'Red' and 'RED'",
    ),
    (
        "a label twice",
        made({"a": ["Red", "Red"]}),
        "a: 'Red' names both 'Red' and 'Red'",
    ),
    (
        "a synonym of two labels",
        made({"a": [Label(name="Red", synonyms={"en": ("net",)}), Label(name="Correo", synonyms={"es": ("NET",)})]}),
        "a: 'NET' names both 'Red' and 'Correo'",
    ),
    (
        "a synonym that is another label",
        made({"a": ["Red", Label(name="Correo", synonyms={"es": ("red",)})]}),
        "a: 'red' names both 'Red' and 'Correo'",
    ),
    (
        "a rule about no field",
        made(rules=(Rule(when={"c": "x"}, allow={"b": ("p",)}),)),
        "rule 1: there is no field 'c'",
    ),
    (
        "a rule that allows in no field",
        made(rules=(Rule(when={"a": "x"}, allow={"c": ("p",)}),)),
        "rule 1: there is no field 'c'",
    ),
    (
        "a condition that is no label",
        made(rules=(Rule(when={"a": "z"}, allow={"b": ("p",)}),)),
        "rule 1: 'z' is not a label of a",
    ),
    (
        "an allowed label that is none",
        made(rules=(Rule(when={"a": "x"}, allow={"b": ("z",)}),)),
        "rule 1: 'z' is not a label of b",
    ),
    (
        "a rule against its own condition",
        made(rules=(Rule(when={"a": "x"}, allow={"a": ("y",)}),)),
        "rule 1: its own condition a = 'x' is not allowed by it",
    ),
    (
        "nothing allowed",
        made(rules=(Rule(when={"a": "x"}, allow={"b": ()}),)),
        "rule 1: together with the rules that also apply, no label of b is left",
    ),
    (
        "two rules that leave nothing",
        made(rules=(Rule(when={"a": "x"}, allow={"b": ("p",)}), Rule(when={"a": "x"}, allow={"b": ("q",)}))),
        "rule 2: together with the rules that also apply, no label of b is left",
    ),
    (
        "a narrow rule against a general one",
        made(
            {"a": ["x", "y"], "b": ["p", "q"], "c": ["m", "n"]},
            (Rule(when={"a": "x"}, allow={"b": ("p",)}), Rule(when={"a": "x", "c": "m"}, allow={"b": ("q",)})),
        ),
        "rule 2: together with the rules that also apply, no label of b is left",
    ),
    (
        "a system that is not registered",
        made({"resolution_kind": ["api|directorio"]}),
        "resolution_kind: 'api|directorio' names a system that is not under `systems`",
    ),
    (
        "a kind that is none",
        made({"resolution_kind": ["fixed"]}),
        "resolution_kind: 'fixed' is no kind; make it a synonym of manual, close, reassign, wait or api|<system>",
    ),
    (
        "a matrix over no field",
        made(priority=Priority(rows="c", columns="b", matrix={})),
        "priority: rows names 'c', which is not a field",
    ),
    (
        "a matrix with columns of no field",
        made(priority=Priority(rows="a", columns="c", matrix={})),
        "priority: columns names 'c', which is not a field",
    ),
    (
        "a gap in the matrix",
        made({"a": ["x"], "b": ["p", "q"]}, priority=Priority(rows="a", columns="b", matrix={"x": {"p": "P1"}})),
        "priority: nothing is said for a 'x' with b 'q'",
    ),
    (
        "a row that is no label",
        made({"a": ["x"], "b": ["p"]}, priority=Priority(rows="a", columns="b", matrix={"x": {"p": "P1"}, "z": {"p": "P1"}})),
        "priority: 'z' is not a label of a",
    ),
    (
        "a column that is no label",
        made({"a": ["x"], "b": ["p"]}, priority=Priority(rows="a", columns="b", matrix={"x": {"p": "P1", "z": "P2"}})),
        "priority: 'z' is not a label of b",
    ),
]


@pytest.mark.parametrize(("taxonomy", "sentence"), [case[1:] for case in KINDS], ids=[case[0] for case in KINDS])
def test_every_kind_of_contradiction_is_named_and_refused(taxonomy: Taxonomy, sentence: str) -> None:
    assert sentence in contradictions(taxonomy)
    with pytest.raises(ValidationError) as refused:
        Taxonomy.model_validate(taxonomy.model_dump())
    assert sentence in str(refused.value)


@pytest.mark.parametrize("extra", [{"colour": "red"}, {"rules": [{"when": {}, "allow": {}, "deny": {}}]}])
def test_an_unknown_key_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Taxonomy.model_validate(yaml.safe_load(SMALL) | extra)


def test_a_field_without_labels_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Taxonomy.model_validate({"version": "1", "fields": {"a": {"labels": []}}})


# --- rules and priority ------------------------------------------------------------------------------------------------


def test_violations_name_the_broken_rules_only() -> None:
    taxonomy = small_taxonomy()
    assert taxonomy.violations({"category": "Red", "group": "Telecom"}) == ()
    assert taxonomy.violations({"category": "Red", "group": "Identidad"}) == taxonomy.rules
    assert taxonomy.violations({"category": "Correo", "group": "Identidad"}) == ()


def test_absent_fields_break_nothing() -> None:
    taxonomy = small_taxonomy()
    assert taxonomy.violations({}) == ()
    assert taxonomy.violations({"category": "Red"}) == ()
    assert taxonomy.violations({"group": "Identidad"}) == ()


def test_a_rule_with_two_conditions_needs_both() -> None:
    taxonomy = example_taxonomy()
    broken = {"category": "Aplicación", "application": "Sigma ERP", "assignment_group": "Datos"}
    assert [rule.when for rule in taxonomy.violations(broken)] == [{"category": "Aplicación", "application": "Sigma ERP"}]
    assert taxonomy.violations(broken | {"application": "Prisma BI"}) == ()


def test_priority_matrix() -> None:
    taxonomy = example_taxonomy()
    expected = {
        ("Alta", "Alto"): "P1", ("Alta", "Medio"): "P2", ("Alta", "Bajo"): "P3",
        ("Media", "Alto"): "P2", ("Media", "Medio"): "P3", ("Media", "Bajo"): "P4",
        ("Baja", "Alto"): "P3", ("Baja", "Medio"): "P4", ("Baja", "Bajo"): "P5",
    }  # fmt: skip
    for (urgency, impact), priority in expected.items():
        assert taxonomy.itil_priority({"urgency": urgency, "impact": impact}) == priority
    assert taxonomy.itil_priority({"urgency": "Alta"}) is None
    assert small_taxonomy().itil_priority({"urgency": "Alta", "impact": "Alto"}) is None


# --- digest ------------------------------------------------------------------------------------------------------------


def test_equal_content_has_one_digest() -> None:
    assert example_taxonomy().digest == example_taxonomy().digest
    assert Taxonomy.model_validate(example_taxonomy().model_dump()).digest == example_taxonomy().digest
    assert len(example_taxonomy().digest) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version: "1"', 'version: "2"'),
        ("mode: shadow", "mode: suggest"),
        ("target_precision: 0.9", "target_precision: 0.91"),
        ("name: Acceso}", "name: Accesos}"),
        ("es: [redes]", "es: [la red]"),
        ("group: [Telecom]", "group: [Telecom, Identidad]"),
        ("{name: Alta}, {name: Baja}", "{name: Baja}, {name: Alta}"),
        ("systems: [directorio]", "systems: [directorio, colas]"),
    ],
)
def test_the_digest_changes_with_the_content(old: str, new: str) -> None:
    assert old in SMALL
    changed = Taxonomy.model_validate(yaml.safe_load(SMALL.replace(old, new)))
    assert changed.digest != small_taxonomy().digest


def test_the_file_of_the_example_says_what_was_read() -> None:
    written = yaml.safe_load(TAXONOMY_FILE.read_text())
    taxonomy = example_taxonomy()
    assert {f: [found["name"] for found in spec["labels"]] for f, spec in written["fields"].items()} == {
        f: list(taxonomy.labels(f)) for f in taxonomy.fields
    }
