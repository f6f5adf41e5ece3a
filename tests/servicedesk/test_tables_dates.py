"""Dates of tables: never the wrong month without saying so."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicedesk.dates import month_first, parse_date
from servicedesk.tables import read_table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-04", "2024-03-04T00:00:00+00:00"),
        ("2024-03-04 10:22", "2024-03-04T10:22:00+00:00"),
        ("2024-03-04T10:22:33.000+0100", "2024-03-04T09:22:33+00:00"),
        ("2024/3/4 7:05", "2024-03-04T07:05:00+00:00"),
        ("03/04/2024", "2024-04-03T00:00:00+00:00"),
        ("03-04-24 9:15", "2024-04-03T09:15:00+00:00"),
        ("4.3.2024", "2024-03-04T00:00:00+00:00"),
        ("31/12/2023 11:59 p. m.", "2023-12-31T23:59:00+00:00"),
        ("03/ene/24 4:15 PM", "2024-01-03T16:15:00+00:00"),
        ("12/mar/24 4:15 PM", "2024-03-12T16:15:00+00:00"),
        ("lunes, 4 de marzo de 2024 a las 10:20", "2024-03-04T10:20:00+00:00"),
        ("5 septiembre 2023", "2023-09-05T00:00:00+00:00"),
        ("Tue Mar 05 2024 10:00:00 GMT+0100", "2024-03-05T09:00:00+00:00"),
        ("1709545320", "2024-03-04T09:42:00+00:00"),
        ("1709545320000", "2024-03-04T09:42:00+00:00"),
    ],
)
def test_dates_are_read_as_they_are_meant(text: str, expected: str) -> None:
    assert parse_date(text).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        *("4", "10:30", "mar 2024", "foo", "2024-13-01", "13/13/2024", "31/02/2024", "45355.43", "1/1/0001", "9999-12-31"),
        *("tomorrow", "4 Mar 2024 10:22 CET", "12/25/2024", "9" * 400, "2024-03-04 99:99"),
    ],
)
def test_what_is_no_whole_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_date(text)


def test_a_column_proves_month_first_only_as_a_whole() -> None:
    assert month_first(["03/04/2024", "12/25/2024"])
    assert not month_first(["03/04/2024", "04/05/2024"])
    assert not month_first(["12/25/2024", "25/12/2024"])
    assert not month_first([])
    assert parse_date("03/04/2024", month_first=True).month == 3


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2099, 1, 1)),
    st.sampled_from(["%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
)
def test_whole_dates_survive(moment: datetime, pattern: str) -> None:
    assert parse_date(moment.strftime(pattern)) == moment.replace(microsecond=0, tzinfo=UTC)


@settings(max_examples=300)
@given(st.text(alphabet="0123456789/-.: apmTZ+eneroMar,", max_size=24))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    try:
        parse_date(text)
    except ValueError:
        return


def test_a_table_reads_its_columns_each_in_its_own_order(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("body,created,resolved\na,03/04/2024,03/04/2024\nb,13/04/2024,04/13/2024\nc,-,\nd,never,04/05/2024\n")
    table = read_table(path, zone=ZoneInfo("Europe/Madrid"))
    assert [row.values["created"] for row in table.rows] == ["2024-04-02T22:00:00+00:00", "2024-04-12T22:00:00+00:00", ""]
    assert [row.values["resolved_at"] for row in table.rows] == ["2024-03-03T23:00:00+00:00", "2024-04-12T22:00:00+00:00", ""]
    (problem,) = table.problems
    assert (problem.row, problem.field) == (5, "created")
    assert "YYYY-MM-DD or day/month/year" in problem.remedy
    assert table.rows[0].original["created"] == "03/04/2024"


def test_a_column_with_both_orders_lists_the_rows_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("body,created\na,25/12/2024\nb,12/25/2024\nc,01/02/2024\n")
    table = read_table(path)
    assert [row.values["created"][:10] for row in table.rows] == ["2024-12-25", "2024-02-01"]
    assert [problem.row for problem in table.problems] == [3]
