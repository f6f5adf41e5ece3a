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
    """Places of the labels that break no rule together with `chosen` (field: label); all of them where nothing would be left.

    A label is also out where it would bring a rule to bear that a label chosen before breaks.
    """
    left = (
        i for i, label in enumerate(choice.labels) if not any(_broken(rule, {**chosen, choice.field: label}) for rule in rules)
    )
    return tuple(left) or tuple(range(len(choice.labels)))


def _broken(rule: Rule, labels: Mapping[str, str]) -> bool:
    applies = all(labels.get(field) == label for field, label in rule.when.items())
    return applies and any(field in labels and labels[field] not in allow for field, allow in rule.allow.items())


def skeleton(prompt: Prompt) -> list[str]:
    """The forced text of the answer: before the first choice, between the choices, and after the last one.

    With free text the last piece ends where it begins; its closing `"}` is the model's to write.
    """
    opened = [f'"{choice.field}": "' for choice in prompt.choices]
    if prompt.free:
        opened.append(f'"{prompt.free.field}": "')
    pieces = ["{" + opened[0], *('", ' + piece for piece in opened[1:])]
    return pieces if prompt.free else [*pieces, '"}']
