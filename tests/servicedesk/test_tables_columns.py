"""Which column is which field: headers in both languages, mappings, and tables whose columns can't be told."""

from pathlib import Path

import pytest

from core.errors import InputError
from servicedesk.columns import header_key
from servicedesk.tables import Table, read_table

DATA = Path(__file__).parents[3] / "shared" / "data"


def table_of(folder: Path, content: str, **options: object) -> Table:
    path = folder / "t.csv"
    path.write_text(content, encoding="utf-8")
    return read_table(path, **options)  # type: ignore[arg-type]


def bodies(table: Table) -> list[str]:
    return [row.values["body"] for row in table.rows]


@pytest.mark.parametrize(
    ("header", "field"),
    [
        *[(h, "body") for h in ("Descripción", "DESCRIPTION", "detalle", "Body", "cuerpo", "Texto ", "Issue_Description")],
        *[(h, "subject") for h in ("Asunto", "subject", "Título", "Summary", "Short description")],
        *[(h, "resolution") for h in ("Solución", "Resolution", "Respuesta", "answer", "Closing notes", "close_notes")],
        *[(h, "resolution_kind") for h in ("Tipo de resolución", "Resolution type", "resolutionKind", "resolution_kind")],
        *[(h, "mailbox") for h in ("Buzón", "mailbox")],
        *[(h, "assignment_group") for h in ("Grupo", "Assignment group", "Grupo resolutor", "assignmentGroup")],
        *[(h, "id") for h in ("ID", "Número", "Ticket", "Clave", "Key", "Nº de ticket", "Issue key")],
        *[(h, "category") for h in ("Categoría:", "category")],
        *[(h, "created") for h in ("Fecha de creación", "Created", "opened", "Fecha")],
        *[(h, "resolved_at") for h in ("Fecha de resolución", "Resolved", "closed", "resolved_at")],
        *[(h, f) for h, f in (("Urgencia", "urgency"), ("Impacto", "impact"), ("Aplicación", "application"))],
        *[(h, f) for h, f in (("Subcategoría", "subcategory"), ("Idioma", "language"), ("Revision", "revision"))],
    ],
)
def test_a_header_in_either_language_is_recognised(tmp_path: Path, header: str, field: str) -> None:
    other = "asunto" if field != "subject" else "descripcion"
    table = table_of(tmp_path, f"{header},{other}\n,x\n")
    assert table.columns[field] == header.strip()


def test_keys_of_headers_ignore_case_accents_and_signs() -> None:
    assert len({header_key(h) for h in ("Fecha_de  Creación:", "fecha de creacion", "fechaDeCreacion", "FECHA DE CREACIÓN")}) == 1


def test_a_mapping_wins_over_a_recognised_header(tmp_path: Path) -> None:
    table = table_of(tmp_path, "Description,Caso completo\nshort,the whole\n", mapping={"caso completo": "body"})
    assert bodies(table) == ["the whole"]
    assert table.columns == {"body": "Caso completo"}
    assert table.ignored == ["Description"]
    assert table.rows[0].values["description"] == "short"


def test_two_columns_for_one_field_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'Description' and 'Detalle' would all be body.*--map") as caught:
        table_of(tmp_path, "Description,Detalle\na,b\n")
    assert caught.value.remedy == "Say which one it is with --map Description=body."
    assert bodies(table_of(tmp_path, "Description,Detalle\na,b\n", mapping={"Detalle": "body"})) == ["b"]


def test_duplicate_headers_are_refused_where_they_matter(tmp_path: Path) -> None:
    for content, asked in (("body,Body\na,b\n", []), ("body,Queue,QUEUE\na,b,c\n", ["queue"])):
        with pytest.raises(InputError, match="have the same header"):
            table_of(tmp_path, content, extra=asked)
    table = table_of(tmp_path, "body,Comment,Comment\na,b,c\n")
    assert table.rows[0].original == {"body": "a", "Comment": "b", "Comment (2)": "c"}


def test_a_table_without_text_names_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the columns are: id, categoría\..*--map"):
        table_of(tmp_path, "id,categoría\n1,Red\n")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"nope": "body"}, "there is no column 'nope'"),
        ({"text": "bodi"}, "there is no field 'bodi'"),
        ({"text": "body", "other": "body"}, "two columns"),
    ],
)
def test_a_mapping_that_names_nothing_is_refused(tmp_path: Path, mapping: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table_of(tmp_path, "text,other\na,b\n", mapping=mapping)


def test_the_smallest_knowledge_base_is_enough(tmp_path: Path) -> None:
    kinds = ("manual", "cierre", "reasignacion", "en espera", "api|directorio", "API|Licencias")
    rows = "".join(f"No va {n};Hecho {n};{kind};soporte@x.es\n" for n, kind in enumerate(kinds))
    table = table_of(tmp_path, f"Descripción;Solución;Tipo;Buzón\n{rows}", require_text=True)
    assert [row.values["resolution_kind"] for row in table.rows] == list(kinds)
    assert set(table.columns) == {"body", "resolution", "resolution_kind", "mailbox"}
    assert not table.problems


def test_a_type_of_ticket_is_no_kind_of_resolution(tmp_path: Path) -> None:
    table = table_of(tmp_path, "description,type\na,Incident\nb,\nc,Request\n")
    assert "resolution_kind" not in table.columns
    assert [row.values["type"] for row in table.rows] == ["Incident", "", "Request"]
    assert "resolution_kind" not in table_of(tmp_path, "description,type\na,\n").columns


def test_asked_columns_are_there_under_the_name_asked_for(tmp_path: Path) -> None:
    table = table_of(tmp_path, "description,Cola de soporte,tipo\na,N1,cierre\n", extra=["cola_de_soporte", "tipo"])
    assert table.rows[0].values["cola_de_soporte"] == "N1"
    assert table.rows[0].values["tipo"] == table.rows[0].values["resolution_kind"] == "cierre"
    with pytest.raises(InputError, match=r"'priority' was asked for: there is no column 'priority'"):
        table_of(tmp_path, "description\na\n", extra=["priority"])


@pytest.mark.parametrize(
    ("name", "extra", "columns"),
    [
        ("v3/kb_4k.csv", (), {"id", "body", "category"}),
        ("es_it12/kb.csv", (), {"id", "body", "category"}),
        ("es_support/kb.csv", ("queue", "priority"), {"id", "subject", "body", "resolution", "queue", "priority"}),
    ],
)
def test_the_benchmark_tables_are_read_whole(name: str, extra: tuple[str, ...], columns: set[str]) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"the benchmark data is not at {DATA}")
    table = read_table(DATA / name, extra=extra, require_text=True)
    assert set(table.columns) == columns
    assert not table.problems
    assert len(table.rows) == {"v3/kb_4k.csv": 4000, "es_it12/kb.csv": 910, "es_support/kb.csv": 304}[name]
