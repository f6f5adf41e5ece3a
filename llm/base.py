"""What every language model offers: answers to prompts, constrained to what the prompt allows."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.triage import Generation
from prompts.prompt import Prompt


def text_digest(text: str) -> str:
    """16 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one prompt. It satisfies the prompt's choices and rules by construction.

    `log_probs[field]` are natural-log probabilities over the labels of that choice, given the ones chosen before it, shape
    (labels,); `labels` the likeliest of those that the rules allow. `text` is the free text, "" where none was asked for.
    `completion` is the strict JSON with the labels in it. Tokens: read, forced by the skeleton, and generated.
    """

    labels: Mapping[str, str]
    log_probs: Mapping[str, NDArray[np.float64]]
    text: str
    completion: str
    read: int
    forced: int
    generated: int


def generation_of(task: str, model: "LanguageModel", prompt: Prompt, answer: Answer) -> Generation:
    """What the journal keeps of an answer: every word that was read and written."""
    read = f"{prompt.system}\n\n{prompt.user}".strip()
    counts = (answer.read, answer.forced, answer.generated)
    return Generation(task, model.name, prompt.template, read, answer.completion, *counts)


class LanguageModel(Protocol):
    """A language model, batch first."""

    @property
    def name(self) -> str:
        """Model, adapter and digest: the same name gives the same answers."""

    @property
    def aliases(self) -> Sequence[str]:
        """Strings that are one token inside a JSON string, for the labels of choices; as many as one prompt may have."""

    @property
    def budget(self) -> int:
        """Tokens that a rendered prompt (system and user) may have."""

    @property
    def template(self) -> str:
        """The triage template made for this model, with its version."""

    @property
    def learned(self) -> frozenset[str]:
        """Digests (`text_digest`) of the texts that it was fine-tuned on, as far as that is known: of those it says too much."""

    def count(self, text: str) -> int:
        """Tokens of a text; for a server without a tokenizer an upper estimate."""

    def answer(self, prompts: Sequence[Prompt], progress: Callable[[int], None] | None = None) -> list[Answer]:
        """One answer a prompt, in order; ModelError where the model fails or says what can't be read."""

    def close(self) -> None:
        """Let go of weights or connections."""
