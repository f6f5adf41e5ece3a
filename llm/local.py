"""A causal language model of the transformers library on this machine: exact label distributions, constrained free text.

The forced text of the answer is read in one pass together with the alias before it, so it costs no sampling; a label's
probability is that of its one-token alias, given the labels chosen before it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError
from llm.base import Answer
from llm.checkpoint import Checkpoint
from llm.writing import GUESSED, Writing
from prompts.prompt import Prompt, allowed, skeleton

if TYPE_CHECKING:
    import torch

Floats: TypeAlias = NDArray[np.float64]


class LocalModel:
    """A model that is loaded when it is first asked.

    Args:
        checkpoint: where the weights are and how they are loaded.
        template: the triage template made for this model.
        budget: tokens of a rendered prompt.
        batch_size: prompts read at a time; they are sorted by length first, so that little is padded.
    """

    def __init__(self, checkpoint: Checkpoint, *, template: str, budget: int = 700, batch_size: int = 16) -> None:
        self._checkpoint = checkpoint
        self._template = template
        self._budget = budget
        self._batch_size = batch_size

    @property
    def name(self) -> str:
        return self._checkpoint.name

    @property
    def budget(self) -> int:
        return self._budget

    @property
    def template(self) -> str:
        return self._template

    @cached_property
    def aliases(self) -> Sequence[str]:
        return self._checkpoint.aliases()

    @property
    def learned(self) -> frozenset[str]:
        return self._checkpoint.learned

    def count(self, text: str) -> int:
        return len(self._checkpoint.encode(text))

    def close(self) -> None:
        vars(self._checkpoint).pop("model", None)

    def answer(self, prompts: Sequence[Prompt], progress: Callable[[int], None] | None = None) -> list[Answer]:
        """One answer a prompt, in order.

        Raises:
            ModelError: the weights can't be loaded, or give no number.
        """
        answers: dict[int, Answer] = {}
        for batch in self._batches(prompts):
            answers.update(zip(batch, self._answered([prompts[i] for i in batch]), strict=True))
            if progress:
                progress(len(batch))
        return [answers[i] for i in range(len(prompts))]

    def _batches(self, prompts: Sequence[Prompt]) -> Iterator[list[int]]:
        """Prompts with the same fields together, the longest first: too little memory shows at once."""
        order = sorted(range(len(prompts)), key=lambda i: (skeleton(prompts[i]), -len(prompts[i].user)))
        start = 0
        for end in range(1, len(order) + 1):
            full = end - start == self._batch_size
            if full or end == len(order) or skeleton(prompts[order[end]]) != skeleton(prompts[order[start]]):
                yield order[start:end]
                start = end

    def _answered(self, prompts: Sequence[Prompt]) -> list[Answer]:
        import torch

        pieces = skeleton(prompts[0])
        encode = self._checkpoint.encode
        read = [self._checkpoint.chat(prompt.system, prompt.user) for prompt in prompts]
        walk = _Walk(self._checkpoint.model, self._checkpoint.pad)
        with torch.inference_mode():
            logits = walk.read([tokens + encode(pieces[0]) for tokens in read])
            chosen: list[_Chosen] = [_Chosen({}, {}) for _ in prompts]
            forced = len(encode(pieces[0]))
            for number in range(len(prompts[0].choices)):
                following = encode(pieces[number + 1]) if number + 1 < len(pieces) else []
                aliases = [
                    _choose(prompt, number, row[-1], answer, self._checkpoint.alias_ids)
                    for prompt, row, answer in zip(prompts, logits, chosen, strict=True)
                ]
                forced += len(following)
                if number + 1 < len(prompts[0].choices) or prompts[0].free:
                    logits = walk.read([[alias, *following] for alias in aliases])
            texts = self._written(prompts, read, logits, walk) if prompts[0].free else [("", 0)] * len(prompts)
        return [
            _answer(prompt, answer, text, len(tokens), forced, generated + len(prompt.choices))
            for prompt, answer, (text, generated), tokens in zip(prompts, chosen, texts, read, strict=True)
        ]

    def _written(
        self, prompts: Sequence[Prompt], read: Sequence[Sequence[int]], logits: "torch.Tensor", walk: "_Walk"
    ) -> list[tuple[str, int]]:
        """Free text: one line, no quotes, at most so many characters; (text, tokens) of each."""
        free = prompts[0].free
        if free is None:
            raise ValueError("no free text was asked for")
        writing = Writing(self._checkpoint.one_line(free.longest, len(prompts)), read)
        while True:
            for row in (row for row in range(len(prompts)) if writing.masks.running(row)):
                wrong = writing.take(row, logits[row, -1 - len(writing.guesses[row]) :])
                walk.forget(row, wrong)
            if writing.masks.finished():
                return [(_line(self._checkpoint.decode(tokens)), len(tokens)) for tokens in writing.written]
            logits = walk.read([writing.unread(row) for row in range(len(prompts))], 1 + GUESSED)


@dataclass(frozen=True, slots=True)
class _Chosen:
    labels: dict[str, str]
    log_probs: dict[str, Floats]


def _choose(prompt: Prompt, number: int, logits: "torch.Tensor", answer: _Chosen, ids: dict[str, int]) -> int:
    """Note the distribution over a choice's labels and the likeliest allowed one; its alias as a token."""
    choice = prompt.choices[number]
    tokens = [ids[alias] for alias in choice.aliases]
    log_probs: Floats = logits[tokens].float().log_softmax(dim=-1).double().cpu().numpy()
    if not np.isfinite(log_probs).all():
        raise ModelError(
            f"The language model gives no number for the labels of {choice.field!r}.",
            remedy="Check its files, or load it in fp32 (TAMIZ_LLM__PRECISION=fp32).",
        )
    places = allowed(prompt.rules, choice, answer.labels)
    best = max(places, key=lambda i: float(log_probs[i]))
    answer.log_probs[choice.field] = log_probs
    answer.labels[choice.field] = choice.labels[best]
    return tokens[best]


