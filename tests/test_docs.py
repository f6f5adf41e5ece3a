"""The examples in the documents: every command exists with its options, and the README's own walk-through is walked."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from openpyxl import Workbook
from typer.testing import CliRunner

from batch.assemble import EXAMPLES
from batch.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "README.es.md", *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "LOG.md"}))
COMMAND = re.compile(r"python -m batch[^`\n#|>]*")


def commands() -> list[str]:
    found = {match.strip() for path in DOCUMENTS for match in COMMAND.findall(path.read_text(encoding="utf-8"))}
    return sorted(found)


def known() -> dict[str, set[str]]:
    """command -> its options."""
    group = typer.main.get_command(app)
    tree = {"": group}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        tree[name] = command
        tree |= {f"{name} {sub}": c for sub, c in getattr(command, "commands", {}).items()}
    return {name: {o for p in command.params for o in p.opts} | {"--help"} for name, command in tree.items()}


@pytest.mark.parametrize("line", commands())
def test_commands_in_the_documents_exist(line: str) -> None:
    words = shlex.split(line.replace("...", ""))[3:]
    options = {w for w in words if w.startswith("-")}
    plain = [w for w in words if not w.startswith("-")]
    names = [n for n in (" ".join(plain[:2]), "".join(plain[:1]), "") if n in known()]
    assert not plain or names[0], f"{line}: there is no such command"
    assert options <= known()[names[0]], f"{line}: no such option"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_readme_tree_is_the_tree() -> None:
    listed = set(re.findall(r"^([a-z]+)/ ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    rooms = {p.name for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert listed == rooms | {"docs", "tests"}


def test_both_readmes_have_the_same_figures() -> None:
    english, spanish = (re.findall(r"\d*\.\d+", p.read_text(encoding="utf-8").replace(",", ".")) for p in DOCUMENTS[:2])
    assert sorted(english) == sorted(spanish)


def test_the_walk_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAMIZ_LLM__MODEL")  # the model that comes with the project reads here
    book = Workbook()
    rows = [json.loads(line) for line in (EXAMPLES / "resolved.jsonl").read_text(encoding="utf-8").splitlines()[:120]]
    keys = ("id", "subject", "description", "category", "assignment_group", "resolution_kind", "resolution")
    book.active.append(keys)  # type: ignore[union-attr]
    for row in rows:
        book.active.append([row[k] for k in keys])  # type: ignore[union-attr]
    book.save("history.xlsx")
    lines = (EXAMPLES / "open.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    table = "\n".join(f"{json.loads(x)['id']};{json.dumps(json.loads(x)['description'][:80])}" for x in lines)
    Path("new_tickets.csv").write_text(f"id;description\n{table}\n", encoding="utf-8")
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("## With your own tickets")[1].split("```")[1]
    walked = [shlex.split(line, comments=True) for line in block.strip().splitlines() if line.startswith("python -m batch")]
    assert len(walked) >= 5
    for words in walked:
        result = CliRunner().invoke(app, words[3:])
        assert result.exit_code in (0, 3), f"{words}: {result.output} {result.exception!r}"
    assert "tamiz_outcome" in Path("new_tickets.tamiz.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert (tmp_path / "var" / "taxonomy.yaml").exists()
