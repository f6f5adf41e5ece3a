"""Review in a spreadsheet: the queue as an Excel file with the taxonomy's labels to choose from, and its rows taken in again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batch.comment import reasons
from batch.reviewing import Action, ReviewDesk, confirmed
from core.errors import InputError, StorageError, TamizError
from observability.reviews import Review
from review.queue import Order

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

ACTIONS: Mapping[str, Action] = {"approve": "approved", "correct": "corrected", "reject": "rejected"}
FIXED = ("ticket", "decision", "outcome", "subject", "text", "why")
VERDICT, REASON = "verdict", "reason"
_DECISION_DIGITS = 12
_LONGEST = 32_000
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class RowSaid:
    """What became of a row: `said` is approved, corrected, rejected, skipped, already, nothing or refused, `why` in words."""

    row: int
    ticket: str
    said: str
    why: str = ""


def export(desk: ReviewDesk, path: Path, order: Order, language: str) -> int:
    """Write what waits to an .xlsx file, one row a ticket with its proposed labels; how many rows.

    Raises:
        InputError: the name does not end in .xlsx.
        StorageError: the file can't be written.
    """
    from openpyxl import Workbook

    if path.suffix.lower() != ".xlsx":
        raise InputError(f"{path} is no .xlsx file.", remedy="Give it a name that ends in .xlsx.")
    waiting = desk.waiting(order)
    fields = desk.house.taxonomy.active()
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Review"
    for number, row in enumerate([(*FIXED, *fields, VERDICT, REASON), *(_row(one, fields, language) for one in waiting)], 1):
        for column, text in enumerate(row, 1):
            cell = sheet.cell(number, column, _NOT_IN_XML.sub("", text)[:_LONGEST])
            cell.data_type = "s"  # whatever a ticket says is text: openpyxl would make a formula of "=..."
    sheet.freeze_panes = "B2"
    _choices(book, sheet, {name: desk.house.taxonomy.labels(name) for name in fields}, len(waiting) + 1)
    try:
        book.save(path)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written ({error.strerror}).", remedy="Write elsewhere, or free some space."
        ) from error
    return len(waiting)


def take_in(desk: ReviewDesk, path: Path) -> list[RowSaid]:
    """Every row's verdict, in order: what each row says is done, or refused with the reason, and the others go on.

    The same file again changes nothing.

    Raises:
        InputError: the file can't be read, or has no column for ticket and verdict.
    """
    from servicedesk.grid import cell_text
    from servicedesk.tables import read_table

    table = read_table(path)
    names = [header.strip().lower() for header in table.headers]
    for needed in ("ticket", "decision", VERDICT):
        if needed not in names:
            raise InputError(f"{path} has no column {needed!r}.", remedy="Take a file that `review export` wrote.")
    found = []
    for record in table.records:
        cells = dict(zip(names, (cell_text(cell).strip() for cell in record.cells), strict=False))
        if cells.get("ticket"):
            found.append(_taken(desk, record.number, cells))
    return found


def _taken(desk: ReviewDesk, number: int, cells: Mapping[str, str]) -> RowSaid:
    ticket, verdict = cells["ticket"], cells.get(VERDICT, "").lower()
    if not verdict:
        return RowSaid(number, ticket, "nothing")
    try:
        if verdict not in {*ACTIONS, "skip"}:
            raise InputError(f"{verdict!r} is no verdict.", remedy=f"Use {', '.join(ACTIONS)} or skip.")
        review = desk.find(ticket)
        if review.decision.digest[:_DECISION_DIGITS] != cells.get("decision"):
            raise InputError(f"Ticket {ticket} was decided again since.", remedy="Export it anew.")
        return _judged(desk, review, number, verdict, cells)
    except TamizError as error:
        return RowSaid(number, ticket, "refused", f"{error.message} {error.remedy}")


def _judged(desk: ReviewDesk, review: Review, number: int, verdict: str, cells: Mapping[str, str]) -> RowSaid:
    decision, taxonomy = review.decision, desk.house.taxonomy
    if verdict == "skip":
        waits = review.state in {"waiting", "doubted"}
        if waits:
            desk.skip(decision.ticket_id)
        return RowSaid(number, decision.ticket_id, "skipped" if waits else "already")
    chosen = {name: cells[name.lower()] for name in taxonomy.active() if cells.get(name.lower())}
    proposed = {name: fused.label for name, fused in decision.fusion.items()}
    changes = {name: label for name, label in chosen.items() if label != proposed.get(name)}
    action = ACTIONS[verdict]
    if action != "rejected":
        action = "corrected" if changes else "approved"
    held = review.verdict
    labels = {} if action == "rejected" else confirmed(taxonomy, decision, changes)
    if held is not None and not review.doubts and (held.action, dict(held.labels)) == (action, labels):
        return RowSaid(number, decision.ticket_id, "already")
    said = desk.judge(decision.ticket_id, action, changes if labels else {}, cells.get(REASON, ""))
    return RowSaid(number, decision.ticket_id, said.verdict.action, said.error)


def _row(one: Review, fields: Sequence[str], language: str) -> tuple[str, ...]:
    decision = one.decision
    why = "; ".join(reasons(decision.causes, language))
    labels = [decision.fusion[name].label if name in decision.fusion else "" for name in fields]
    digest = decision.digest[:_DECISION_DIGITS]
    return (decision.ticket_id, digest, decision.outcome, decision.subject, decision.body, why, *labels, "", "")


def _choices(book: "Workbook", sheet: "Worksheet", labels: Mapping[str, Sequence[str]], last: int) -> None:
    """Drop-downs for the labels of each field, which stand on a hidden sheet, and for the verdict."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    hidden = book.create_sheet("Labels")
    hidden.sheet_state = "hidden"
    lists = [*labels.values(), (*ACTIONS, "skip")]
    for column, names in enumerate(lists, 1):
        for row, name in enumerate(names, 1):
            hidden.cell(row, column, name).data_type = "s"
        letter = get_column_letter(column)
        valid = DataValidation("list", formula1=f"Labels!${letter}$1:${letter}${len(names)}", allow_blank=True)
        valid.error, valid.errorTitle, valid.showErrorMessage = "Choose one of the list.", "Tamiz", True
        place = get_column_letter(len(FIXED) + column)
        valid.add(f"{place}2:{place}{max(2, last)}")
        sheet.add_data_validation(valid)
