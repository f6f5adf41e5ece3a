"""Speed of the language model: `python -m benchmarks.decoding [--model FOLDER] [--tickets N] [--batch 1,16]`.

The same prompts, answered in one run by this project's decoder, by `generate` of transformers without any constraint, and by
`generate` under the same grammar by llguidance; and read without answering, the least that any of them needs.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from batch.assemble import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from finetune.synthetic import episode
from llm.champion import SHIPPED, base_source
from llm.checkpoint import Checkpoint
from llm.grammar import legal, one_line
from llm.local import LocalModel
from prompts.prompt import Prompt, skeleton
from prompts.render import Question, Style, render

LONGEST = 120
"""Tokens of an answer where nothing else ends it."""


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--tickets", type=int, default=64)
    parser.add_argument("--batch", default="1,16")
    chosen = parser.parse_args()
    checkpoint = Checkpoint(base_source(chosen.model))
    prompts = made(checkpoint, chosen.tickets)
    figures = {f"batch {size}": measured(checkpoint, prompts, int(size)) for size in chosen.batch.split(",")}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"tickets": len(prompts), **figures, "peak_memory_mb": round(memory)}, indent=1) + "\n")


def made(checkpoint: Checkpoint, n: int) -> list[Prompt]:
    """Prompts about synthetic tickets of the test split, with two fields each, so that all answers have one form."""
    model = LocalModel(checkpoint, template=SHIPPED_TEMPLATE, budget=SHIPPED_BUDGET)
    prompts: list[Prompt] = []
    for number in range(100 * n):
        one = episode(0, "test", number)
        offers = {field: one.taxonomy.labels(field)[:12] for field in list(one.gold)[:2]}
        if len(offers) == 2 and len(one.neighbors) >= 3 and len(prompts) < n:
            question = Question(
                one.ticket, one.neighbors[:6], one.taxonomy, offers, f"{random.Random(number).getrandbits(24):06x}"
            )
            prompts.append(render(question, Style(model.template, model.aliases, model.budget, model.count)))
    return prompts


def measured(checkpoint: Checkpoint, prompts: Sequence[Prompt], size: int) -> dict[str, Any]:
    """Tickets a second of each way, how often the grammar's answer has the same labels, share of tokens that the form gave."""
    import torch

    model = LocalModel(checkpoint, template=SHIPPED_TEMPLATE, budget=SHIPPED_BUDGET, batch_size=size)
    model.answer(prompts[:size])
    ways: dict[str, Callable[[], Any]] = {
        "read only": lambda: [_read(checkpoint, part) for part in _parts(prompts, size)],
        "ours": lambda: model.answer(prompts),
        "generate, free": lambda: [t for part in _parts(prompts, size) for t in _generated(checkpoint, part, guided=False)],
        "generate, llguidance": lambda: [t for part in _parts(prompts, size) for t in _generated(checkpoint, part, guided=True)],
    }
    seconds, said = {}, {}
    with torch.inference_mode():
        for name, way in ways.items():
            since = time.perf_counter()
            said[name] = way()
            seconds[name] = time.perf_counter() - since
    ordered = [p for part in _parts(prompts, size) for p in part]
    same = [_labels(p, text) for p, text in zip(ordered, said["generate, llguidance"], strict=True)]
    by_prompt = {p.digest: answer.labels for p, answer in zip(prompts, said["ours"], strict=True)}
    answers = said["ours"]
    return {
        "tickets_per_s": {name: round(len(prompts) / s, 2) for name, s in seconds.items()},
        "times_llguidance": round(seconds["generate, llguidance"] / seconds["ours"], 2),
        "times_free": round(seconds["generate, free"] / seconds["ours"], 2),
        "times_read_only": round(seconds["ours"] / seconds["read only"], 2),
        "same_labels": round(
            sum(by_prompt[p.digest] == labels for p, labels in zip(ordered, same, strict=True)) / len(prompts), 3
        ),
        "tokens_forced_by_form": round(sum(a.forced for a in answers) / sum(a.forced + a.generated for a in answers), 3),
    }


