"""The example company's history and small hand-made tables, for the tests of `infer_taxonomy`."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from core.taxonomy import Label
from experts.infer import Inferred, infer_taxonomy

EXAMPLES = Path(__file__).parents[2] / "mocks" / "examples"
LABELS = ("category", "subcategory", "application", "urgency", "impact", "assignment_group", "resolution_kind")


def infer(rows: Sequence[Mapping[str, str]], texts: Sequence[str] = (), language: str = "es", min_count: int = 1) -> Inferred:
    return infer_taxonomy(rows, texts or [""] * len(rows), [language] * len(rows), name="Prueba", min_count=min_count)


def column(field: str, *counted: tuple[str, int]) -> list[dict[str, str]]:
    return [{field: value} for value, n in counted for _ in range(n)]


def label(inferred: Inferred, field: str, name: str) -> Label:
    return next(found for found in inferred.taxonomy.fields[field].labels if found.name == name)


@cache
def history() -> list[dict[str, str]]:
    """The resolved tickets of the example company."""
    return [json.loads(line) for line in (EXAMPLES / "resolved.jsonl").read_text().splitlines()]


@cache
def company() -> Inferred:
    """What is inferred from them."""
    fields = (*LABELS, "id", "subject", "channel")
    return infer_taxonomy(
        [{f: row[f] for f in fields} for row in history()],
        [f"{row['subject']}\n{row['description']}" for row in history()],
        [row["language"] for row in history()],
        name="Albéniz: prueba",
    )
