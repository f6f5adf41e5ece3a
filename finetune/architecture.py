"""A Qwen2 model from its configuration, with random weights, or with weights that start as a circuit for reading exemplars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

ROPE = 1e6
"""Base of the rotary positions, Qwen2's own: at 10,000 a quarter of a head's pairs would still match at a prompt's distances."""
WINDOWS = ((1.0, 0.9, 24.0), (3.0, 3.0, 12.0), (8.0, 6.0, 12.0), (18.0, 14.0, 12.0))
"""What each head of the first layer looks at: tokens behind, how many tokens wide, and how sharply (logit of the middle)."""
GAINS = (0.014, 0.02, 0.04, 0.05)
"""What each writes, so that a mean over its window is as large as an embedding (0.02 an entry)."""

TOKEN, FOUND, BEFORE, BEHIND = range(4)
"""Quarters of the stream: what a token is, labels it has been seen with, the token before it, the words behind it."""
FAR = (30.0, 22.0, 12.0)
"""The window of one head of the second layer, for long texts."""
MARK = 0.06
"""The entry that labels have in common, three times an embedding's others."""
NEAR = 0.12
"""The entry of the nearest similarity; the others have less of it, by their tenths."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width, layers, heads, feed-forward width and context in tokens."""

    hidden: int = 256
    layers: int = 6
    heads: int = 4
    feed_forward: int = 704
    context: int = 1024


