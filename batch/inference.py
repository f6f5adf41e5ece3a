"""`taxonomy infer`: from the rows of a history to a taxonomy as YAML."""

from collections.abc import Sequence

from experts.infer import dump_yaml, infer_taxonomy
from intake import Intake
from servicedesk.tables import ResolvedRow


def infer_rows(rows: Sequence[ResolvedRow], intake: Intake, name: str) -> str:
    """A taxonomy of the labels in these rows; the texts are cleaned and redacted before their words describe a label."""
    cleaned = [intake.clean(row.ticket) for row in rows]
    inferred = infer_taxonomy(
        [row.ticket.labels for row in rows],
        [ticket.text for ticket in cleaned],
        [row.language or ticket.language for row, ticket in zip(rows, cleaned, strict=True)],
        name=name,
    )
    return dump_yaml(inferred.taxonomy, inferred.notes)
