"""Near-duplicates: texts whose vectors are close and which share most of their words."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.text import fold
from core.ticket import Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Indices: TypeAlias = NDArray[np.int64]

MIN_COSINE, MIN_JACCARD = 0.90, 0.70
TILE_ROWS, TILE_COLUMNS = 1_024, 4_096
VERIFY_PAIRS = 50_000
_WORD = re.compile(r"\w+")


def duplicate_groups(
    texts: Sequence[str], vectors: Vectors, *, min_cosine: float = MIN_COSINE, min_jaccard: float = MIN_JACCARD
) -> Indices:
    """A group number for each text, shape (n,): equal for near-duplicates, directly or through others.

    `vectors` are unit rows (n, d). Memory stays that of one tile of the similarity matrix, whatever n is.
    """
    words, first, distinct = _distinct(_word_sets([texts])[0])
    by_size = _BySize(words, vectors[first])
    groups = np.arange(len(first), dtype=np.int64)
    for rows, columns in _close_pairs(by_size, by_size, min_cosine, min_jaccard):
        groups = _joined(groups, rows, columns, words, min_jaccard)
    return groups[distinct]


def shared(
    texts_a: Sequence[str],
    vectors_a: Vectors,
    texts_b: Sequence[str],
    vectors_b: Vectors,
    *,
    min_cosine: float = MIN_COSINE,
    min_jaccard: float = MIN_JACCARD,
) -> Indices:
    """The positions in `b`, ascending, of the texts that have a near-duplicate in `a`."""
    words_a, words_b = _word_sets([texts_a, texts_b])
    found = np.zeros(len(texts_b), dtype=bool)
    pairs = _close_pairs(_BySize(words_a, vectors_a), _BySize(words_b, vectors_b), min_cosine, min_jaccard)
    for rows, columns in pairs:
        for part in _parts(len(rows)):
            alike = _jaccard(words_a, rows[part], words_b, columns[part]) >= min_jaccard
            found[columns[part][alike]] = True
    return np.flatnonzero(found)


def _word_sets(groups: Sequence[Sequence[str]]) -> "list[csr_array[Any]]":
    """For each group of texts a 0/1 matrix (texts, words of all groups)."""
    from scipy.sparse import csr_array

    numbers: dict[str, int] = {}
    sets = [[sorted({numbers.setdefault(w, len(numbers)) for w in _WORD.findall(fold(t))}) for t in texts] for texts in groups]
    matrices = []
    for rows in sets:
        columns = np.fromiter((number for row in rows for number in row), dtype=np.int32)
        starts = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64)))
        matrices.append(csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(len(rows), max(len(numbers), 1))))
    return matrices


def _distinct(words: "csr_array[Any]") -> "tuple[csr_array[Any], Indices, Indices]":
    """Each different set of words once, where it is first, and every text's row: an alert sent 10,000 times counts once."""
    numbers: dict[bytes, int] = {}
    bounds = zip(words.indptr[:-1], words.indptr[1:], strict=True)
    rows = np.array([numbers.setdefault(words.indices[a:b].tobytes(), len(numbers)) for a, b in bounds], dtype=np.int64)
    first = np.unique(rows, return_index=True)[1]
    return words[first], first, rows


class _BySize:
    """Texts ordered by their number of different words: those that differ much in it can't share most of them."""

    def __init__(self, words: "csr_array[Any]", vectors: Vectors) -> None:
        sizes = np.diff(words.indptr)
        self.order: Indices = np.argsort(sizes, kind="stable")
        self.sizes = sizes[self.order]
        self.vectors = vectors[self.order]

    def between(self, smallest: float, largest: float) -> range:
        """The starts of the tiles that hold every text with a size in these bounds."""
        start = int(np.searchsorted(self.sizes, smallest, "left"))
        return range(start, int(np.searchsorted(self.sizes, largest, "right")), TILE_COLUMNS)


def _close_pairs(a: _BySize, b: _BySize, min_cosine: float, min_jaccard: float) -> Iterator[tuple[Indices, Indices]]:
    """The pairs (row of a, row of b) with at least this cosine whose sizes allow the Jaccard, a tile at a time; once each."""
    for top in range(0, len(a.order), TILE_ROWS):
        block, sizes = a.vectors[top : top + TILE_ROWS], a.sizes[top : top + TILE_ROWS]
        smallest = sizes[0] if a is b else sizes[0] * min_jaccard
        for left in b.between(smallest, sizes[-1] / min_jaccard):
            rows, columns = np.nonzero(block @ b.vectors[left : left + TILE_COLUMNS].T >= min_cosine)
            rows, columns = rows + top, columns + left
            once = columns > rows if a is b else slice(None)
            yield a.order[rows[once]], b.order[columns[once]]


def _joined(groups: Indices, rows: Indices, columns: Indices, words: "csr_array[Any]", min_jaccard: float) -> Indices:
    """The groups after joining those of the pairs that share enough words; pairs joined already cost nothing."""
    for part in _parts(len(rows)):
        left, right = rows[part], columns[part]
        apart = groups[left] != groups[right]
        left, right = left[apart], right[apart]
        alike = _jaccard(words, left, words, right) >= min_jaccard
        groups = _merged(groups, left[alike], right[alike])
    return groups


def _merged(groups: Indices, left: Indices, right: Indices) -> Indices:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return groups
    size = len(groups)
    edges = coo_array((np.ones(len(left), np.int8), (groups[left], groups[right])), shape=(size, size))
    components: Indices = connected_components(edges, directed=False)[1].astype(np.int64)
    return components[groups]


def _jaccard(a: "csr_array[Any]", rows: Indices, b: "csr_array[Any]", columns: Indices) -> NDArray[np.float32]:
    """Shared words / all words of each pair; 1 for two texts without words."""
    both = a[rows].multiply(b[columns]).sum(axis=1)
    either = np.diff(a.indptr)[rows] + np.diff(b.indptr)[columns] - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0).astype(np.float32)


def _parts(length: int) -> Iterator[slice]:
    for start in range(0, length, VERIFY_PAIRS):
        yield slice(start, start + VERIFY_PAIRS)
