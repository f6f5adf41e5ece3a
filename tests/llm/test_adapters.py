"""A PEFT adapter on top of a checkpoint, and weights in 4 bit."""

from pathlib import Path

import numpy as np
import pytest

from llm.base import Answer
from llm.checkpoint import Checkpoint, Precision
from llm.local import LocalModel
from prompts.render import Style, render
from tests.llm.model_examples import tiny_checkpoint, tiny_model
from tests.prompts.prompt_examples import QUESTION


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter whose weights are no zeros, in the form that PEFT saves."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    base = Checkpoint(str(tiny_checkpoint())).model
    wrapped = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    folder = tmp_path_factory.mktemp("adapters") / "triage"
    wrapped.save_pretrained(str(folder))
    return folder


def answer(adapter: Path | None = None, precision: Precision = "fp32") -> tuple[str, Answer]:
    model = LocalModel(Checkpoint(str(tiny_checkpoint()), "", adapter, precision), template="compact.v3", budget=500)
    (said,) = model.answer([render(QUESTION, Style(model.template, model.aliases, model.budget, model.count))])
    return model.name, said


def test_an_adapter_changes_what_is_said_and_the_name(adapter: Path) -> None:
    plain_name, plain = answer()
    name, adapted = answer(adapter)
    assert name.split("@")[0] == plain_name.split("@")[0] + "+triage"
    assert name.split("@")[1] != plain_name.split("@")[1]
    assert any(np.abs(adapted.log_probs[f] - plain.log_probs[f]).max() > 1e-3 for f in plain.log_probs)
    assert answer(adapter)[1].completion == adapted.completion


@pytest.mark.parametrize("precision", ["bf16", "nf4"])
def test_fewer_bits_say_nearly_the_same(precision: Precision) -> None:
    if precision == "nf4":
        pytest.importorskip("bitsandbytes")
    _, few = answer(precision=precision)
    (full,) = tiny_model().answer([render(QUESTION, Style("compact.v3", tiny_model().aliases, 500, tiny_model().count))])
    for field, said in few.log_probs.items():
        assert np.exp(said).sum() == pytest.approx(1.0)
        np.testing.assert_allclose(np.exp(said), np.exp(full.log_probs[field]), atol=0.1)


def test_an_adapter_in_4_bit(adapter: Path) -> None:
    pytest.importorskip("bitsandbytes")
    _, said = answer(adapter, "nf4")
    assert list(said.labels) == ["category", "subcategory", "urgency"]
