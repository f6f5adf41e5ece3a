"""Speed of the language model: `python -m benchmarks.decoding [--model FOLDER] [--tickets N] [--batch 1,16]`.

The prompts that `run` makes for the example company's open tickets, answered in one run by this project's decoder, by `generate`
of transformers without any constraint, and by `generate` under the same grammar by llguidance; and read without answering, the
least that any of them needs. The taxonomy's rules, which the grammar does not know, are left out for all.
"""

import argparse
import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch.assemble import EXAMPLES, House
from batch.commands import ingest_file
from batch.models import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from batch.settings import Settings
from core.ticket import Ticket
from experts.vote import label_priors
from llm.author import LanguageAuthor
from llm.champion import SHIPPED, base_source
from llm.checkpoint import Checkpoint
from llm.grammar import legal, one_line
from llm.local import LocalModel
from llm.writing import looping
from prompts.prompt import Prompt, skeleton

LONGEST = 200
"""Tokens of an answer where nothing else ends it."""


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--tickets", type=int, default=64)
    parser.add_argument("--batch", default="1,16")
    chosen = parser.parse_args()
    checkpoint = Checkpoint(base_source(chosen.model), precision=chosen.precision)
    with tempfile.TemporaryDirectory(prefix="tamiz-decoding-") as home:
        prompts = made(checkpoint, chosen.tickets, Path(home))
    figures = {f"batch {size}": measured(checkpoint, prompts, int(size)) for size in chosen.batch.split(",")}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    read = sum(len(checkpoint.chat(p.system, p.user)) for p in prompts) / len(prompts)
    about = {"tickets": len(prompts), "tokens_read": round(read), "precision": str(checkpoint.model.dtype).removeprefix("torch.")}
    sys.stdout.write(json.dumps({**about, **figures, "peak_memory_mb": round(memory)}, indent=1) + "\n")


def made(checkpoint: Checkpoint, n: int, home: Path) -> list[Prompt]:
    """The prompts about the example company's first open tickets."""
    house = House(Settings(home=home), home, demo=True)
    ingest_file(house, EXAMPLES / "resolved.jsonl", {}, prune=False, dry_run=False, as_json=False)
    rows = [json.loads(line) for line in (EXAMPLES / "open.jsonl").read_text(encoding="utf-8").splitlines()[:n]]
    tickets = [house.intake.clean(Ticket(row["id"], row["subject"], row["description"])) for row in rows]
    found = house.knowledge.search(tickets, house.embedder.encode([t.text for t in tickets]), 30)
    priors = label_priors([e.labels for e in house.knowledge.exemplars()], house.taxonomy, house.taxonomy.active())
    model = LocalModel(checkpoint, template=SHIPPED_TEMPLATE, budget=SHIPPED_BUDGET)
    author = LanguageAuthor(model, house.taxonomy, priors, b"benchmark")
    return [replace(author.prompt(ticket, near), rules=()) for ticket, near in zip(tickets, found, strict=True)]


def measured(checkpoint: Checkpoint, prompts: Sequence[Prompt], size: int) -> dict[str, Any]:
    """Tickets a second of each way, how often the grammar's answer is the same, share of tokens that the form gave."""
    import torch

    model = LocalModel(checkpoint, template=SHIPPED_TEMPLATE, budget=SHIPPED_BUDGET, batch_size=size)
    parts = list(_parts(prompts, size))
    ways: dict[str, Callable[[], Any]] = {
        "read only": lambda: [_read(checkpoint, part) for part in parts],
        "ours": lambda: [answer for part in parts for answer in model.answer(part)],
        "generate, free": lambda: [text for part in parts for text in _generated(checkpoint, part, guided=False)],
        "generate, llguidance": lambda: [text for part in parts for text in _generated(checkpoint, part, guided=True)],
    }
    model.answer(parts[0])
    seconds, said, passes = {}, {}, {}
    with torch.inference_mode():
        for name, way in ways.items():
            with _counted(checkpoint) as counted:
                since = time.perf_counter()
                said[name] = way()
                seconds[name] = time.perf_counter() - since
            passes[name] = round(len(counted) / len(parts), 1)
    answers, ordered = said["ours"], [prompt for part in parts for prompt in part]
    pairs = list(zip(ordered, answers, said["generate, llguidance"], strict=True))
    return {
        "tickets_per_s": {name: round(len(prompts) / s, 2) for name, s in seconds.items()},
        "times_llguidance": round(seconds["generate, llguidance"] / seconds["ours"], 2),
        "times_free": round(seconds["generate, free"] / seconds["ours"], 2),
        "times_read_only": round(seconds["ours"] / seconds["read only"], 2),
        "same_labels": _share(_labels(prompt, text) == answer.labels for prompt, answer, text in pairs),
        "same_summary": _share(_summary(text) == answer.text for _, answer, text in pairs),
        "tokens_forced_by_form": round(sum(a.forced for a in answers) / sum(a.forced + a.generated for a in answers), 3),
        "forward_passes_a_batch": passes,
    }


