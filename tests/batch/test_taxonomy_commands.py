"""`taxonomy infer` and `taxonomy check`: what one prints the other accepts, and every contradiction is named."""

from pathlib import Path

import pytest
import yaml

from core.taxonomy import Taxonomy
from tests.batch.commands_examples import RESOLVED, TAXONOMY_FILE, rows_of, tamiz, write_rows

FIELDS = {"category", "subcategory", "application", "urgency", "impact", "assignment_group", "resolution_kind"}


def test_what_is_inferred_is_yaml_alone_and_passes_the_check(blank: Path, tmp_path: Path) -> None:
    result = tamiz("taxonomy", "infer", RESOLVED)
    assert result.code == 0, result.err
    taxonomy = Taxonomy.model_validate(yaml.safe_load(result.out))
    assert set(taxonomy.fields) == FIELDS
    used = {row["category"] for row in rows_of(RESOLVED)}
    assert set(taxonomy.labels("category")) == used
    (tmp_path / "made.yaml").write_text(result.out, encoding="utf-8")
    checked = tamiz("taxonomy", "check", tmp_path / "made.yaml")
    assert checked.code == 0, checked.err
    assert f"category: {len(used)} labels" in checked.out
    assert not blank.exists(), "inferring leaves nothing in the home"


def test_personal_data_does_not_end_up_in_a_definition(blank: Path, tmp_path: Path) -> None:
    person = "Hermenegildo Quisquilloso"
    rows = [
        {"description": f"No imprime. {person.lower().replace(' ', '.')}@cliente.example, tel. 612 345 678", "category": label}
        for label in ("Impresora", "Impresora", "Red", "Red")
    ]
    result = tamiz("taxonomy", "infer", write_rows(tmp_path / "h.jsonl", rows))
    assert result.code == 0, result.err
    assert "quisquilloso" not in result.out.lower()
    assert "612" not in result.out


def test_rows_that_cannot_be_read_are_listed_and_the_rest_counts(blank: Path, tmp_path: Path) -> None:
    rows = [{"description": "No imprime", "category": "Impresora"}, {"description": "", "category": "Red"}]
    rows += [{"description": "Sin wifi", "category": "Red"}]
    result = tamiz("taxonomy", "infer", write_rows(tmp_path / "h.jsonl", rows))
    assert result.code == 3
    assert "row 2, description" in result.err
    assert set(Taxonomy.model_validate(yaml.safe_load(result.out)).labels("category")) == {"Impresora", "Red"}


def test_a_history_without_labels_is_a_clear_error(blank: Path, tmp_path: Path) -> None:
    rows = [{"description": f"Texto {n}"} for n in range(5)]
    result = tamiz("taxonomy", "infer", write_rows(tmp_path / "h.jsonl", rows))
    assert (result.code, result.out) == (1, "")
    assert "No column of the history is a label set" in result.err
    assert "--map" in result.err


def test_the_bundled_taxonomy_holds_together(blank: Path) -> None:
    result = tamiz("taxonomy", "check", TAXONOMY_FILE)
    assert result.code == 0, result.err
    assert "holds together: version 1" in result.out
    assert tamiz("taxonomy", "check").code == 0, "without a file it is that of the settings"


HEAD = "version: '1'\nname: x\nfields:\n  category:\n    labels: [{name: Red}, {name: Puesto}]\n"
WRONG = {
    "the same label twice": (HEAD.replace("Puesto", "  RED "), ("category",)),
    "a synonym that is another label": (HEAD.replace("{name: Puesto}", "{name: Puesto, synonyms: {es: [red]}}"), ("red",)),
    "an unknown mode": (HEAD + "    mode: always\n", ("fields.category.mode",)),
    "an unknown key": (HEAD + "colour: blue\n", ("colour",)),
    "no labels": ("version: '1'\nname: x\nfields:\n  category:\n    labels: []\n", ("category",)),
    "a target over 1": (HEAD + "    target_precision: 95\n", ("target_precision",)),
    "no yaml": ("fields: [unclosed\n", ("can't be read",)),
    "a list": ("- 1\n- 2\n", ("can't be used",)),
    "nothing": ("", ("can't be used",)),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_contradiction_is_named(what: str, blank: Path, tmp_path: Path) -> None:
    text, says = WRONG[what]
    (tmp_path / "wrong.yaml").write_text(text, encoding="utf-8")
    result = tamiz("taxonomy", "check", tmp_path / "wrong.yaml")
    assert (result.code, result.out) == (1, "")
    assert all(part in result.err for part in (*says, "wrong.yaml", "do:"))


def test_every_contradiction_is_named_at_once(blank: Path, tmp_path: Path) -> None:
    text = HEAD + "  urgency:\n    labels: [{name: Alta}, {name: alta}]\n  impact:\n    labels: [{name: Bajo}, {name: bajo}]\n"
    (tmp_path / "wrong.yaml").write_text(text, encoding="utf-8")
    result = tamiz("taxonomy", "check", tmp_path / "wrong.yaml")
    assert "urgency: 'alta' names both" in result.err
    assert "impact: 'bajo' names both" in result.err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"a: !!python/object/apply:os.system ['true']\n"])
def test_a_file_that_is_no_taxonomy_is_a_clear_error(content: bytes, blank: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_bytes(content)
    result = tamiz("taxonomy", "check", tmp_path / "wrong.yaml")
    assert (result.code, result.out) == (1, "")
    assert "can't be read" in result.err


def test_a_taxonomy_that_is_not_there_says_how_to_make_one(blank: Path) -> None:
    result = tamiz("taxonomy", "check", "none.yaml")
    assert result.code == 1
    assert "There is no taxonomy none.yaml. do: Make one with `python -m batch taxonomy infer HISTORY > none.yaml`" in result.err
