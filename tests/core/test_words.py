"""Every reason that any code can give is there in both languages and can be said with the values that come with it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import pytest

from core.triage import Reason
from core.words import REASONS, say

ROOT = Path(__file__).parents[2]
ROOMS = ("core", "experts", "intake", "batch")
LANGUAGES = ("es", "en")


@dataclass(frozen=True)
class Given:
    """A `Reason(...)` in the source: the codes it can have and the names of its values (None: made elsewhere)."""

    where: str
    codes: tuple[str, ...]
    values: frozenset[str] | None


def reasons_in(path: Path) -> Iterator[Given]:
    tree = ast.parse(path.read_text())
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            assigned = {
                node.targets[0].id: node.value
                for node in ast.walk(scope)
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            }
            for call in calls(scope):
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
                yield Given(where, tuple(codes(arguments[0])), names(arguments[1] if len(arguments) > 1 else None, assigned))


def calls(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls of `Reason` directly in a scope, those in functions inside it left to them."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called == "Reason":
                yield node
        yield from calls(node)


def codes(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from codes(node.body)
        yield from codes(node.orelse)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    elif not (isinstance(node, ast.Attribute) and node.attr == "code"):  # passed on: checked where it was made
        yield f"not readable: {ast.unparse(node)}"


def names(node: ast.expr | None, assigned: dict[str, ast.expr]) -> frozenset[str] | None:
    if node is None:
        return frozenset()
    if isinstance(node, ast.Name):
        node = assigned.get(node.id)
    if not isinstance(node, ast.Dict):
        return None
    return frozenset(str(key.value) for key in node.keys if isinstance(key, ast.Constant))


GIVEN = [given for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) for given in reasons_in(path)]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_the_search_finds_what_is_known_to_be_there() -> None:
    found = {code for given in GIVEN for code in given.codes}
    assert {"suggest_only", "under_threshold", "failed", "rejected", "ask_user", "label_more", "narrow_margin"} <= found
    assert len(GIVEN) > 20


@pytest.mark.parametrize("given", GIVEN, ids=[given.where for given in GIVEN])
def test_every_reason_can_be_said_in_both_languages(given: Given) -> None:
    for code in given.codes:
        assert code in REASONS, f"{given.where}: {code}"
        for language in LANGUAGES:
            text = REASONS[code][language]
            if given.values is None:
                continue
            assert placeholders(text) <= given.values, f"{given.where}: {code}"
            said = say(Reason(code, {name: f"<{name}>" for name in given.values}), language)
            assert all(f"<{name}>" in said for name in placeholders(text))


@pytest.mark.parametrize("code", REASONS)
def test_both_languages_say_the_same_values(code: str) -> None:
    assert set(REASONS[code]) == set(LANGUAGES)
    assert placeholders(REASONS[code]["es"]) == placeholders(REASONS[code]["en"])
    assert all(text and "{}" not in text for text in REASONS[code].values())


def test_values_are_said_as_they_are() -> None:
    reason = Reason("failed", {"stage": "{error}", "error": "{x} 100 %"})
    assert say(reason) == "{error} failed: {x} 100 %"
    assert say(Reason("empty"), "es") == "el ticket está vacío"
    assert say(Reason("empty"), "fr") == say(Reason("empty"), "en") == "the ticket is empty"
