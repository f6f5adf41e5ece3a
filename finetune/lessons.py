"""From an episode to what a model is taught: the tokens that it reads when it serves, then the answer, which alone counts."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import SettingsError
from finetune.synthetic import Episode
from prompts.prompt import Prompt
from prompts.render import SUMMARY, Question, Style, answer_text, render


@dataclass(frozen=True, slots=True)
class Lesson:
    """Tokens of prompt and answer; the answer begins at `answer`."""

    tokens: list[int]
    answer: int


@dataclass(frozen=True, slots=True)
class Teacher:
    """Renders episodes with the functions that serve. `aliases` are all there are; each lesson deals them anew."""

    tokenizer: Any
    template: str
    aliases: tuple[str, ...]
    longest: int

    def lesson(self, episode: Episode, rng: random.Random) -> Lesson | None:
        """None where an episode does not fit into `longest` tokens."""
        prompt = self.prompt(episode, rng)
        if prompt is None:
            return None
        read = self.chat(prompt)
        summary = episode.summary.replace('"', "'").replace("\\", "/")  # no character that JSON would escape
        answer = [*self._tokens(answer_text(prompt, episode.gold, summary)), int(self.tokenizer.eos_token_id)]
        return Lesson(read + answer, len(read)) if len(read) + len(answer) <= self.longest else None

    def prompt(self, episode: Episode, rng: random.Random) -> Prompt | None:
        """Options in a fresh order under fresh aliases, so that neither says anything about a label."""
        offers = {field: _shuffled(episode.taxonomy.labels(field), rng) for field in episode.gold}
        aliases = _shuffled(self.aliases, rng)
        budget = rng.randint(self.longest // 2, self.longest - 120)
        question = Question(
            episode.ticket, episode.neighbors, episode.taxonomy, offers, f"{rng.getrandbits(24):06x}", free=SUMMARY
        )
        try:
            return render(question, Style(self.template, aliases, budget, self._count))
        except SettingsError:
            return None

    def chat(self, prompt: Prompt) -> list[int]:
        """What is read before the answer, as `llm.checkpoint` reads it."""
        messages = [
            *([{"role": "system", "content": prompt.system}] if prompt.system else []),
            {"role": "user", "content": prompt.user},
        ]
        return self._tokens(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    @property
    def _count(self) -> Callable[[str], int]:
        return lambda text: len(self._tokens(text))


def _shuffled(items: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(items, len(items)))
