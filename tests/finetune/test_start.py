"""The weights that training starts from: what attention looks at before anything was learned."""

from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from finetune.architecture import Size, prepare, random_model
from finetune.symbols import Symbols
from finetune.tokenizer import train_tokenizer

if TYPE_CHECKING:
    import torch

LENGTH = 120
TEXTS = [f"{chr(97 + i)}{chr(97 + j)}{chr(97 + k)}" for i in range(20) for j in range(20) for k in range(5)]
LABELS = range(800, 820)
SIMILARITIES = range(820, 830)
WORDS = 6


@cache
def model(*, prepared: bool) -> Any:  # noqa: ANN401 - a transformers model
    made: Any = random_model(Size(layers=4), train_tokenizer(TEXTS, 900), 0)
    made.eval()
    if prepared:
        prepare(made, LABELS, SIMILARITIES)
    made.set_attn_implementation("eager")
    return made


def attentions(tokens: "torch.Tensor", *, prepared: bool = True) -> "tuple[torch.Tensor, ...]":
    """(heads, tokens, tokens) of each layer."""
    import torch

    made = model(prepared=prepared)
    symbols = Symbols(made.model.embed_tokens.weight, LABELS, made.config.hidden_size // 4 - 2)
    with symbols.drawn(0) if prepared else nullcontext(), torch.no_grad():
        out = made(tokens[None], output_attentions=True)
    return tuple(layer[0] for layer in out.attentions)


def words(count: int, seed: int = 1) -> "torch.Tensor":
    """Different tokens, none of them a label."""
    import torch

    return 300 + torch.randperm(500, generator=torch.Generator().manual_seed(seed))[:count]


@pytest.mark.parametrize(("head", "behind", "within"), [(0, 1, 0), (1, 3, 3), (2, 8, 5), (3, 18, 8)])
def test_the_first_layer_looks_at_windows_behind(head: int, behind: int, within: int) -> None:
    import torch

    row = attentions(words(2 * LENGTH))[0][head, -1]
    distances = torch.arange(len(row) - 1, -1, -1)
    assert float(row[(distances - behind).abs() <= within].sum()) > 0.6
    assert abs(int(distances[row.argmax()]) - behind) <= within


def test_the_second_layer_finds_what_came_after_the_same_token() -> None:
    import torch

    twice = torch.cat([words(LENGTH), words(LENGTH)])
    asked = torch.arange(LENGTH + 20, 2 * LENGTH - 1)
    after = attentions(twice)[1][0, asked, asked - LENGTH + 1].mean()
    chance = attentions(twice, prepared=False)[1][0, asked, asked - LENGTH + 1].mean()
    assert float(after) > 0.3 > 10 * float(chance)


def test_a_word_finds_the_label_that_it_was_seen_with() -> None:
    """Six exemplars of six words and a label each; then a word of one of them is asked about."""
    import torch

    found = on_labels = 0.0
    for number in range(24):
        asked = number % 6
        said = words(6 * WORDS, seed=number).view(6, WORDS)
        past = torch.cat([said, torch.tensor(LABELS[:6]).view(6, 1)], dim=1)
        row = attentions(torch.cat([past.flatten(), said[asked, 2:3]]))[1][1, -1]
        labels = row[WORDS :: WORDS + 1]
        on_labels += float(labels.sum()) / 24
        found += int(labels.argmax()) == asked
    assert on_labels > 0.4 > 2 * 6 / (6 * (WORDS + 1))
    assert found >= 10  # by chance four


def test_a_late_layer_looks_at_the_labels_of_exemplars_by_their_similarity() -> None:
    """Options without a similarity, then exemplars of six words, a similarity and a label each."""
    import torch

    options = torch.tensor(LABELS[:4])
    near = torch.tensor([2, 8, 5, 7, 0, 9])
    exemplars = zip(words(6 * WORDS).view(6, WORDS), near.tolist(), strict=True)
    past = [torch.cat([said, torch.tensor([SIMILARITIES[tenth], LABELS[0]])]) for said, tenth in exemplars]
    row = attentions(torch.cat([options, *past, words(9, seed=2)]))[3][3, -1]
    seen = row[4 + WORDS + 1 : 4 + 6 * (WORDS + 2) : WORDS + 2]
    assert float(seen.sum()) > 0.5
    assert float(seen[near > 6].min()) > float(seen[near < 6].max())
    assert float(row[:4].max()) < float(seen[near > 6].min()) / 2


@pytest.mark.parametrize("size", [Size(hidden=32, layers=1, heads=2), Size(hidden=128, layers=2, heads=8, feed_forward=64)])
def test_any_size_can_be_prepared(size: Size) -> None:
    import torch

    made: Any = random_model(size, train_tokenizer(TEXTS, 900), 0)
    prepare(made, LABELS, SIMILARITIES)
    assert all(bool(torch.isfinite(parameter).all()) for parameter in made.parameters())
    assert bool(torch.isfinite(made(torch.randint(300, 900, (1, 8))).logits).all())
