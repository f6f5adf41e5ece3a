"""Training an adapter: a killed run ends in the same weights, only the adapter is trained, and it is what serves."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from core.errors import InputError, ModelError
from finetune.comparison import answered
from finetune.dataset import prompts_of
from finetune.runstate import read_log
from finetune.tuning import Plan, Tuned, plan_of, tune
from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from tests.finetune.lesson_examples import card, written
from tests.llm.model_examples import tiny_checkpoint

TRAIN = [written(number, "train") for number in range(12)]
VALIDATION = [written(number, "validation") for number in range(12, 16)]
PLAN = Plan("tiny", "", "1", "data-1", rank=4, epochs=3, batch=4, rate=5e-3, save_every=2, patience=3)


def silent(figures: dict[str, float]) -> None:
    """Progress that nobody watches."""


def run(plan: Plan, folder: Path) -> Tuned:
    return tune(plan, card(), TRAIN, VALIDATION, folder, str(tiny_checkpoint()), silent)


def steady(folder: Path) -> list[dict[str, float]]:
    """A run's log without what depends on the clock."""
    return [{k: v for k, v in line.items() if k != "tokens_per_s"} for line in read_log(folder / "log.jsonl")]


class Killed(Exception):
    """What stands for a kill."""


def test_a_killed_run_ends_in_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    whole = run(PLAN, tmp_path / "whole")
    for last in (3, 5, 8):

        def kill(figures: dict[str, float], last: int = last) -> None:
            if figures["step"] >= last and "loss" in figures:
                raise Killed

        with pytest.raises(Killed):
            tune(PLAN, card(), TRAIN, VALIDATION, tmp_path / "killed", str(tiny_checkpoint()), kill)
    resumed = run(PLAN, tmp_path / "killed")
    assert (resumed.best, resumed.steps) == (whole.best, whole.steps) == (whole.best, 9)
    one, two = (load_file(tuned.adapter / "adapter_model.safetensors") for tuned in (whole, resumed))
    assert one.keys() == two.keys()
    for name in one:
        assert bool((one[name] == two[name]).all()), name
    logs = [
        [{k: v for k, v in line.items() if k != "tokens_per_s"} for line in read_log(tmp_path / n / "log.jsonl")]
        for n in ("whole", "killed")
    ]
    assert logs[0] == logs[1]
    assert run(PLAN, tmp_path / "killed").best == whole.best


def test_the_adapter_is_what_serves_and_the_loss_falls(tmp_path: Path) -> None:
    tuned = run(replace(PLAN, epochs=6, patience=6), tmp_path)
    log = read_log(tmp_path / "log.jsonl")
    checks = [line for line in log if "label_accuracy" in line]
    assert checks[-1]["validation_loss"] < checks[0]["validation_loss"]
    assert tuned.learned == 12
    assert not tuned.left_out
    served = Checkpoint(str(tiny_checkpoint()), adapter=tuned.adapter)
    said = answered("adapter", LocalModel(served, template="compact.v3", budget=500), card(), VALIDATION)
    right = [labels["field"] == one.gold["field"] for labels, one in zip(said.labels, VALIDATION, strict=True)]
    assert sum(right) / len(right) == tuned.best["label_accuracy"]
    bare = LocalModel(Checkpoint(str(tiny_checkpoint())), template="compact.v3", budget=500)
    with_adapter = LocalModel(served, template="compact.v3", budget=500)
    (one,), (two,) = (model.answer(prompts_of(card(), VALIDATION[:1])) for model in (bare, with_adapter))
    assert abs(one.log_probs["field"] - two.log_probs["field"]).max() > 1e-3


def test_it_stops_when_checks_get_no_better(tmp_path: Path) -> None:
    tuned = run(replace(PLAN, epochs=50, patience=1, rate=0.0), tmp_path)
    assert tuned.steps == 6  # nothing is learned: the first check is the best, and the second is one too many


def test_another_plan_does_not_go_on_in_the_folder(tmp_path: Path) -> None:
    run(replace(PLAN, epochs=1), tmp_path)
    with pytest.raises(ModelError, match="other settings"):
        run(replace(PLAN, epochs=1, rank=8), tmp_path)


def test_lessons_that_cannot_be_learned_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No lesson"):
        run(replace(PLAN, longest=8), tmp_path)


def test_presets() -> None:
    about = {"base": "b", "revision": "", "base_digest": "d", "data": "x"}
    assert plan_of("4gb", about, {}).precision == "nf4"
    assert plan_of("cpu", about, {"rank": 3, "epochs": None}).rank == 3
    assert plan_of("cpu", about, {}).digest != plan_of("16gb", about, {}).digest
    with pytest.raises(InputError, match="no preset"):
        plan_of("huge", about, {})


def test_a_base_in_four_bit(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    tuned = run(replace(PLAN, precision="nf4", epochs=1), tmp_path)
    served = Checkpoint(str(tiny_checkpoint()), adapter=tuned.adapter, precision="nf4")
    assert type(served.model.get_base_model().model.layers[0].mlp.up_proj.base_layer).__name__ == "Linear4bit"
    said = answered("adapter", LocalModel(served, template="compact.v3", budget=500), card(), VALIDATION)
    right = [labels["field"] == one.gold["field"] for labels, one in zip(said.labels, VALIDATION, strict=True)]
    assert sum(right) / len(right) == tuned.best["label_accuracy"]
