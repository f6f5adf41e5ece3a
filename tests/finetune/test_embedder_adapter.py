"""The adapter's trainer with the packaged model: it learns, goes on where it stopped, and what it writes is what is served."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file
from typer.testing import CliRunner

from core.errors import ModelError
from core.ticket import Exemplar
from finetune.embedder import Plan, contrast, train_embedder
from finetune.embedder_command import embedder as command
from finetune.embedder_command import read_kin
from finetune.kin import Kin
from finetune.synthetic.pairs import pairs
from knowledge.base import shelf_at
from knowledge.embedder import ADAPTER_WEIGHTS, PACKAGED, Embedder
from knowledge.ingest import ingest

PLAN = Plan(rank=4, steps=4, batch=8, keep_batch=2, kin_batch=4, max_tokens=24, rate=2e-3, warm_up=1, check_every=3, check_on=12)
TEXTS = [
    "the printer on the second floor is jammed",
    "the printer on the second floor is jammed again",
    "paper stuck inside our copier",
    "forgot my password",
    "my account is locked after too many attempts",
    "cannot log in any more",
]
LABELS = ["print", "print", "print", "login", "login", "login"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    """(adapter, reports) of one run from start to end."""
    said: list[dict[str, float]] = []
    adapter = train_embedder(PLAN, tmp_path_factory.mktemp("embedder"), said.append)
    assert adapter is not None
    return adapter, said


def test_the_adapter_brings_pairs_together_and_keeps_english(trained: Any) -> None:  # noqa: ANN401 - the fixture's tuple
    told = list(pairs(8, 1, "train"))
    spanish, english = [es for es, _ in told], [en for _, en in told]
    plain, adapted = Embedder(threads=1), Embedder(threads=1, adapter=trained[0])
    before = (plain.encode(spanish) * plain.encode(english)).sum(axis=1).mean()
    after = (adapted.encode(spanish) * adapted.encode(english)).sum(axis=1).mean()
    assert after > before + 0.001
    assert (plain.encode(english) * adapted.encode(english)).sum(axis=1).min() > 0.9


def test_it_tells_the_terms_and_its_success_on_what_it_never_sees(trained: Any) -> None:  # noqa: ANN401
    checks = [figures for figures in trained[1] if "validation_top_1" in figures]
    steps = [figures for figures in trained[1] if "loss" in figures]
    assert [figures["step"] for figures in checks] == [0, 3, 4]
    assert all(0.0 <= f["validation_top_1"] <= 1.0 and 0.9 < f["validation_kept"] <= 1.0001 for f in checks)
    assert steps[0]["keep"] == pytest.approx(0.0, abs=1e-3)
    assert steps[0]["loss"] == pytest.approx(sum(steps[0][term] for term in ("contrast", "pull", "keep")), rel=1e-5)


def test_a_run_that_is_stopped_again_and_again_ends_in_the_same_weights(trained: Any, tmp_path: Path) -> None:  # noqa: ANN401
    stops = 0
    while (again := train_embedder(PLAN, tmp_path, lambda figures: None, minutes=1e-9)) is None:
        stops += 1
    assert stops == PLAN.steps - 1
    one, two = (load_file(folder / ADAPTER_WEIGHTS) for folder in (trained[0], again))
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


def test_another_plan_does_not_go_on_in_the_folder(trained: Any) -> None:  # noqa: ANN401
    with pytest.raises(ModelError, match="holds a run with other settings"):
        train_embedder(replace(PLAN, seed=1), trained[0].parent, lambda figures: None)


def test_the_contrast_is_least_where_counterparts_are_nearest_and_spares_what_is_alike() -> None:
    rows, none = torch.eye(3), torch.zeros(3, 3, dtype=torch.bool)
    right, wrong = contrast(rows, rows, none, 20.0), contrast(rows, rows.roll(1, 0), none, 20.0)
    assert float(right) < 1e-6 < 19.0 < float(wrong)
    twins = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    spared = torch.tensor([[False, True], [True, False]])
    assert float(contrast(twins, twins, none[:2, :2], 20.0)) == pytest.approx(np.log(2), abs=1e-5)
    assert float(contrast(twins, twins, spared, 20.0)) == 0.0


def test_kin_have_the_same_label_and_are_no_near_duplicates() -> None:
    kin = Kin(TEXTS, LABELS, Embedder(threads=1).encode(TEXTS))
    assert kin.by_label["print"] == [TEXTS[0], TEXTS[2]]
    drawn = kin.draw(40, random.Random(0))
    assert {label for _, _, label in drawn} == {"print", "login"}
    for one, other, label in drawn:
        assert one != other
        assert {LABELS[TEXTS.index(one)], LABELS[TEXTS.index(other)]} == {label}
    assert kin.digest != Kin(TEXTS[1:], LABELS[1:], Embedder(threads=1).encode(TEXTS[1:])).digest
    with pytest.raises(ModelError, match="no two labels"):
        Kin(TEXTS[3:], LABELS[3:], Embedder(threads=1).encode(TEXTS[3:]))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose knowledge base holds TEXTS; every label has its own answer."""
    answers = {"print": "Cleared the tray.", "login": "Unlocked the account."}
    past = [
        Exemplar(str(i), "", text, labels={"category": label}, resolution=answers[label], source="kb", source_id=str(i))
        for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    ]
    ingest(shelf_at(tmp_path), Embedder(threads=1), past, source="kb")
    return tmp_path


def test_what_belongs_together_in_a_knowledge_base(home: Path) -> None:
    by_answer, by_label = read_kin(home, "resolution", PACKAGED), read_kin(home, "category", PACKAGED)
    assert sorted(by_label.by_label) == ["login", "print"]
    assert sorted(map(sorted, by_answer.by_label.values())) == sorted(map(sorted, by_label.by_label.values()))
    with pytest.raises(ModelError, match="Name another field"):
        read_kin(home, "application", PACKAGED)


def test_it_learns_from_a_knowledge_base_too(home: Path, tmp_path: Path) -> None:
    kin, said = read_kin(home, "category", PACKAGED), list[dict[str, float]]()
    assert train_embedder(replace(PLAN, steps=1), tmp_path / "run", said.append, kin=kin)
    assert next(f["kin_contrast"] for f in said if "loss" in f) > 0.0
    with pytest.raises(ModelError, match="other settings"):
        train_embedder(replace(PLAN, steps=1), tmp_path / "run", said.append)


@pytest.mark.slow
def test_the_command(home: Path) -> None:
    app, folder = typer.Typer(), home / "run"
    app.command()(command)
    result = CliRunner().invoke(app, ["--folder", str(folder), "--kb", str(home), "--steps", "1", "--batch", "4"])
    assert result.exit_code == 0, result.output
    assert "The adapter is in" in result.stderr
    assert "kin_contrast" in (folder / "log.jsonl").read_text(encoding="utf-8")
    assert Embedder(threads=1, adapter=folder / "adapter").encode(["x"]).shape == (1, 384)
