"""A taxonomy as the commented YAML that people edit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from core.taxonomy import FieldSpec, Label, Priority, Rule, Taxonomy

_HEAD = (
    "The closed label sets. Raise `version` whenever a label, a rule or a mode changes.",
    "Labels match whatever their case, accents and spacing; synonyms are the other names people use for them.",
    "mode: autofill  write the field when its confidence reaches the fitted threshold, else suggest it",
    "      suggest   propose it in a comment, never write it",
    "      shadow    compute and journal it, show it to nobody",
    "      off       do not compute it",
)


def dump_yaml(taxonomy: Taxonomy, notes: Sequence[str] = ()) -> str:
    """YAML that `yaml.safe_load` and `Taxonomy.model_validate` read back to an equal taxonomy; `notes` become comments."""
    lines = [f"# {line}" for line in _HEAD]
    if notes:
        lines += ["#", "# Worth a look:", *(f"# - {_one_line(note)}" for note in notes)]
    lines += [f"version: {_flow(taxonomy.version)}", f"name: {_flow(taxonomy.name)}", "", "fields:"]
    for name, spec in taxonomy.fields.items():
        lines += _field(name, spec)
    if taxonomy.systems:
        lines += ["", "# The systems that an api resolution may name.", f"systems: {_flow(list(taxonomy.systems))}"]
    if taxonomy.rules:
        lines += ["", "# Each rule: when all of `when` holds, every field of `allow` must be one of the listed labels."]
        lines += ["rules:", *(f"  - {_flow(_rule(rule))}" for rule in taxonomy.rules)]
    if taxonomy.priority is not None:
        lines += _priority(taxonomy.priority)
    return "\n".join(lines) + "\n"


def _field(name: str, spec: FieldSpec) -> Iterable[str]:
    yield f"  {_flow(name)}:"
    yield f"    mode: {spec.mode.value}"
    yield f"    target_precision: {_flow(spec.target_precision)}"
    yield "    labels:"
    yield from (f"      - {_flow(_label(label))}" for label in spec.labels)


def _label(label: Label) -> dict[str, Any]:
    content: dict[str, Any] = {"name": label.name}
    if label.definition:
        content["definition"] = dict(label.definition)
    if label.synonyms:
        content["synonyms"] = {code: list(words) for code, words in label.synonyms.items()}
    return content


def _rule(rule: Rule) -> dict[str, Any]:
    return {"when": dict(rule.when), "allow": {name: list(labels) for name, labels in rule.allow.items()}}


def _priority(priority: Priority) -> Iterable[str]:
    yield ""
    yield f"# {_one_line(priority.rows)} x {_one_line(priority.columns)} gives the priority."
    yield "priority:"
    yield f"  rows: {_flow(priority.rows)}"
    yield f"  columns: {_flow(priority.columns)}"
    if not priority.matrix:
        yield "  matrix: {}"
        return
    yield "  matrix:"
    yield from (f"    {_flow(row)}: {_flow(dict(columns))}" for row, columns in priority.matrix.items())


def _flow(value: str | float | Sequence[str] | Mapping[str, Any]) -> str:
    """A value on one line; quoted with escapes where it would else take several."""
    for style in (None, '"'):
        text = yaml.safe_dump(
            [value], default_flow_style=True, default_style=style, allow_unicode=True, sort_keys=False, width=float("inf")
        )
        if len(text.strip().splitlines()) == 1:
            break
    return text.strip().removeprefix("[").removesuffix("]")


def _one_line(note: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in note).split())
