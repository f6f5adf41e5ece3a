"""From an episode to a lesson: the tokens that a model reads when it serves, then the answer, and what each token counts.

Labels count most. Those of the exemplars count too: each is a question about a past ticket, answered by names, definitions and
the exemplars before it, so that a lesson holds a dozen of them instead of three. Of the rest of the prompt a small random share
is learned as language.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from core.errors import SettingsError
from finetune.synthetic import Episode
from llm.checkpoint import chat_text, messages
from prompts.options import offered, told_shares
from prompts.prompt import Prompt
from prompts.render import SUMMARY, Question, Style, answer_text, render

LABEL_WEIGHT = 4.0
"""What a label of the answer counts; any other token of the answer, and a label of an exemplar, counts 1."""
PROMPT_SHARE = 0.06
"""Share of the prompt's other tokens that count 1; the rest count 0."""
OFFERED = (3, 7)
"""Labels of a field in a lesson as served, at least and at most."""
SHORT = 0.6
"""Share of short prompts among those lessons."""
WRONG = 0.4
"""Share of a critic's lessons' labels that are wrong."""
TEMPTING = 0.7
"""Share of the wrong labels that are on an exemplar, where one is."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Tokens of prompt and answer, which begins at `answer`; `weights[i]` is what a wrong guess of `tokens[i]` counts."""

    tokens: list[int]
    weights: list[float]
    answer: int


@dataclass(frozen=True)
class Teacher:
    """Renders episodes with the functions that serve.

    Args:
        template, critic: the templates of triage and of the critic.
        aliases: all there are; `finetune.symbols` gives them another look in every batch.
        as_served: offer few labels of a field, those on the exemplars first, and mostly in short prompts; else all labels.
    """

    tokenizer: Any
    template: str
    critic: str
    aliases: tuple[str, ...]
    longest: int
    as_served: bool = False

    def lesson(self, episode: Episode, rng: random.Random) -> Lesson | None:
        """How to triage; None where an episode does not fit into `longest` tokens."""
        prompt = self.prompt(episode, rng)
        return self._lesson(prompt, episode.gold, episode.summary, rng) if prompt else None

    def verdict(self, episode: Episode, rng: random.Random) -> Lesson | None:
        """How to judge a triage, some of whose labels are wrong; None where it does not fit."""
        prompt = self.prompt(episode, rng, {field: _proposed(episode, field, rng) for field in episode.gold})
        return self._lesson(prompt, episode.gold, "", rng) if prompt else None

    def prompt(self, episode: Episode, rng: random.Random, proposal: Mapping[str, str] | None = None) -> Prompt | None:
        """Options in a fresh order, so that it says nothing about a label; what an alias looks like says nothing either."""
        needed = {field: (label, *([proposal[field]] if proposal else [])) for field, label in episode.gold.items()}
        offers = {field: _shuffled(self._offered(episode, field, labels, rng), rng) for field, labels in needed.items()}
        budget = self._budget(rng)
        nonce = f"{rng.getrandbits(24):06x}"
        known = (*episode.neighbors, *episode.further)
        shares = told_shares(episode.taxonomy, offers, known, len(episode.neighbors))
        question = Question(episode.ticket, episode.neighbors, episode.taxonomy, offers, nonce, free=SUMMARY, shares=shares)
        if proposal is not None:
            question = replace(question, proposal=proposal, free=None)
        try:
            return render(question, Style(self.critic if proposal else self.template, self.aliases, budget, self._count))
        except SettingsError:
            return None

    def _budget(self, rng: random.Random) -> int:
        most = self.longest - 120
        if not self.as_served:
            return rng.randint(self.longest // 2, most)
        return rng.randint(most // 3, most * 2 // 3) if rng.random() < SHORT else rng.randint(most // 2, most)

    def _offered(self, episode: Episode, field: str, needed: Sequence[str], rng: random.Random) -> tuple[str, ...]:
        labels = episode.taxonomy.labels(field)
        if not self.as_served:
            return labels
        priors = {name: rng.random() for name in labels}
        return tuple(
            dict.fromkeys((*offered(episode.taxonomy, field, episode.neighbors, priors, rng.randint(*OFFERED)), *needed))
        )

    def chat(self, prompt: Prompt) -> list[int]:
        """What is read before the answer, as `llm.checkpoint` reads it."""
        return self._tokens(chat_text(self.tokenizer, messages(prompt.system, prompt.user)))

    def _lesson(self, prompt: Prompt, labels: Mapping[str, str], summary: str, rng: random.Random) -> Lesson | None:
        read = self.chat(prompt)
        plain = summary.replace('"', "'").replace("\\", "/")  # no character that JSON would escape
        answer = [*self._tokens(answer_text(prompt, labels, plain)), int(self.tokenizer.eos_token_id)]
        tokens = read + answer
        return Lesson(tokens, self._weights(tokens, len(read), rng), len(read)) if len(tokens) <= self.longest else None

    def _weights(self, tokens: list[int], answer: int, rng: random.Random) -> list[float]:
        weights = [float(rng.random() < PROMPT_SHARE) for _ in range(answer)] + [1.0] * (len(tokens) - answer)
        ticket = tokens.index(self._ids["<|ticket|>"]) if self._ids["<|ticket|>"] in tokens else 0
        for place, token in enumerate(tokens):
            if token not in self._labels or tokens[place - 1] == self._ids["<|option|>"]:
                continue
            weights[place] = LABEL_WEIGHT if place >= answer else float(place < ticket)
        return weights

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {mark: int(self.tokenizer.convert_tokens_to_ids(mark)) for mark in ("<|ticket|>", "<|option|>")}

    @cached_property
    def _labels(self) -> frozenset[int]:
        return frozenset(int(self.tokenizer.convert_tokens_to_ids(alias)) for alias in self.aliases)

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    @property
    def _count(self) -> Callable[[str], int]:
        return lambda text: len(self._tokens(text))


def _proposed(episode: Episode, field: str, rng: random.Random) -> str:
    """The right label, or a wrong one such as a triage would give: mostly one that an exemplar carries."""
    gold = episode.gold[field]
    others = sorted(set(episode.taxonomy.labels(field)) - {gold})
    seen = sorted({n.exemplar.labels.get(field, gold) for n in episode.neighbors} & set(others))
    if not others or rng.random() >= WRONG:
        return gold
    return rng.choice(seen if seen and rng.random() < TEMPTING else others)


def _shuffled(items: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(items, len(items)))
