"""Free text under a grammar, by llguidance: which tokens may come next, for each row of a batch."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer


def one_line(longest: int) -> str:
    """A regular expression: at most so many characters that need no escape in JSON, then the end of the object."""
    return rf'[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029]{{1,{longest}}}"\}}'


class Masks:
    """The matchers of a batch. A row runs until the grammar accepts; then only its own end is allowed."""

    def __init__(self, tokenizer: "LLTokenizer", expression: str, rows: int) -> None:
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_regex(expression)
        self._matchers: list[LLMatcher] = [LLMatcher(tokenizer, grammar) for _ in range(rows)]
        self._done = [False] * rows

    def finished(self) -> bool:
        """Whether every row is at its end."""
        return all(self._done)

    def running(self, row: int) -> bool:
        """Whether this row goes on."""
        return not self._done[row]

    def legal(self, row: int, vocabulary: int) -> NDArray[np.bool_]:
        """The tokens that may come next in a running row, shape (vocabulary,)."""
        return legal(self._matchers[row], vocabulary)

    def stop(self, row: int) -> None:
        """This row is at its end, whatever the grammar still wants."""
        self._done[row] = True

    def consume(self, row: int, token: int) -> None:
        """Note what was chosen."""
        matcher: Any = self._matchers[row]
        if not matcher.consume_token(token):
            raise ModelError(
                f"The grammar refuses token {token}: {matcher.get_error()}.",
                remedy="Use another model; this one's tokens are unusual.",
            )
        self._done[row] = bool(matcher.is_accepting() or matcher.is_stopped())


def legal(matcher: "LLMatcher", vocabulary: int) -> NDArray[np.bool_]:
    """The tokens that a matcher lets come next, shape (vocabulary,)."""
    bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
    known = np.unpackbits(bits, bitorder="little").astype(np.bool_)[:vocabulary]
    return np.pad(known, (0, vocabulary - len(known)))
