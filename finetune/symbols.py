"""Tokens that stand for labels, as symbols: what they have in common is learned, what tells them apart is drawn for every batch.

Tokens with embeddings of their own never become alike on a small budget: with other aliases the same prompt had another answer
(docs/LOG.md, "Aliases were not alike"). Vectors drawn anew can't be learned, so that nothing is left to learn but to compare.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LENGTH = 0.22
"""Of what tells a symbol apart; about that of a word's random embedding."""
SERVED = 2**31
"""The draw that a finished model keeps."""


class Symbols:
    """Rows of an embedding.

    Args:
        embedding: shape (vocabulary, width), trained; between two batches these rows of it are all the same.
        tokens: the rows.
        entries: how many entries of the width, from the first on, tell them apart.
    """

    def __init__(self, embedding: "torch.nn.Parameter", tokens: Sequence[int], entries: int) -> None:
        import torch

        self._embedding, self._entries = embedding, entries
        self._tokens = torch.tensor(list(tokens), device=embedding.device)
        embedding.register_hook(self._alike)  # type: ignore[no-untyped-call]

    @contextmanager
    def drawn(self, draw: int) -> Iterator[None]:
        """Told apart by the vectors of one draw; after it alike again, with what was learned meanwhile."""
        import torch

        codes = self._codes(draw)
        with torch.no_grad():
            self._embedding[self._tokens] += codes
        yield
        with torch.no_grad():
            alike = (self._embedding[self._tokens] - codes).mean(dim=0)
            self._embedding[self._tokens] = alike.to(self._embedding.dtype)

    def _alike(self, gradient: "torch.Tensor") -> "torch.Tensor":
        shared = gradient.clone()
        shared[self._tokens] = gradient[self._tokens].mean(dim=0)
        return shared

    def _codes(self, draw: int) -> "torch.Tensor":
        """Shape (tokens, width): as many as there are entries are orthogonal, then as many again, and so on."""
        import torch

        generator = torch.Generator().manual_seed(draw)
        count, entries = len(self._tokens), self._entries
        bases = [torch.linalg.qr(torch.randn(entries, entries, generator=generator))[0] for _ in range(-(-count // entries))]
        codes = torch.zeros(count, self._embedding.shape[1])
        codes[:, :entries] = LENGTH * torch.cat(bases)[:count]
        return codes.to(self._embedding.device)
