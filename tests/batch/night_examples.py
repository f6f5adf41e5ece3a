"""A small base with something to do for a night."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.batch.commands_examples import RESOLVED, TAXONOMY_FILE, rows_of, tamiz, write_rows


def small_home(folder: Path) -> Path:
    """In `folder` a home of 110 resolved tickets, three of them closed again."""
    _write_taxonomy(folder / "taxonomy.yaml")
    rows = rows_of(RESOLVED)[:107]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_HOME", str(folder / "home"))
        patch.setenv("TAMIZ_TAXONOMY", str(folder / "taxonomy.yaml"))
        for name, part in (("history.jsonl", rows), ("more.jsonl", closed_again(rows, "category"))):
            result = tamiz("ingest", write_rows(folder / name, part))
            assert result.code == 0, result.err
    return folder


def closed_again(rows: Sequence[dict[str, str]], field: str) -> list[dict[str, str]]:
    """One ticket closed twice, and another again with its own label of a field and with another."""
    long = [row for row in rows if len(row["description"].split()) > 25]
    other = next(row[field] for row in rows if row[field] != long[1][field])
    return [{**long[0], "id": "R-again"}, {**long[1], "id": "R-other", field: other}, {**long[1], "id": "R-third"}]


def _write_taxonomy(path: Path) -> None:
    whole = yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8"))
    fields = {name: whole["fields"][name] for name in ("category", "urgency")}
    kept = {"version": whole["version"], "fields": fields}
    path.write_text(yaml.safe_dump(kept, allow_unicode=True), encoding="utf-8")
