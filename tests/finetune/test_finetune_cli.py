"""`python -m finetune`: the commands as a person types them."""

import json
import subprocess
import sys
from pathlib import Path

import yaml
from typer.testing import CliRunner

from core.taxonomy import Taxonomy
from finetune.cli import app

TAXONOMY = Path(__file__).resolve().parents[2] / "mocks" / "examples" / "taxonomy.yaml"


def test_synthesized_tickets_carry_the_labels_of_the_taxonomy() -> None:
    taxonomy = Taxonomy.model_validate(yaml.safe_load(TAXONOMY.read_text(encoding="utf-8")))
    arguments = ["synthesize", "--taxonomy", str(TAXONOMY), "--n", "30", "--seed", "4"]
    result = CliRunner().invoke(app, arguments)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 30
    for row in rows:
        labels = {field: row[field] for field in taxonomy.fields if field in row}
        assert labels
        assert all(label in taxonomy.labels(field) for field, label in labels.items())
        assert not taxonomy.violations(labels)
        assert 0 < len(row["summary"]) <= 120
    assert CliRunner().invoke(app, arguments).stdout == result.stdout


def test_a_taxonomy_that_cannot_be_read_is_one_message(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "finetune", "synthesize", "--taxonomy", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "can't be read" in done.stderr
    assert "taxonomy check" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_the_commands() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "micro" in shown
    assert "synthesize" in shown