def _parts(prompts: Sequence[Prompt], size: int) -> Iterator[list[Prompt]]:
    """The longest first, as ours does it."""
    ordered = sorted(prompts, key=lambda prompt: (skeleton(prompt), -len(prompt.user)))
    yield from (list(ordered[start : start + size]) for start in range(0, len(ordered), size))


def _batch(checkpoint: Checkpoint, prompts: Sequence[Prompt]) -> dict[str, Any]:
    import torch

    rows = [checkpoint.chat(prompt.system, prompt.user) for prompt in prompts]
    longest = max(map(len, rows))
    tokens = torch.tensor([[checkpoint.pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": tokens, "attention_mask": mask}


def _read(checkpoint: Checkpoint, prompts: Sequence[Prompt]) -> Any:  # noqa: ANN401 - what transformers gives
    return checkpoint.model(**_batch(checkpoint, prompts), logits_to_keep=1)


def _generated(checkpoint: Checkpoint, prompts: Sequence[Prompt], *, guided: bool) -> list[str]:
    from transformers import LogitsProcessorList

    batch = _batch(checkpoint, prompts)
    more = (
        {"logits_processor": LogitsProcessorList([_Guided(checkpoint, prompts, batch["input_ids"].shape[1])])} if guided else {}
    )
    out = checkpoint.model.generate(
        **batch, do_sample=False, max_new_tokens=LONGEST, pad_token_id=checkpoint.pad, eos_token_id=_end(checkpoint), **more
    )
    rows = out[:, batch["input_ids"].shape[1] :].tolist()
    return [checkpoint.tokenizer.decode([t for t in row if t not in (checkpoint.pad, _end(checkpoint))]) for row in rows]


def _end(checkpoint: Checkpoint) -> int:
    return int(checkpoint.tokenizer.eos_token_id)


class _Guided:
    """A logits processor that keeps each row of a batch to the form of its answer."""

    def __init__(self, checkpoint: Checkpoint, prompts: Sequence[Prompt], start: int) -> None:
        from llguidance import LLMatcher

        grammars = [LLMatcher.grammar_from_regex(_expression(prompt)) for prompt in prompts]
        self._matchers = [LLMatcher(checkpoint.guide, grammar) for grammar in grammars]
        self._seen, self._end = start, _end(checkpoint)

    def __call__(self, tokens: Any, scores: Any) -> Any:  # noqa: ANN401 - tensors, imported late
        import torch

        for row, matcher in enumerate(self._matchers):
            if tokens.shape[1] > self._seen and not matcher.is_stopped():
                matcher.consume_token(int(tokens[row, -1]))
            if matcher.is_error():
                raise ValueError(matcher.get_error())
            done = matcher.is_stopped() or matcher.is_accepting()
            allowed = torch.zeros(scores.shape[-1], dtype=torch.bool)
            if done:
                allowed[self._end] = True
            else:
                allowed = torch.from_numpy(legal(matcher, scores.shape[-1]))
            scores[row, ~allowed] = float("-inf")
        self._seen = tokens.shape[1]
        return scores


def _expression(prompt: Prompt) -> str:
    """The whole answer as a regular expression: skeleton, aliases, one line of free text."""
    escaped = [_escaped(piece) for piece in skeleton(prompt)]
    choices = [f"({'|'.join(_escaped(alias) for alias in choice.aliases)})" for choice in prompt.choices]
    woven = "".join(piece + choice for piece, choice in zip(escaped, choices, strict=False))
    free = one_line(prompt.free.longest) if prompt.free else ""
    return woven + escaped[-1] + free


def _escaped(text: str) -> str:
    """For a grammar's regular expressions, where an escaped letter or mark of the others would mean something else."""
    return "".join(f"\\{c}" if c in r"\.^$|?*+()[]{}" else c for c in text)


def _labels(prompt: Prompt, text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {c.field: c.labels[c.aliases.index(found[c.field])] for c in prompt.choices if found.get(c.field) in c.aliases}


if __name__ == "__main__":
    main()
