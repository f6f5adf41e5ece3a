"""A Qwen2 model from its configuration, with random weights, or with weights that start as a circuit for reading exemplars."""

import math
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


def prepare(model: "Qwen2ForCausalLM") -> None:
    """Let training begin where exemplars can be read, instead of waiting for it to find out how.

    The residual stream is four quarters: two of what a token is, one of the token before it, one of a window behind it. The first
    layer fills the last two with attention by position, which biases and rotary positions give. Every later layer has four kinds
    of heads, by turns: what came after an earlier token like this one (Olsson et al., "In-context learning and induction heads",
    2022), what stands where the window was like this one's (twice), and where this window's words are. Feed-forward layers begin
    at zero. All of it is free to be unlearned. In the manner of Trockman & Kolter, "Mimetic initialization", 2023; docs/LOG.md
    has what it gives.
    """
    import torch

    quarter = model.config.hidden_size // 4
    token, other, before, window = (slice(i * quarter, (i + 1) * quarter) for i in range(4))
    kinds = (
        (token, before, token, 1.5),
        (window, window, token, 1.2),
        (window, token, window, 1.2),
        (window, window, other, 1.2),
    )
    first, *later = (_Attention.of(layer.self_attn, model.config) for layer in model.model.layers)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 2 * quarter :] *= 0.2
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        for head in range(first.heads):
            first.look_behind(head, *WINDOWS[head % 4])
            first.carry(head, token, before if head % 4 == 0 else window, GAINS[head % 4])
        for attention in later:
            for head in range(attention.heads):
                asks, asked, carried, strength = kinds[head % 4]
                attention.match(head, asks, asked, strength)
                attention.carry(head, carried, carried, 0.04)


@dataclass(frozen=True, slots=True)
class _Attention:
    """The projections of a layer: what heads do is written into their weights."""

    module: Any
    heads: int
    width: int

    @classmethod
    def of(cls, module: Any, config: Any) -> "_Attention":  # noqa: ANN401 - transformers types nothing here
        return cls(module, config.num_attention_heads, config.hidden_size // config.num_attention_heads)

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

    def match(self, head: int, asks: slice, asked: slice, strength: float) -> None:
        """Attention to like content, through the slower half of the rotary pairs, which a prompt's distances hardly turn."""
        import torch

        half, pairs = self.width // 2, self.width // 4
        slow = torch.tensor([*range(pairs, half), *range(half + pairs, self.width)]) + head * self.width
        entries = torch.arange(len(slow)) % (asks.stop - asks.start)
        for projection, source in ((self.module.q_proj, asks), (self.module.k_proj, asked)):
            projection.weight[head * self.width : (head + 1) * self.width] *= 0.3
            projection.weight[slow, source.start + entries] += strength

    def carry(self, head: int, source: slice, target: slice, gain: float) -> None:
        """What is attended to goes from one quarter of the stream to another, as it is."""
        import torch

        entries = torch.arange(min(self.width, source.stop - source.start))
        self.module.v_proj.weight[head * self.width + entries, source.start + entries] += 1.0
        self.module.o_proj.weight[target.start + entries, head * self.width + entries] += gain
