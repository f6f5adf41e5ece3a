"""The trainer: what it teaches is what is served, a run that stops goes on to the same weights, and its checkpoint answers."""

import random
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from core.errors import ModelError
from finetune.architecture import Size
from finetune.lessons import OFFERED, Teacher
from finetune.pretraining import CRITIC, TEMPLATE, Plan, pretrain
from finetune.synthetic import Episode, episode
from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from prompts.prompt import skeleton
from prompts.render import Style, answer_text, render
from tests.prompts.prompt_examples import QUESTION

PLAN = Plan(
    size=Size(hidden=32, layers=1, heads=2, feed_forward=48, context=1024),
    vocabulary=700,
    steps=3,
    batch=3,
    check_every=2,
    check_on=2,
    tokenizer_texts=80,
    warm_up=2,
    longest=900,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, float]]]:
    """(folder, checkpoint, reports) of one run from start to end."""
    folder = tmp_path_factory.mktemp("micro")
    said: list[dict[str, float]] = []
    checkpoint = pretrain(PLAN, folder, said.append)
    assert checkpoint is not None
    return folder, checkpoint, said


def teacher(checkpoint: Path) -> Teacher:
    read = Checkpoint(str(checkpoint))
    return Teacher(read.tokenizer, TEMPLATE, CRITIC, read.aliases(), PLAN.longest)


def test_what_is_taught_is_what_is_served(trained: Any) -> None:  # noqa: ANN401 - the fixture's tuple
    """A lesson is, token for token, what the model reads when it serves, and then what it is forced or free to write."""
    _, checkpoint, _ = trained
    serving = Checkpoint(str(checkpoint))
    seen = 0
    for number in range(12):
        one = episode(0, "train", number)
        lesson = teacher(checkpoint).lesson(one, random.Random(number))
        prompt = teacher(checkpoint).prompt(one, random.Random(number))
        if lesson is None or prompt is None:
            continue
        seen += 1
        assert lesson.tokens[: lesson.answer] == serving.chat(prompt.system, prompt.user)
        chosen = [c.aliases[c.labels.index(one.gold[c.field])] for c in prompt.choices]
        woven: list[int] = []
        for piece, alias in zip_longest(skeleton(prompt), chosen):
            woven += serving.encode(piece) + ([serving.alias_ids[alias]] if alias else [])
        assert lesson.tokens[lesson.answer :][: len(woven)] == woven
        summary = one.summary.replace('"', "'").replace("\\", "/")
        assert serving.tokenizer.decode(lesson.tokens[lesson.answer : -1]) == answer_text(prompt, one.gold, summary)
        assert lesson.tokens[-1] == serving.tokenizer.eos_token_id
    assert seen > 6


def test_a_run_that_is_stopped_again_and_again_ends_in_the_same_weights(trained: Any, tmp_path: Path) -> None:  # noqa: ANN401
    _, checkpoint, _ = trained
    stops = 0
    while (again := pretrain(PLAN, tmp_path, lambda figures: None, minutes=1e-9)) is None:
        stops += 1
    assert stops == PLAN.steps - 1
    one, two = (load_file(folder / "model.safetensors") for folder in (checkpoint, again))
    assert one.keys() == two.keys()
    for name in one:
        assert bool((one[name] == two[name]).all()), name


def test_it_tells_its_loss_on_what_it_never_sees(trained: Any) -> None:  # noqa: ANN401
    said = [figures for figures in trained[2] if "validation_loss" in figures]
    assert [figures["step"] for figures in said] == [2, 3]
    assert all(0.0 < figures["validation_loss"] < 20.0 for figures in said)


def test_another_plan_does_not_go_on_in_the_folder(trained: Any) -> None:  # noqa: ANN401
    with pytest.raises(ModelError, match="holds a run with other settings"):
        pretrain(replace(PLAN, seed=1), trained[0], lambda figures: None)


def test_the_checkpoint_answers(trained: Any) -> None:  # noqa: ANN401
    model = LocalModel(Checkpoint(str(trained[1])), template=TEMPLATE, budget=600)
    (answer,) = model.answer([render(QUESTION, Style(model.template, model.aliases, model.budget, model.count))])
    assert list(answer.labels) == ["category", "subcategory", "urgency"]
    config = (trained[1] / "config.json").read_text(encoding="utf-8")
    assert "Qwen2ForCausalLM" in config
    assert '"bfloat16"' in config


def test_lessons_as_served_offer_few_labels_and_always_the_right_ones(trained: Any) -> None:  # noqa: ANN401 - the fixture's tuple
    _, checkpoint, _ = trained
    teach = replace(teacher(checkpoint), as_served=True, longest=3000)
    sizes = []
    for number in range(12):
        one, rng = episode(0, "train", number), random.Random(number)
        wrong = {field: one.taxonomy.labels(field)[-1] for field in one.gold}
        for proposal in (None, wrong):
            prompt = teach.prompt(one, rng, proposal)
            assert prompt is not None
            if proposal is None:
                sizes += [len(choice.labels) for choice in prompt.choices]
                assert all(one.gold[choice.field] in choice.labels for choice in prompt.choices)
    assert max(sizes) <= OFFERED[1] + 1 < max(len(one.taxonomy.labels(f)) for one in map(episode_of, range(12)) for f in one.gold)


def episode_of(number: int) -> Episode:
    return episode(0, "train", number)
