"""The columns that a run over a file adds to each row."""

from collections.abc import Mapping
from typing import Any


def result_row(ticket: Mapping[str, Any], language: str) -> dict[str, str]:
    """Outcome, score, each field with confidence and mode, resolution with its exemplar, and why, as text by column name."""
    row = {
        "outcome": ticket["outcome"],
        "score": "" if ticket["score"] is None else f"{int(ticket['score'])}",
        "summary": ticket["summary"],
    }
    for name, proposed in ticket["fields"].items():
        if proposed["mode"] in ("autofill", "suggest"):
            row[name] = proposed["label"]
            row[f"{name}_confidence"] = f"{proposed['confidence']:.3f}"
            row[f"{name}_mode"] = proposed["mode"]
            row[f"{name}_evidence"] = " ".join(proposed["evidence"])
    resolution = ticket["resolution"] or {"kind": "", "text": "", "exemplar_id": ""}
    row |= {
        "resolution": resolution["text"],
        "resolution_exemplar": resolution["exemplar_id"],
        "priority": ticket["priority"] or "",
    }
    row["why"] = "; ".join(cause[language] for cause in ticket["causes"])
    return row
