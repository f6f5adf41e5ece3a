"""From a written lesson to tokens and weights: the prompt as it is served, then the answer piece by piece as it is served."""

from collections.abc import Iterable
from itertools import zip_longest

from finetune.lessons import LABEL_WEIGHT, Lesson
from finetune.rendering import Written
from llm.checkpoint import Checkpoint
from prompts.prompt import skeleton

CLOSING = '"}'
"""What ends the answer's free text, see `llm.grammar.one_line`."""


def taught(checkpoint: Checkpoint, written: Written, longest: int) -> Lesson | None:
    """What is learned of a lesson: the labels whose gold is offered (LABEL_WEIGHT each) and the rest of the answer (1 each).

    None where there is nothing to learn, or it has more than `longest` tokens.
    """
    prompt = written.prompt(free=True)
    read = checkpoint.chat(prompt.system, prompt.user)
    tokens, weights = list(read), [0.0] * len(read)
    answer = written.answer()
    for piece, choice in zip_longest(skeleton(prompt), prompt.choices):
        forced = checkpoint.encode(piece)
        tokens += forced
        weights += [1.0] * len(forced)
        if choice is not None:
            tokens.append(checkpoint.alias_ids[choice.aliases[choice.labels.index(answer[choice.field])]])
            weights.append(LABEL_WEIGHT if choice.field in written.learned else 0.0)
    ending = checkpoint.encode(written.summary + CLOSING) if prompt.free else []
    tokens += [*ending, int(checkpoint.tokenizer.eos_token_id)]
    weights += [1.0] * (len(ending) + 1)
    return Lesson(tokens, weights, len(read)) if written.learned and len(tokens) <= longest else None


def all_taught(checkpoint: Checkpoint, lessons: Iterable[Written], longest: int) -> tuple[list[Lesson], int]:
    """(lessons as tokens, how many were left out)."""
    made = [taught(checkpoint, one, longest) for one in lessons]
    kept = [one for one in made if one is not None]
    return kept, len(made) - len(kept)
