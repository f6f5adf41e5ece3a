"""The cache that grows in place holds what the library's holds, over the edge of its room too."""

import pytest

from llm.cache import ROOM, roomy_cache
from tests.llm.model_examples import tiny_model


@pytest.mark.parametrize("lengths", [(5, 1, 3), (40, ROOM - 1, 1, 2, ROOM), (1, *([7] * 30))])
def test_it_holds_what_the_librarys_holds(lengths: tuple[int, ...]) -> None:
    import torch
    from transformers import DynamicCache

    config = tiny_model()._checkpoint.model.config
    ours, theirs = roomy_cache(config), DynamicCache(config=config)
    draw = torch.Generator().manual_seed(0)
    for length in lengths:
        for layer in range(config.num_hidden_layers):
            keys, values = torch.randn((2, 2, 3, length, 8), generator=draw)
            for mine, known in zip(ours.update(keys, values, layer), theirs.update(keys, values, layer), strict=True):
                assert torch.equal(mine, known)
    assert ours.get_seq_length() == theirs.get_seq_length() == sum(lengths)


def test_layers_that_see_a_window_stay_the_librarys() -> None:
    from transformers import Qwen2Config

    kinds = ["full_attention", "sliding_attention"]
    config = Qwen2Config(num_hidden_layers=2, layer_types=kinds, use_sliding_window=True, sliding_window=8)
    assert [type(layer).__name__ for layer in roomy_cache(config).layers] == ["RoomyLayer", "DynamicSlidingWindowLayer"]
