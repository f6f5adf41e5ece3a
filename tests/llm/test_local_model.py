"""The local model: exact distributions, answers that are valid by construction, and checkpoints that can't be used."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import ModelError
from llm.base import Answer
from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from llm.writing import looping
from prompts.prompt import Prompt, skeleton
from prompts.render import Style, render
from tests.llm.model_examples import prompt, prompts, tiny_checkpoint, tiny_model
from tests.prompts.prompt_examples import QUESTION, TAXONOMY


def check(asked: Prompt, answer: Answer) -> None:
    content = json.loads(answer.completion)
    assert list(content) == [*(c.field for c in asked.choices), "summary"]
    assert {f: content[f] for f in answer.labels} == answer.labels
    assert all(content[c.field] in c.labels for c in asked.choices)
    assert not TAXONOMY.violations(answer.labels)
    assert len(answer.text) <= 120
    assert answer.text == " ".join(answer.text.split())
    for said in answer.log_probs.values():
        assert np.exp(said).sum() == pytest.approx(1.0)


def test_whatever_a_ticket_says_the_answer_is_valid() -> None:
    model = tiny_model()
    asked = prompts(model)
    seen: list[int] = []
    for one, answer in zip(asked, model.answer(asked, seen.append), strict=True):
        check(one, answer)
        assert answer.generated > len(one.choices)
    assert sum(seen) == len(asked)


def test_alone_or_in_a_batch_the_answer_is_the_same() -> None:
    asked = prompts(tiny_model())
    together = tiny_model().answer(asked)
    for one, answer in zip(asked, together, strict=True):
        (alone,) = tiny_model(batch_size=1).answer([one])
        assert (alone.labels, alone.completion) == (answer.labels, answer.completion)
        for field, said in alone.log_probs.items():
            np.testing.assert_allclose(said, answer.log_probs[field], atol=1e-5)


def test_a_distribution_is_that_of_an_uncached_pass_over_the_whole_text() -> None:
    import torch

    checkpoint = Checkpoint(str(tiny_checkpoint()))
    model = tiny_model()
    asked = prompt("la vpn no conecta", model)
    (answer,) = model.answer([asked])
    tokens = checkpoint.chat(asked.system, asked.user)
    for choice, piece in zip(asked.choices, skeleton(asked), strict=False):
        tokens = tokens + checkpoint.encode(piece)
        with torch.inference_mode():
            logits = checkpoint.model(input_ids=torch.tensor([tokens])).logits[0, -1]
        ids = [checkpoint.alias_ids[alias] for alias in choice.aliases]
        np.testing.assert_allclose(answer.log_probs[choice.field], logits[ids].log_softmax(-1).double().numpy(), atol=1e-5)
        tokens = [*tokens, ids[choice.labels.index(answer.labels[choice.field])]]


def test_rules_bind_what_is_chosen_but_not_what_is_said() -> None:
    """Each category leads to its own subcategories, while the distribution speaks of all of them."""
    model = tiny_model()
    for category in TAXONOMY.labels("category"):
        offers = {**QUESTION.offers, "category": (category,)}
        asked = render(replace(QUESTION, offers=offers), Style(model.template, model.aliases, model.budget, model.count))
        (answer,) = model.answer([asked])
        assert answer.labels["category"] == category
        assert not TAXONOMY.violations(answer.labels)
        assert len(answer.log_probs["subcategory"]) == 4


def test_without_free_text_nothing_is_generated_but_labels() -> None:
    model = tiny_model()
    asked = replace(prompt("no va", model), free=None)
    (answer,) = model.answer([asked])
    assert json.loads(answer.completion) == answer.labels
    assert (answer.text, answer.generated) == ("", 3)


def test_prompts_of_different_fields_may_be_asked_together() -> None:
    model = tiny_model()
    style = Style(model.template, model.aliases, model.budget, model.count)
    few = render(replace(QUESTION, offers={"urgency": ("Alta", "Baja")}), style)
    many = render(QUESTION, style)
    answers = model.answer([few, many, few])
    assert [list(a.labels) for a in answers] == [["urgency"], ["category", "subcategory", "urgency"], ["urgency"]]
    assert answers[0].completion == answers[2].completion


def test_the_name_is_that_of_the_weights(tmp_path: Path) -> None:
    assert Checkpoint(str(tiny_checkpoint())).name == Checkpoint(str(tiny_checkpoint())).name
    copy = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint(1), copy)
    assert Checkpoint(str(copy)).name.startswith("copy@")
    assert Checkpoint(str(copy)).name.split("@")[1] != Checkpoint(str(tiny_checkpoint())).name.split("@")[1]


# --- checkpoints that can't be used ---------------------------------------------------------------------------------------


def refusal(folder: Path) -> ModelError:
    """What is said when this checkpoint is asked."""
    model = LocalModel(Checkpoint(str(folder)), template="compact.v3", budget=500)
    with pytest.raises(ModelError) as error:
        model.answer([prompt("x", tiny_model())])
    return error.value


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none")
    assert str(tmp_path / "none") in error.message
    assert "can't be loaded" in error.message
    assert "Name a folder or a hub model" in error.remedy


def test_damaged_weights(tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint(), tmp_path / "bad")
    (tmp_path / "bad" / "model.safetensors").write_bytes(b"garbage" * 100)
    assert "can't be loaded" in refusal(tmp_path / "bad").message


def test_weights_in_a_format_that_can_hold_code(tmp_path: Path) -> None:
    import torch

    shutil.copytree(tiny_checkpoint(), tmp_path / "bin")
    (tmp_path / "bin" / "model.safetensors").unlink()
    torch.save(tiny_model()._checkpoint.model.state_dict(), tmp_path / "bin" / "pytorch_model.bin")
    assert "can't be loaded" in refusal(tmp_path / "bin").message


def test_numbers_that_are_none_are_an_error(tmp_path: Path) -> None:
    import torch

    checkpoint = Checkpoint(str(tiny_checkpoint(2)))
    with torch.no_grad():
        checkpoint.model.model.norm.weight.fill_(float("nan"))
    model = LocalModel(checkpoint, template="compact.v3", budget=500)
    with pytest.raises(ModelError, match="no number for the labels of 'category'"):
        model.answer([prompt("x", model)])


@pytest.mark.parametrize(
    ("tokens", "again"),
    [
        ([], 0),
        ([1, 2, 3, 4, 5, 6], 0),
        ([7, 1, 2, 1, 2], 0),
        ([7, 1, 2, 1, 2, 1, 2], 4),
        ([1, 2, 1, 2, 1, 2, 7], 0),
        ([5, 0, 0, 0, 0, 0], 0),
        ([5, 0, 0, 0, 0, 0, 0], 5),
        ([*range(6), *range(6), *range(6)], 12),
        ([*range(7), *range(7), *range(7)], 0),
    ],
)
def test_a_text_that_goes_round_in_circles_is_noticed(tokens: list[int], again: int) -> None:
    assert looping(tokens) == again


def test_a_text_that_goes_round_in_circles_ends() -> None:
    """Random weights repeat themselves: what is kept says nothing three times, and far fewer tokens than allowed are written."""
    model = tiny_model()
    answers = model.answer([prompt(text, model) for text in ("no va la vpn", "printer jam on floor 3", "x")])
    for answer in answers:
        words = answer.text.split()
        assert not any(words[i : i + 2] == words[i + 2 : i + 4] == words[i + 4 : i + 6] for i in range(len(words) - 5))
