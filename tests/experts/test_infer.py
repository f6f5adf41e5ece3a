"""Label sets, kinds of resolution and definitions from a history: the example company's and small hand-made tables."""

import pytest
import yaml

from core.errors import TaxonomyError
from core.taxonomy import Mode, Taxonomy, contradictions
from tests.experts.infer_examples import EXAMPLES, LABELS, column, company, history, infer, label

# --- the example company -----------------------------------------------------------------------------------------------


def test_finds_the_label_sets_of_the_written_taxonomy() -> None:
    written = Taxonomy.model_validate(yaml.safe_load((EXAMPLES / "taxonomy.yaml").read_text()))
    for field in LABELS:
        assert set(company().taxonomy.labels(field)) == {row[field] for row in history()} <= set(written.labels(field))
    assert set(company().taxonomy.systems) == set(written.systems)
    assert company().taxonomy.priority == written.priority
    assert contradictions(company().taxonomy) == []


def test_columns_that_are_no_label_sets_are_left_out_with_the_reason() -> None:
    assert "channel" in company().taxonomy.fields
    assert "id" not in company().taxonomy.fields
    assert "subject" not in company().taxonomy.fields
    assert "id: left out, 428 different values in 428 rows are no label set." in company().notes


def test_every_row_of_the_history_is_readable() -> None:
    for row in history():
        for field in LABELS:
            assert company().taxonomy.canonical(field, row[field]) == row[field]


def test_rules_keep_their_promise_on_the_history() -> None:
    written = Taxonomy.model_validate(yaml.safe_load((EXAMPLES / "taxonomy.yaml").read_text()))
    subcategories = {r.when["category"]: set(r.allow["subcategory"]) for r in written.rules if "subcategory" in r.allow}
    for rule in company().taxonomy.rules:
        rows = [row for row in history() if all(row[f] == name for f, name in rule.when.items())]
        for field, allowed in rule.allow.items():
            kept = sum(row[field] in allowed for row in rows)
            assert len(rows) >= 10
            assert kept >= 0.98 * len(rows)
            assert len(allowed) < len(company().taxonomy.labels(field))
        if "subcategory" in rule.allow:
            assert set(rule.allow["subcategory"]) == subcategories[rule.when["category"]]
    assert {tuple(rule.when) for rule in company().taxonomy.rules} == {("category",), ("category", "application")}


def test_the_exceptions_are_counted() -> None:
    broken = [row for row in history() if company().taxonomy.violations({f: row[f] for f in LABELS})]
    assert bool(broken) == any(note.startswith("rules: ") for note in company().notes)


def test_definitions_are_words_of_the_labels_own_texts() -> None:
    printer = label(company(), "subcategory", "Impresora").definition
    assert printer["es"].startswith("Aparece con: ")
    assert printer["en"].startswith("Seen with: ")
    assert "etiquetas" in printer["es"]
    assert "printer" in printer["en"]
    texts = " ".join(
        f"{row['subject']} {row['description']}".lower()
        for row in history()
        if row["subcategory"] == "Impresora" and row["language"] == "en"
    )
    words = printer["en"].removeprefix("Seen with: ").split(", ")
    assert 0 < len(words) <= 8
    assert all(word in texts for word in words)
    assert not {"the", "and", "hola", "thanks", "que"} & {
        word
        for spec in company().taxonomy.fields.values()
        for found in spec.labels
        for text in found.definition.values()
        for word in text.partition(": ")[2].split(", ")
    }


def test_modes_and_targets() -> None:
    assert {spec.mode for spec in company().taxonomy.fields.values()} == {Mode.AUTOFILL}
    assert {spec.target_precision for spec in company().taxonomy.fields.values()} == {0.95}
    for rows, mode in ((199, Mode.SUGGEST), (200, Mode.AUTOFILL)):
        assert infer([{"category": row["category"]} for row in history()[:rows]]).taxonomy.fields["category"].mode is mode


# --- labels -----------------------------------------------------------------------------------------------------------


def test_the_most_frequent_spelling_is_the_label() -> None:
    inferred = infer(column("category", ("RED", 2), ("Red", 3), (" red ", 1), ("Mañana", 1), ("manana", 2), ("-", 1), ("", 4)))
    assert inferred.taxonomy.labels("category") == ("Red", "manana")
    assert inferred.taxonomy.match("category", "MAÑANA") == "manana"


def test_the_order_is_that_of_the_product_then_of_appearance() -> None:
    rows = [{"zona": z, "impact": "Alto", "category": c, "edificio": "A"} for z, c in (("n", "x"), ("s", "y"))]
    assert tuple(infer(rows).taxonomy.fields) == ("category", "impact", "zona", "edificio")


def test_rare_labels_are_left_out_and_named() -> None:
    inferred = infer(column("category", ("Red", 3), ("Correo", 2), ("Faks", 1)), min_count=2)
    assert inferred.taxonomy.labels("category") == ("Red", "Correo")
    assert "category: left out, seen fewer than 2 times: 'Faks'." in inferred.notes


def test_many_values_are_a_label_set_only_where_rows_are_few() -> None:
    few = [{"category": f"c{i}", "x": "a"} for i in range(40)]
    assert "category" in infer(few).taxonomy.fields
    many = [{"category": f"c{i}", "x": "a"} for i in range(41)]
    assert "category" not in infer(many).taxonomy.fields
    huge = [{"category": f"c{i % 201}", "x": "a"} for i in range(1000)]
    assert "category" not in infer(huge).taxonomy.fields
    most = [{"category": f"c{i % 200}", "x": "a"} for i in range(1000)]
    assert "category" in infer(most).taxonomy.fields


