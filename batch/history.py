"""From the rows of a history to exemplars: cleaned, redacted, with canonical labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.errors import RowError
from core.taxonomy import Taxonomy
from core.ticket import Exemplar
from intake import Intake
from servicedesk.tables import ResolvedRow


@dataclass(frozen=True, slots=True)
class History:
    """What a history file gives: exemplars (without ids: the knowledge base gives those) and the cells that could not be used."""

    exemplars: tuple[Exemplar, ...]
    problems: tuple[RowError, ...]


def to_exemplars(rows: Iterable[ResolvedRow], taxonomy: Taxonomy, intake: Intake, source: str) -> History:
    """Clean each row and make its labels canonical.

    A label that the taxonomy does not know is a problem; the row is kept without it. A row of which nothing is left after
    cleaning is a problem and is skipped.
    """
    exemplars: list[Exemplar] = []
    problems: list[RowError] = []
    for row in rows:
        cleaned = intake.clean(row.ticket)
        if not cleaned.text:
            problems.append(_nothing_left(row))
            continue
        labels, unknown = _labels(row, taxonomy)
        problems.extend(unknown)
        exemplars.append(
            Exemplar(
                id="",
                subject=cleaned.subject,
                body=cleaned.body,
                language=row.language or cleaned.language,
                labels=labels,
                resolution=intake.clean_text(row.resolution),
                mailbox=cleaned.mailbox,
                source=source,
                source_id=row.source_id,
                resolved_at=row.resolved_at,
            )
        )
    return History(tuple(exemplars), tuple(problems))


def _labels(row: ResolvedRow, taxonomy: Taxonomy) -> tuple[dict[str, str], list[RowError]]:
    labels, problems = {}, []
    for field, text in row.ticket.labels.items():
        if field not in taxonomy.fields:
            continue
        label = taxonomy.match(field, text)
        if label is None:
            problems.append(_unknown(row.number, field, text, taxonomy.labels(field)))
        else:
            labels[field] = label
    return labels, problems


def _unknown(row: int, field: str, text: str, known: Sequence[str]) -> RowError:
    return RowError(
        f"Row {row}: {text[:60]!r} is not a label of {field}; the row is used without it.",
        row=row,
        field=field,
        remedy=f"Add it to the taxonomy, as a label or a synonym, or correct the cell ({', '.join(known[:6])}, ...).",
    )


def _nothing_left(row: ResolvedRow) -> RowError:
    return RowError(
        f"Row {row.number}: nothing is left of the text after cleaning.",
        row=row.number,
        field="body",
        remedy="Check that the text is not only a quoted mail or a signature.",
    )
