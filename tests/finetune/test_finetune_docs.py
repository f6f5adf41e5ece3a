"""Every command in the page on finetuning exists with its options."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from finetune.cli import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "finetune.md"
COMMAND = re.compile(r"python -m finetune[^`\n#|>]*")


def commands() -> list[str]:
    return sorted({match.strip() for match in COMMAND.findall(PAGE.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("line", commands())
def test_the_command_exists(line: str) -> None:
    name, *words = shlex.split(line)[3:]
    known = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option for parameter in known.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= options


def test_all_of_the_round_is_on_the_page() -> None:
    named = {shlex.split(line)[3] for line in commands()}
    assert {"data", "train", "evaluate", "promote", "rollback", "export"} <= named
