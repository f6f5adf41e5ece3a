"""Greedy free text of a batch under a grammar, several tokens a pass: a summary mostly says what the prompt said.

What followed the last words in the prompt is guessed to follow again, read together with them, and kept as far as it is what the
model would have written: the text is the same, with fewer passes (Saxena, "Prompt lookup decoding", 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm.grammar import Masks

if TYPE_CHECKING:
    import torch

GUESSED = 4
"""Tokens that are guessed at most: a pass over five takes hardly longer than over one."""
LONGEST_LOOP = 6


@dataclass(frozen=True, slots=True)
class Writing:
    """The texts of a batch as they grow.

    Args:
        masks: the grammar's matchers, one for each text.
        sources: what was read before each text, from which the guesses come.
    """

    masks: Masks
    sources: Sequence[Sequence[int]]
    written: list[list[int]] = field(init=False)
    guesses: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", [[] for _ in self.sources])
        object.__setattr__(self, "guesses", [[] for _ in self.sources])

    def take(self, row: int, logits: "torch.Tensor") -> int:
        """Write on with the logits after the last token and after each guess, (1 + guesses, vocabulary); how many were wrong.

        A text that has begun to go round in circles ends there: it would go on to the last character that is allowed.
        """
        import torch

        guess, written = self.guesses[row], self.written[row]
        for place, after in enumerate(logits):
            legal = torch.from_numpy(self.masks.legal(row, len(after))).to(after.device)
            token = int(after.masked_fill(~legal, float("-inf")).argmax())
            written.append(token)
            self.masks.consume(row, token)
            if again := looping(written):
                del written[-again:]
                self.masks.stop(row)
            if not self.masks.running(row) or place == len(guess) or token != guess[place]:
                self.guesses[row] = following([*self.sources[row], *written]) if self.masks.running(row) else []
                return len(guess) - place
        raise ValueError("there are fewer logits than guesses")

    def unread(self, row: int) -> list[int]:
        """What is to be read next: the last token and the guesses after it; nothing where the text is at its end."""
        return [self.written[row][-1], *self.guesses[row]] if self.masks.running(row) else []


def following(tokens: Sequence[int]) -> list[int]:
    """What followed the last two tokens where they stood before, the last time; nothing where they did not."""
    last = list(tokens[-2:])
    for start in range(len(tokens) - 3, -1, -1):
        if tokens[start + 1] == last[1] and tokens[start] == last[0]:
            return list(tokens[start + 2 : start + 2 + GUESSED])
    return []


def looping(tokens: Sequence[int]) -> int:
    """How many of the last tokens only say again what was said before them; 0 where none do.

    Three times for two to six tokens; six times for one, which may be a digit of a number.
    """
    for period in range(1, LONGEST_LOOP + 1):
        said = (6 if period == 1 else 3) * period
        if len(tokens) >= said and all(tokens[-i] == tokens[-i - period] for i in range(1, said - period + 1)):
            return said - period
    return 0
