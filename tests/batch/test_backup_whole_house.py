"""The example company: backed up, deleted, restored. Searches, verdicts and what is left to do are what they were."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.batch.commands_examples import OPEN, rows_of, tamiz, write_rows

QUESTIONS = ("no me llega el código al móvil", "outlook keeps asking for my password", "la impresora de la planta 3 no imprime")


@pytest.mark.slow
def test_everything_is_as_it_was(home: Path, tmp_path: Path) -> None:
    open_tickets = write_rows(tmp_path / "open.jsonl", rows_of(OPEN)[:12])
    assert tamiz("run", open_tickets).code == 0
    before = _said(open_tickets)
    safe = tmp_path / "safe"
    made = tamiz("backup", "--to", safe, "--json")
    assert made.code == 0, made.err
    assert made.json["drill"]["passed"]
    assert (made.json["drill"]["searches"], made.json["drill"]["equal"]) == (50, 50)
    assert made.json["exemplars"] == made.json["drill"]["exemplars"] > 400
    shutil.rmtree(home)
    restored = tamiz("restore", made.json["backup"])
    assert restored.code == 0, restored.err
    again = tamiz("backup", "--to", safe, "--no-drill", "--json")
    assert not again.json["made"], "the restored home is not the one that was backed up"
    assert _said(open_tickets) == before


def _said(open_tickets: Path) -> Any:  # noqa: ANN401 - whatever the commands say
    found = [json.loads(tamiz("search", question, "-k", 10, "--json").out) for question in QUESTIONS]
    left = tamiz("run", open_tickets, "--json").json["totals"]
    waiting = tamiz("review", "list", "--json").json["tickets"]
    return found, left, [(ticket["ticket"], ticket["state"], ticket["fields"]) for ticket in waiting]