@contextmanager
def _counted(checkpoint: Checkpoint) -> Iterator[list[None]]:
    """One entry for each forward pass of the model."""
    passes: list[None] = []
    hook = checkpoint.model.register_forward_pre_hook(lambda *_: passes.append(None))
    yield passes
    hook.remove()


def _share(same: Iterator[bool]) -> float:
    every = list(same)
    return round(sum(every) / len(every), 3)


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
    written = [[t for t in row if t not in (checkpoint.pad, _end(checkpoint))] for row in rows]
    if guided:  # of a circle one round stays, as ours leaves it
        form = _form(checkpoint, prompts[0])
        written = [row[: len(row) - looping(row[form:])] for row in written]
    return [checkpoint.tokenizer.decode(row) for row in written]


def _form(checkpoint: Checkpoint, prompt: Prompt) -> int:
    """Tokens of an answer before its free text."""
    return sum(len(checkpoint.encode(piece)) for piece in skeleton(prompt)) + len(prompt.choices)


def _end(checkpoint: Checkpoint) -> int:
    return int(checkpoint.tokenizer.eos_token_id)


class _Guided:
    """A logits processor that keeps each row of a batch to the form of its answer."""

    def __init__(self, checkpoint: Checkpoint, prompts: Sequence[Prompt], start: int) -> None:
        from llguidance import LLMatcher

        grammars = [LLMatcher.grammar_from_lark(_grammar(prompt)) for prompt in prompts]
        self._matchers = [LLMatcher(checkpoint.guide, grammar) for grammar in grammars]
        self._ended = [False] * len(prompts)
        self._start, self._end = start, _end(checkpoint)
        self._form = _form(checkpoint, prompts[0])

    def __call__(self, tokens: Any, scores: Any) -> Any:  # noqa: ANN401 - tensors, imported late
        import torch

        for row, matcher in enumerate(self._matchers):
            written = tokens[row, self._start :].tolist()
            if written and not self._ended[row]:
                matcher.consume_token(written[-1])
                if matcher.is_error():
                    raise ValueError(matcher.get_error())
                # Free text ends where it begins to go round in circles, as ours does.
                self._ended[row] = matcher.is_stopped() or matcher.is_accepting() or bool(looping(written[self._form :]))
            allowed = torch.zeros(scores.shape[-1], dtype=torch.bool)
            allowed[self._end] = True
            if not self._ended[row]:
                allowed = torch.from_numpy(legal(matcher, scores.shape[-1]))
            scores[row, ~allowed] = float("-inf")
        return scores


def _grammar(prompt: Prompt) -> str:
    """The whole answer: skeleton, aliases, which are special tokens, and one line of free text."""
    pieces = [json.dumps(piece) for piece in skeleton(prompt)]
    choices = [f"({' | '.join(choice.aliases)})" for choice in prompt.choices]
    woven = [part for pair in zip(pieces, choices, strict=False) for part in pair]
    if prompt.free is None:
        return f"start: {' '.join([*woven, pieces[-1]])}"
    return f"start: {' '.join([*woven, pieces[-1]])} TEXT\nTEXT: /{one_line(prompt.free.longest)}/"


def _labels(prompt: Prompt, text: str) -> dict[str, str]:
    found = dict(re.findall(r'"(\w+)": "(<\|\d+\|>)"', text))
    return {c.field: c.labels[c.aliases.index(found[c.field])] for c in prompt.choices if found.get(c.field) in c.aliases}


def _summary(text: str) -> str:
    """As `llm.local` reads what was written."""
    return " ".join(text.rpartition('": "')[2].partition('"')[0].split())


if __name__ == "__main__":
    main()
