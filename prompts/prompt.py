"""A prompt: what a model reads, and everything that it may answer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.taxonomy import Rule


@dataclass(frozen=True, slots=True)
class Choice:
    """A closed field of the answer. `aliases[i]` stands for `labels[i]` in prompt and answer, and is one token to the model."""

    field: str
    labels: tuple[str, ...]
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FreeText:
    """An open field of the answer: one line of at most `longest` characters."""

    field: str
    longest: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to a language model.

    The answer is one JSON object: each of `choices` in order, as `"field": "alias"`, then `free` where there is one.
    `rules` narrow a choice by the labels chosen before it. `template` names the template with its version.
    """

    system: str
    user: str
    choices: tuple[Choice, ...]
    template: str
    free: FreeText | None = None
    rules: tuple[Rule, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of what is read, hexadecimal."""
        return hashlib.sha256(f"{self.template}\n{self.system}\n{self.user}".encode()).hexdigest()


def allowed(rules: Sequence[Rule], choice: Choice, chosen: Mapping[str, str]) -> tuple[int, ...]:
    """Places of the labels that no rule forbids after `chosen` (field: label); all of them where nothing would be left."""
    left = set(choice.labels)
    for rule in rules:
        if choice.field in rule.allow and all(chosen.get(f) == label for f, label in rule.when.items()):
            left &= set(rule.allow[choice.field])
    return tuple(i for i, label in enumerate(choice.labels) if label in left) or tuple(range(len(choice.labels)))


def skeleton(prompt: Prompt) -> list[str]:
    """The forced text of the answer: before the first choice, between the choices, and after the last one.

    With free text the last piece ends where it begins; its closing `"}` is the model's to write.
    """
    opened = [f'"{choice.field}": "' for choice in prompt.choices]
    if prompt.free:
        opened.append(f'"{prompt.free.field}": "')
    pieces = ["{" + opened[0], *('", ' + piece for piece in opened[1:])]
    return pieces if prompt.free else [*pieces, '"}']
