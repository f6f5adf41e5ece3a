"""`ingest`, `search` and the first taxonomy: a history goes in once, whatever happens, and can be found again."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from core.ticket import Exemplar
from knowledge.edge_shelf import EdgeShelf
from tests.batch.commands_examples import OPEN, RESOLVED, decisions, rows_of, tamiz, write_rows

KINDS = {"manual": "manual", "close": "cierre", "reassign": "reasignacion", "wait": "en espera"}


def exemplars(home: Path) -> dict[str, Exemplar]:
    """source id -> exemplar, as the index on disk has them."""
    return {exemplar.source_id: exemplar for exemplar in EdgeShelf(home).exemplars()}


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def ingest(*arguments: object) -> dict[str, Any]:
    result = tamiz("ingest", *arguments, "--json")
    assert result.code == 0, result.err
    return result.json


def test_the_same_file_again_changes_nothing(home: Path) -> None:
    before, index = exemplars(home), files_of(home / "kb")
    done = ingest(RESOLVED)
    assert (done["added"], done["replaced"], done["pruned"], done["unchanged"]) == (0, 0, 0, len(before))
    assert files_of(home / "kb") == index
    assert done["total"] == len(rows_of(RESOLVED)) == len(before)


def test_an_edited_row_replaces_its_old_one_and_prune_removes_what_has_left(home: Path, tmp_path: Path) -> None:
    rows = rows_of(RESOLVED)
    rows[0]["subject"] = "Tótem no cuenta las horas extra"
    rows[1]["category"] = "Seguridad"
    file = write_rows(tmp_path / RESOLVED.name, rows[:-3])
    done = ingest(file)
    assert (done["added"], done["replaced"], done["pruned"], done["total"]) == (0, 2, 0, len(rows))
    found = exemplars(home)
    assert found["R-0001"].subject == "Tótem no cuenta las horas extra"
    assert found["R-0002"].labels["category"] == "Seguridad"
    gone = {row["id"] for row in rows[-3:]}
    assert gone <= found.keys()
    done = ingest(file, "--prune")
    assert (done["added"], done["replaced"], done["pruned"], done["total"]) == (0, 0, 3, len(rows) - 3)
    assert not gone & exemplars(home).keys()


def test_another_file_adds_and_prunes_only_its_own(home: Path, tmp_path: Path) -> None:
    extra = {**rows_of(RESOLVED)[0], "id": "X-1", "description": "La báscula del muelle 4 no manda el peso a Muelle WMS."}
    file = write_rows(tmp_path / "more.jsonl", [extra])
    assert ingest(file, "--prune")["added"] == 1
    assert len(exemplars(home)) == len(rows_of(RESOLVED)) + 1
    write_rows(file, [{**extra, "id": "X-2", "description": "El lector de la puerta 2 pita pero no registra."}])
    done = ingest(file, "--prune")
    assert (done["added"], done["pruned"]) == (1, 1)
    assert {"X-2", "R-0001"} <= exemplars(home).keys()


def test_a_dry_run_reads_everything_and_changes_nothing(home: Path, tmp_path: Path) -> None:
    index = files_of(home / "kb")
    file = write_rows(tmp_path / "more.jsonl", [{**rows_of(RESOLVED)[0], "id": "X-1", "description": "Otra cosa."}])
    result = tamiz("ingest", file, "--dry-run")
    assert result.code == 0
    assert "1 resolved tickets can be taken in; nothing was changed" in result.err
    assert files_of(home / "kb") == index


def test_what_cannot_be_used_is_listed_by_row_and_field_and_the_rest_goes_in(home: Path, tmp_path: Path) -> None:
    row = rows_of(RESOLVED)[0]
    file = write_rows(
        tmp_path / "more.jsonl",
        [
            {**row, "id": "X-1", "description": "La etiquetadora imprime dos veces.", "category": "Jardinería"},
            {**row, "id": "X-2", "subject": "", "description": " "},
            {**row, "id": "X-3", "description": "El torno no abre.", "resolved": "31/31/2026"},
            {**row, "id": "X-1", "description": "Otra con el mismo número."},
            {**row, "id": "X-5", "description": "El tóner se derrama."},
        ],
    )
    result = tamiz("ingest", file, "--json")
    assert result.code == 3
    assert result.json["added"] == 2
    assert "row 1, category: Row 1: 'Jardinería' is not a label of category" in result.err
    assert "row 2, description" in result.err
    assert "row 3, resolved" in result.err
    assert "row 4, id" in result.err
    found = exemplars(home)
    assert "category" not in found["X-1"].labels
    assert found["X-1"].labels["urgency"] == row["urgency"]
    assert "X-5" in found


def test_a_file_of_which_no_row_can_be_used_leaves_the_index_alone(home: Path, tmp_path: Path) -> None:
    index = files_of(home / "kb")
    result = tamiz("ingest", write_rows(tmp_path / "none.jsonl", [{"id": "X-1", "description": ""}]))
    assert result.code == 1
    assert "There is no row to ingest" in result.err
    assert files_of(home / "kb") == index


def test_labels_match_whatever_their_case_and_accents(home: Path, tmp_path: Path) -> None:
    row = {
        **rows_of(RESOLVED)[0],
        "id": "X-1",
        "description": "El visor no abre.",
        "category": "  APLICACION ",
        "urgency": "ALTA",
    }
    ingest(write_rows(tmp_path / "more.jsonl", [row]))
    assert exemplars(home)["X-1"].labels["category"] == "Aplicación"
    assert exemplars(home)["X-1"].labels["urgency"] == "Alta"


def test_search_finds_what_went_in_and_filters_by_label(home: Path) -> None:
    row = rows_of(RESOLVED)[0]
    result = tamiz("search", row["description"], "-k", 3, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found[0]["source_id"] == row["id"]
    assert found[0]["similarity"] > 0.9
    assert len(found) == 3
    only = json.loads(tamiz("search", row["description"], "--where", "category=red", "--where", "language=es", "--json").out)
    assert only
    assert {(n["labels"]["category"], n["language"]) for n in only} == {("Red", "es")}
    shown = tamiz("search", row["description"], "-k", 1)
    assert found[0]["id"][:8] in shown.out
    assert "category=Aplicación" in shown.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--where", "colour=red"), "can't be filtered by 'colour'"),
        (("--where", "category=Jardinería"), "Jardinería"),
        (("--where", "category"), "is not of the form left=right"),
    ],
)
def test_a_filter_that_cannot_be_used_is_a_clear_error(arguments: tuple[str, ...], says: str, home: Path) -> None:
    result = tamiz("search", "VPN", *arguments)
    assert result.code == 1
    assert says in result.err


@pytest.mark.parametrize("text", ["", "   ", "\u202e\u200b", "zxqv wqkz"])
def test_a_search_that_finds_nothing_says_so(text: str, home: Path) -> None:
    result = tamiz("search", text, "-k", 3)
    assert result.code == 0
    assert result.out or "Nothing like it is known." in result.err


@pytest.mark.parametrize("command", [("run", OPEN), ("fit",), ("search", "VPN")])
def test_without_a_knowledge_base_it_says_what_to_do(
    command: tuple[object, ...], home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "new"))
    monkeypatch.setenv("TAMIZ_DESK__URL", "http://127.0.0.1:9")
    result = tamiz(*command)
    assert (result.code, result.out) == (1, "")
    assert "There is no knowledge base yet. do: Run `python -m batch ingest FILE`" in result.err


@pytest.fixture(scope="module")
def small_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history as teams have it: 60 rows of description, solution, type of resolution and mailbox, in a code page."""
    path = tmp_path_factory.mktemp("table") / "historico.csv"
    with path.open("w", encoding="cp1252", errors="replace", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(["Descripción", "Solución", "Tipo de resolución", "Buzón"])
        for row in rows_of(RESOLVED)[:60]:
            kind = KINDS.get(row["resolution_kind"], row["resolution_kind"])
            mailbox = "accesos@albeniz.example" if row["category"] == "Accesos" else "soporte@albeniz.example"
            writer.writerow([f"{row['subject']}\n{row['description']}", row["resolution"], kind, mailbox])
    return path


def test_a_small_table_without_labels_is_a_knowledge_base(blank: Path, small_table: Path, tmp_path: Path) -> None:
    done = ingest(small_table)
    assert done["added"] == 60
    taxonomy = blank / "taxonomy.yaml"
    assert "resolution_kind" in taxonomy.read_text(encoding="utf-8")
    checked = tamiz("taxonomy", "check")
    assert checked.code == 0, checked.err
    assert f"{taxonomy} holds together" in checked.out
    kinds = {exemplar.labels["resolution_kind"] for exemplar in exemplars(blank).values()}
    assert {"manual", "close"} <= kinds <= {"manual", "close", "reassign", "wait"} | {k for k in kinds if k.startswith("api|")}
    assert {exemplar.mailbox for exemplar in exemplars(blank).values()} == {"accesos@albeniz.example", "soporte@albeniz.example"}

    fitted = tamiz("fit", "--json")
    assert fitted.code == 0, fitted.err
    assert "resolution_kind" in fitted.json["quality"]

    found = json.loads(tamiz("search", "se me ha olvidado la contraseña", "--json").out)
    assert found

    source = write_rows(tmp_path / "open.jsonl", rows_of(OPEN)[:12])
    result = tamiz("run", source, "--json")
    assert result.code == 0, result.err
    assert result.json["totals"]["tickets"] == 12
    known = {exemplar.id: exemplar for exemplar in exemplars(blank).values()}
    for record in decisions(blank):
        assert set(record.fusion) <= {"resolution_kind"}
        if record.resolution and record.resolution.exemplar:
            assert record.resolution.text == known[record.resolution.exemplar].resolution


def test_the_first_taxonomy_is_not_made_again(blank: Path, small_table: Path) -> None:
    blank.mkdir()
    text = "version: '7'\nname: mine\nfields:\n  resolution_kind:\n    labels: [{name: manual}, {name: close}]\n"
    (blank / "taxonomy.yaml").write_text(text, encoding="utf-8")
    result = tamiz("ingest", small_table, "--dry-run")
    assert result.code == 3, "labels outside the taxonomy are listed"
    assert (blank / "taxonomy.yaml").read_text(encoding="utf-8") == text
