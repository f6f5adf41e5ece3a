"""From rows to tickets: ids, labels, and what makes two rows the same."""

from datetime import UTC, datetime
from pathlib import Path

from core.ticket import Ticket
from servicedesk.tables import ResolvedRow, Table, read_table, to_resolved, to_tickets


def table_of(folder: Path, content: str, **options: object) -> Table:
    path = folder / "t.csv"
    path.write_text(content, encoding="utf-8")
    return read_table(path, **options)  # type: ignore[arg-type]


def test_a_row_becomes_a_ticket_with_what_it_has(tmp_path: Path) -> None:
    content = "id,asunto,descripción,buzón,creado,revision,categoría,urgencia,cola\nA1,s,d,m@x.es,2024-03-04 10:22,7,Red,,N1\n"
    tickets, problems = to_tickets(table_of(tmp_path, content, extra=["cola"]))
    created = datetime(2024, 3, 4, 10, 22, tzinfo=UTC)
    labels = {"category": "Red", "cola": "N1"}
    assert tickets == {2: Ticket("A1", "s", "d", revision="7", mailbox="m@x.es", created=created, labels=labels)}
    assert not problems


def test_a_resolved_row_has_its_resolution_too(tmp_path: Path) -> None:
    content = "número,descripción,solución,tipo,resuelto,idioma\n5,d,Hecho.,cierre,04/03/2024,es\n"
    (resolved,), problems = to_resolved(table_of(tmp_path, content))
    ticket = Ticket("5", "", "d", labels={"resolution_kind": "cierre"})
    assert resolved == ResolvedRow(2, ticket, "Hecho.", "2024-03-04T00:00:00+00:00", "5", "es")
    assert not problems


def test_an_id_that_comes_again_is_listed(tmp_path: Path) -> None:
    table = table_of(tmp_path, "Clave,body\nA,x\nB,y\nA,z\n,w\n,w\n")
    tickets, problems = to_tickets(table)
    assert list(tickets) == [2, 3, 5, 6]
    assert [(p.row, p.field) for p in problems] == [(4, "Clave")]
    assert "as row 2 has" in problems[0].message
    assert [p.row for p in to_resolved(table)[1]] == [4]


def test_ids_from_the_text_stay_the_same_and_are_each_rows_own(tmp_path: Path) -> None:
    tickets, problems = to_tickets(table_of(tmp_path, "body,mailbox\nno va,a\nno va,a\notra cosa,b\n"))
    ids = [ticket.id for ticket in tickets.values()]
    assert (len(set(ids)), problems) == (3, [])
    assert ids[1] == f"{ids[0]}-2"
    later, _ = to_tickets(table_of(tmp_path, "mailbox,body\nz,otra cosa\na,no va\n"))
    assert [ticket.id for ticket in later.values()] == [ids[2], ids[0]]


def test_equal_rows_are_one_ticket_and_contradicting_rows_are_two(tmp_path: Path) -> None:
    rows = "no va,reiniciar\nno va,reiniciar\nno va,cambiar el cable\nno va,reiniciar\nlento,esperar\n"
    resolved, problems = to_resolved(table_of(tmp_path, f"body,resolution\n{rows}"))
    first, *others = [row.source_id for row in resolved]
    assert others[:3] == [first, f"{first}-2", first]
    assert others[3] != first
    assert not problems
    edited, _ = to_resolved(table_of(tmp_path, "body,resolution\nno va,reiniciar dos veces\n"))
    assert edited[0].source_id == first
