"""The import table of the house: who may import whom, and which third parties stay where."""

import ast
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "core": set(),
    "intake": {"core"},
    "prompts": {"core"},
    "knowledge": {"core"},
    "backup": {"core", "knowledge"},
    "experts": {"core"},
    "llm": {"core", "prompts"},
    "servicedesk": {"core"},
    "observability": {"core"},
    "mocks": {"core"},
    "review": {"core", "knowledge", "observability"},
    "batch": {
        "core",
        "intake",
        "prompts",
        "knowledge",
        "experts",
        "llm",
        "servicedesk",
        "observability",
        "mocks",
        "review",
        "backup",
    },
    "finetune": {"core", "prompts", "llm", "knowledge", "experts", "observability", "review", "batch"},
}
FENCED = {
    "torch": {"llm", "finetune", "knowledge", "experts"},
    "transformers": {"llm", "finetune", "knowledge", "experts"},
    "peft": {"llm", "finetune", "knowledge", "experts"},
    "sentence_transformers": {"knowledge", "finetune"},
    "sklearn": {"experts"},
    "qdrant_client": {"knowledge"},
    "qdrant_edge": {"knowledge"},
    "mlflow": {"finetune", "observability"},
    "loguru": {"observability"},
    "grafana_foundation_sdk": {"observability"},
    "promql_parser": {"observability"},
    "compose_spec": {"observability"},
    "typer": {"batch", "finetune", "mocks"},
    "fastapi": {"mocks", "batch", "llm"},
    "httpx": {"servicedesk", "mocks", "llm", "knowledge", "observability", "review"},
    "argon2": {"review"},
    "joserfc": {"review", "mocks"},
    "prometheus_client": {"observability"},
}
LAZY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "sklearn",
    "scipy",
    "qdrant_client",
    "qdrant_edge",
    "peft",
    "matplotlib",
    "mlflow",
    "promql_parser",
    "compose_spec",
    "rich",
    "argon2",
    "joserfc",
)
FORBIDDEN_CALLS = {"eval", "exec", "__import__"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def modules() -> list[Path]:
    return sorted(p for room in ALLOWED for p in (ROOT / room).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    found = imported(ast.parse(path.read_text()))
    ours = {name for name in found if name in ALLOWED and name != room}
    assert ours <= ALLOWED[room], f"{room} may not import {ours - ALLOWED[room]}"
    for name in found & FENCED.keys():
        assert room in FENCED[name], f"{name} does not belong in {room}"
    assert not found & FORBIDDEN_MODULES
    if room == "core":
        assert found <= {"core", "numpy", "pydantic", "scipy"} | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_imports_are_lazy_and_nothing_is_evaluated(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not imported(ast.Module([node], [])) & set(LAZY), f"{ast.unparse(node)} at module level"
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not calls & FORBIDDEN_CALLS


def test_there_are_no_import_cycles() -> None:
    graph = {name: deps & ALLOWED.keys() for name, deps in ALLOWED.items()}
    done: set[str] = set()
    while ready := {name for name, deps in graph.items() if name not in done and deps <= done}:
        done |= ready
    assert done == graph.keys()


def test_every_room_says_what_it_is_for() -> None:
    for init in (ROOT / room / "__init__.py" for room in ALLOWED if (ROOT / room).is_dir()):
        assert ast.get_docstring(ast.parse(init.read_text())), init


def test_every_locked_package_runs_on_the_oldest_python_that_is_promised() -> None:
    """A lock made on a newer patch release may name what an older one refuses."""
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    oldest = f"{promised.removeprefix('>=')}.0"
    wanted = {d.name: str(d.metadata.json.get("requires_python", "")) for d in distributions()}
    assert not {name: needs for name, needs in wanted.items() if not SpecifierSet(needs).contains(oldest)}
