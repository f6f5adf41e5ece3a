"""The weights that training starts from: what attention looks at before anything was learned."""

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from finetune.architecture import Size, prepare, random_model
from finetune.tokenizer import train_tokenizer

if TYPE_CHECKING:
    import torch

LENGTH = 120
TEXTS = [f"{chr(97 + i)}{chr(97 + j)}{chr(97 + k)}" for i in range(20) for j in range(20) for k in range(5)]


@cache
def attentions(*, prepared: bool) -> "tuple[torch.Tensor, ...]":
    """(heads, tokens, tokens) of each layer, over random tokens that come twice in the same order."""
    import torch

    model: Any = random_model(Size(layers=3), train_tokenizer(TEXTS, 900), 0).eval()
    if prepared:
        prepare(model)
    model.set_attn_implementation("eager")
    once = torch.randint(300, 900, (1, LENGTH), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        out = model(torch.cat([once, once], dim=1), output_attentions=True)
    return tuple(layer[0] for layer in out.attentions)


@pytest.mark.parametrize(("head", "behind", "within"), [(0, 1, 0.5), (1, 3, 3), (2, 8, 5), (3, 18, 8)])
def test_the_first_layer_looks_at_windows_behind(head: int, behind: int, within: float) -> None:
    import torch

    row = attentions(prepared=True)[0][head, -1]
    distances = torch.arange(len(row) - 1, -1, -1)
    assert float(row[(distances - behind).abs() <= within].sum()) > 0.6
    assert abs(int(distances[row.argmax()]) - behind) <= 4


def test_the_second_layer_finds_what_came_after_the_same_token() -> None:
    import torch

    asked = torch.arange(LENGTH + 20, 2 * LENGTH - 1)
    after = attentions(prepared=True)[1][0, asked, asked - LENGTH + 1].mean()
    chance = attentions(prepared=False)[1][0, asked, asked - LENGTH + 1].mean()
    assert float(after) > 0.3 > 10 * float(chance)


def test_and_where_a_window_was_like_this_one() -> None:
    import torch

    asked = torch.arange(LENGTH + 40, 2 * LENGTH - 1)
    near = [attentions(prepared=True)[1][1, asked, asked - LENGTH + off].mean() for off in range(-3, 4)]
    assert float(sum(near)) > 0.25


@pytest.mark.parametrize("size", [Size(hidden=32, layers=1, heads=2), Size(hidden=128, layers=2, heads=8, feed_forward=64)])
def test_any_size_can_be_prepared(size: Size) -> None:
    import torch

    model: Any = random_model(size, train_tokenizer(TEXTS, 900), 0)
    prepare(model)
    assert all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())
    assert bool(torch.isfinite(model(torch.randint(300, 900, (1, 8))).logits).all())