def random_model(size: Size, tokenizer: "PreTrainedTokenizerFast", seed: int) -> "Qwen2ForCausalLM":
    """Random weights, the same for the same seed; input and output embeddings are tied."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    configuration: Any = Qwen2Config
    config = configuration(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        intermediate_size=size.feed_forward,
        max_position_embeddings=size.context,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE},
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        dtype="float32",
    )
    return Qwen2ForCausalLM(config)


def prepare(model: "Qwen2ForCausalLM", labels: Sequence[int], similarities: Sequence[int]) -> None:
    """Let training begin where exemplars can be read, instead of waiting for it to find out how.

    The residual stream is four quarters: what a token is, which labels it has been seen with, the token before it, and the words
    behind it. `labels`, the tokens that stand for labels, have one entry and nothing else (`finetune.symbols` tells them apart);
    `similarities`, the tokens of the tenths
    of a cosine from 0 on, another, the more the nearer. Attention by position fills the last two quarters; then each word looks
    for labels that had it behind them, and each place gathers what its words have found. Other heads find what came after an
    earlier token like this one (Olsson et al., "In-context learning and induction heads", 2022), labels whose words were like
    these, or all labels by the similarity before them, which is a vote of the exemplars. Feed-forward layers begin at zero. All
    of it is free to be unlearned. In the manner of Trockman & Kolter, "Mimetic initialization", 2023; docs/LOG.md has what it
    gives.
    """
    import torch

    quarter = model.config.hidden_size // 4
    first, *later = (_Attention.of(layer.self_attn, model.config) for layer in model.model.layers)
    with torch.no_grad():
        model.model.norm.weight.fill_(3.0)  # so that small embeddings can still be sure of a token
        embedded = model.model.embed_tokens.weight
        embedded[:, quarter:] *= 0.2
        embedded[:, [first.near, first.mark]] = 0.0
        embedded[list(labels)] = 0.0
        embedded[list(labels), first.mark] = MARK
        embedded[list(similarities), first.near] = NEAR * torch.arange(len(similarities)) / (len(similarities) - 1)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        for head in range(first.heads):
            first.look_behind(head, *WINDOWS[head % 4])
            first.carry(head, TOKEN, BEFORE if head % 4 == 0 else BEHIND, GAINS[head % 4])
        for number, attention in enumerate(later):
            for head in range(attention.heads):
                _BEGINNINGS[min(number, 2)][head % 4](attention, head)


@dataclass(frozen=True, slots=True)
class _Attention:
    """The projections of a layer: what heads do is written into their weights."""

    module: Any
    heads: int
    width: int
    quarter: int

    @classmethod
    def of(cls, module: Any, config: Any) -> "_Attention":  # noqa: ANN401 - transformers types nothing here
        width = config.hidden_size // config.num_attention_heads
        return cls(module, config.num_attention_heads, width, config.hidden_size // 4)

    @property
    def mark(self) -> int:
        """The entry of the stream that labels have in common: the last of the first quarter."""
        return self.quarter - 1

    @property
    def near(self) -> int:
        """The entry that similarities have in common: the last but one of a quarter."""
        return self.quarter - 2

    def look_behind(self, head: int, behind: float, wide: float, sharp: float) -> None:
        """Attention by distance alone: rotary pairs, whose product is a cosine of the distance, peak together at `behind`."""
        import torch

        pairs = self.width // 2
        turns = ROPE ** (-torch.arange(pairs) / pairs)
        heard = ((turns * wide > 0.1) & (turns * wide < 1.3)).float()
        size = (heard * sharp * math.sqrt(self.width) / heard.sum().clamp(min=1.0)).sqrt()
        rows = slice(head * self.width, (head + 1) * self.width)
        self.module.q_proj.bias[rows] = torch.cat([size * torch.cos(-turns * behind), size * torch.sin(-turns * behind)])
        self.module.k_proj.bias[rows] = torch.cat([size, torch.zeros(pairs)])

    def match(self, head: int, asks: int, asked: int, strength: float, *, labels_only: bool = False) -> None:
        """Attention from one quarter's content to another's that is like it.

        It goes through the slower half of the rotary pairs, which a prompt's distances hardly turn. With `labels_only` the mark
        of labels weighs as much as a good match.
        """
        import torch

        half, pairs = self.width // 2, self.width // 4
        slow = torch.tensor([*range(pairs, half), *range(half + pairs, self.width)]) + head * self.width
        entries = torch.arange(len(slow)) % self.quarter
        for projection, source in ((self.module.q_proj, asks), (self.module.k_proj, asked)):
            projection.weight[head * self.width : (head + 1) * self.width] *= 0.3
            projection.weight[slow, source * self.quarter + entries] += strength
        if labels_only:
            slowest = head * self.width + half - 1
            for projection in (self.module.q_proj, self.module.k_proj):
                projection.weight[slowest] = 0.0
            self.module.k_proj.weight[slowest, self.mark] = 2.0
            self.module.q_proj.bias[slowest] = 4.8

    def weigh(self, head: int) -> None:
        """Attention to labels by the similarity that stands before them, wherever this place is and whatever it holds."""
        self.match(head, BEHIND, BEHIND, 0.0, labels_only=True)
        last = (head + 1) * self.width - 1
        for projection in (self.module.q_proj, self.module.k_proj):
            projection.weight[last] = 0.0
        self.module.k_proj.weight[last, BEFORE * self.quarter + self.near] = 2.0
        self.module.q_proj.bias[last] = 3.0

    def carry(self, head: int, source: int, target: int, gain: float) -> None:
        """What is attended to goes from one quarter of the stream to another, as it is."""
        import torch

        entries = torch.arange(min(self.width, self.quarter))
        self.module.v_proj.weight[head * self.width + entries, source * self.quarter + entries] += 1.0
        self.module.o_proj.weight[target * self.quarter + entries, head * self.width + entries] += gain


def _what_came_after(attention: _Attention, head: int) -> None:
    """Of an earlier token like this one."""
    attention.match(head, TOKEN, BEFORE, 1.5)
    attention.carry(head, TOKEN, TOKEN, 0.01)


def _labels_after(attention: _Attention, head: int) -> None:
    """Labels that had this token behind them."""
    attention.match(head, TOKEN, BEHIND, 2.0, labels_only=True)
    attention.carry(head, TOKEN, FOUND, 0.04)


def _labels_of_like_words(attention: _Attention, head: int) -> None:
    """Labels whose words were like those behind this place."""
    attention.match(head, BEHIND, BEHIND, 1.5, labels_only=True)
    attention.carry(head, TOKEN, TOKEN, 0.04)


def _votes(attention: _Attention, head: int) -> None:
    """Labels of exemplars, by their similarity."""
    attention.weigh(head)
    attention.carry(head, TOKEN, TOKEN, 0.04)


def _words_far_behind(attention: _Attention, head: int) -> None:
    attention.look_behind(head, *FAR)
    attention.carry(head, TOKEN, BEHIND, 0.06)


def _gathered(attention: _Attention, head: int) -> None:
    """What the words behind this place have found, in one of three windows."""
    attention.look_behind(head, *WINDOWS[head % 4 + 1])
    attention.carry(head, FOUND, TOKEN, 0.02)


_BEGINNINGS = (
    (_what_came_after, _labels_after, _labels_of_like_words, _words_far_behind),
    (_gathered, _gathered, _gathered, _labels_of_like_words),
    (_what_came_after, _labels_after, _labels_of_like_words, _votes),
)
"""What the heads of the second, the third and each later layer begin as."""