def test_texts_are_no_labels_even_in_a_short_table() -> None:
    rows = [{"category": "Red", "solution": f"Se revisó el caso {i} y se cambió {'la pieza averiada ' * 6}"} for i in range(12)]
    inferred = infer(rows)
    assert tuple(inferred.taxonomy.fields) == ("category",)
    assert any(note.startswith("solution: left out, its values are texts of") for note in inferred.notes)


def test_nothing_but_texts_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TaxonomyError, match=r"60 different values.*--map"):
        infer([{"description": f"texto {i}"} for i in range(60)])
    with pytest.raises(TaxonomyError, match="no row has a value"):
        infer([{"category": ""}])
    with pytest.raises(TaxonomyError, match="No column"):
        infer([])


def test_unprintable_characters_do_not_reach_a_label() -> None:
    inferred = infer(column("category", ("Red\u200b\nlocal", 2), ("\ud800Correo", 2), ("Re\x00d", 1)))
    assert set(inferred.taxonomy.labels("category")) == {"Red local", "Correo", "Re d"}


# --- kinds of resolution ------------------------------------------------------------------------------------------------


def test_spellings_of_kinds_become_synonyms_and_unknown_ones_notes() -> None:
    found = (
        *(("Manual", 3), ("Cierre", 4), ("cerrado", 1), ("Reasignación", 2), ("En espera", 2), ("on hold", 1)),
        *(("API: Directorio", 1), ("api|directorio", 3), ("Api | directorio", 1), ("api|colas", 1), ("Hardware", 2), ("api|", 1)),
    )
    inferred = infer(column("resolution_kind", *found))
    taxonomy = inferred.taxonomy
    assert taxonomy.labels("resolution_kind") == ("manual", "close", "reassign", "wait", "api|colas", "api|directorio")
    assert taxonomy.systems == ("colas", "directorio")
    for spelling, _ in found[:-2]:
        assert taxonomy.match("resolution_kind", spelling) is not None, spelling
    assert taxonomy.match("resolution_kind", "api: directorio") == "api|directorio"
    assert taxonomy.match("resolution_kind", "REASIGNACION") == "reassign"
    assert label(inferred, "resolution_kind", "wait").synonyms == {"es": ("En espera",), "en": ("on hold",)}
    assert label(inferred, "resolution_kind", "manual").synonyms == {}
    unknown = next(note for note in inferred.notes if note.startswith("resolution_kind"))
    assert "'Hardware'" in unknown
    assert "'api|'" in unknown
    assert "synonym of manual, close, reassign, wait or api|<system>" in unknown


def test_a_table_with_only_description_solution_type_and_mailbox() -> None:
    kinds = ("manual", "cierre", "reasignacion", "en espera", "api|directorio", "Manual ")
    topics = ("la impresora no imprime", "el usuario olvidó su contraseña", "la vpn se corta")
    texts = [f"Hola, {topics[i % 3]} en el puesto {i}, gracias" for i in range(60)]
    rows = [
        {
            "description": texts[i],
            "solution": f"Se atendió el caso {i}",
            "resolution_kind": kinds[i % 6],
            "mailbox": ("soporte", "compras")[i % 2],
        }
        for i in range(60)
    ]
    inferred = infer(rows, texts)
    taxonomy = inferred.taxonomy
    assert tuple(taxonomy.fields) == ("resolution_kind", "mailbox")
    assert taxonomy.labels("resolution_kind") == ("manual", "close", "reassign", "wait", "api|directorio")
    assert taxonomy.systems == ("directorio",)
    assert {spec.mode for spec in taxonomy.fields.values()} == {Mode.SUGGEST}
    assert taxonomy.rules == ()
    assert taxonomy.priority is None
    assert {note.partition(":")[0] for note in inferred.notes} == {"description", "solution"}
    assert label(inferred, "resolution_kind", "reassign").definition == {"es": "Aparece con: corta, vpn"}


# --- definitions ---------------------------------------------------------------------------------------------------------


def test_a_definition_needs_three_texts_of_its_language() -> None:
    rows = column("category", ("Red", 3), ("Impresora", 2))
    texts = ["wifi caído", "el WIFI va mal", "sin wifi", "tóner vacío", "falta tóner"]
    inferred = infer(rows, texts)
    assert label(inferred, "category", "Red").definition == {"es": "Aparece con: wifi"}
    assert label(inferred, "category", "Impresora").definition == {}
    assert label(infer(rows, texts, language="fr"), "category", "Red").definition == {}


def test_spellings_that_fold_alike_are_one_word_shown_as_most_write_it() -> None:
    rows = column("category", ("Accesos", 4), ("Otro", 6))
    texts = ["contraseña caducada", "mi contraseña", "la contrasena", "CONTRASEÑA", *["papel atascado"] * 6]
    assert label(infer(rows, texts), "category", "Accesos").definition == {"es": "Aparece con: contraseña"}


def test_the_labels_own_name_and_stop_words_say_nothing_new() -> None:
    rows = column("category", ("Impresora", 3), ("Red", 3))
    texts = [*["Hola, la impresora no imprime, gracias"] * 3, *["hola, que no hay"] * 3]
    inferred = infer(rows, texts)
    assert label(inferred, "category", "Impresora").definition == {"es": "Aparece con: imprime"}
    assert label(inferred, "category", "Red").definition == {}
