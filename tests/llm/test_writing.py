"""Free text with guesses: the same text as without, in fewer passes where it says what the prompt said."""

from collections.abc import Sequence

import pytest

from llm import writing
from llm.base import Answer
from llm.local import LocalModel
from llm.writing import GUESSED, following
from tests.llm.model_examples import prompts, tiny_model


@pytest.mark.parametrize(
    ("tokens", "guess"),
    [
        ([], []),
        ([1], []),
        ([1, 2, 3], []),
        ([1, 2, 3, 1, 2], [3, 1, 2]),
        ([1, 2, 3, 1, 2, 4, 1, 2], [4, 1, 2]),
        ([7, 7, 7], [7]),
        ([*range(20), 0, 1], [2, 3, 4, 5]),
    ],
)
def test_what_is_guessed(tokens: list[int], guess: list[int]) -> None:
    assert following(tokens) == guess
    assert len(guess) <= GUESSED


def passes(model: LocalModel) -> tuple[list[Answer], int]:
    counted: list[None] = []
    hook = model._checkpoint.model.register_forward_pre_hook(lambda *_: counted.append(None))
    answers = model.answer(prompts(model))
    hook.remove()
    return answers, len(counted)


def test_guesses_change_nothing_but_the_number_of_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    guessed, fewer = passes(model)

    def nothing(tokens: Sequence[int]) -> list[int]:
        return []

    monkeypatch.setattr(writing, "following", nothing)
    plain, more = passes(model)
    assert [one.completion for one in guessed] == [one.completion for one in plain]
    assert [one.generated for one in guessed] == [one.generated for one in plain]
    assert fewer < more


def test_wrong_guesses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However wrong, they leave no trace in what is written."""
    model = tiny_model()
    right = [one.completion for one in model.answer(prompts(model))]
    token = model._checkpoint.encode("wifi")[0]
    monkeypatch.setattr(writing, "following", lambda tokens: [token] * GUESSED)
    assert [one.completion for one in model.answer(prompts(model))] == right