def _answer(prompt: Prompt, chosen: _Chosen, text: str, read: int, forced: int, generated: int) -> Answer:
    content = {**chosen.labels, **({prompt.free.field: text} if prompt.free else {})}
    completion = json.dumps(content, ensure_ascii=False)
    return Answer(chosen.labels, chosen.log_probs, text, completion, read, forced, generated)


def _line(text: str) -> str:
    """What was written before the closing quote, on one line."""
    return " ".join(text.partition('"')[0].split())


class _Walk:
    """A batch's way through the model: what has been read stays in the cache. Rows are padded on the left."""

    def __init__(self, model: Any, pad: int) -> None:  # noqa: ANN401 - a transformers model, whose types are imported late
        from llm.cache import roomy_cache

        self._model = model
        self._pad = pad
        self._cache = roomy_cache(model.config)
        self._mask: torch.Tensor | None = None

    def read(self, rows: Sequence[Sequence[int]], last: int = 1) -> "torch.Tensor":
        """Read more tokens of each row, perhaps none; the logits after at most the `last` of them (rows, last, vocabulary)."""
        import torch

        longest = max(map(len, rows))
        device = self._model.device
        tokens = torch.tensor([[self._pad] * (longest - len(row)) + list(row) for row in rows], device=device)
        fresh = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
        self._mask = fresh if self._mask is None else torch.cat([self._mask, fresh], dim=1)
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)[:, -longest:]
        out = self._model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=last,
        )
        logits: torch.Tensor = out.logits
        return logits

    def forget(self, row: int, count: int) -> None:
        """As if the last `count` tokens of a row had not been read: nothing looks at them, and they take no place."""
        if count and self._mask is not None:
            self._mask[row, -count:] = 0
