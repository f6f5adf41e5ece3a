"""A key-value cache that grows in place: joining the old and the new at every pass costs more than a small model's attention."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache

ROOM = 128
"""Tokens that a layer can take before it must be copied."""


def roomy_cache(config: Any) -> "DynamicCache":  # noqa: ANN401 - a transformers configuration
    """The cache of a model's configuration, with room in the layers of full attention; others are as the library makes them."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    made = DynamicCache(config=config)
    made.layers = [_roomy_layer()() if type(layer) is DynamicLayer else layer for layer in made.layers]
    return made


@cache
def _roomy_layer() -> type[Any]:
    """The class, whose base is imported late."""
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
        """A layer of full attention whose keys and values are views of tensors with room for more tokens."""

        def update(
            self, key_states: "torch.Tensor", value_states: "torch.Tensor", *args: object, **kwargs: object
        ) -> "tuple[torch.Tensor, torch.Tensor]":
            """Take in more tokens, each state of shape (rows, heads, tokens, head width); all keys and values."""
            before = self.get_seq_length()
            if self.keys is None or self.values is None:
                self.lazy_initialization(key_states, value_states)
                self._room = (_roomy(key_states), _roomy(value_states))
            elif before + key_states.shape[-2] > self._room[0].shape[-2]:
                self._room = (_roomy(self.keys, key_states), _roomy(self.values, value_states))
            after = before + key_states.shape[-2]
            for room, fresh in zip(self._room, (key_states, value_states), strict=True):
                room[:, :, before:after] = fresh
            self.keys, self.values = self._room[0][:, :, :after], self._room[1][:, :, :after]
            return self.keys, self.values

    return RoomyLayer


def _roomy(*states: "torch.Tensor") -> "torch.Tensor":
    """A tensor that begins with the first of `states` and has place for all of them and ROOM more."""
    rows, heads, known, width = states[0].shape
    made = states[0].new_empty((rows, heads, sum(one.shape[-2] for one in states) + ROOM, width))
    made[:, :, :known] = states[0]
    return made
