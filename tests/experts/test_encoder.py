"""The encoder expert: a real, tiny BERT is trained, stopped, resumed, kept and read again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.errors import FitError
from experts import encoder_training
from experts.artifacts import load_fitted, save_fitted
from experts.encoder import EncoderExpert, EncoderModel, load_encoder, save_encoder
from experts.encoder_training import train_encoder
from experts.fit import fit
from experts.outoffold import EncoderOpinions
from tests.experts.encoder_examples import (
    EXEMPLARS,
    FIELDS,
    GOLD,
    LABELS,
    PER_EPOCH,
    SIZES,
    STAGES,
    TEXTS,
    Watched,
    path_of,
    settings,
    train,
)
from tests.experts.expert_examples import TAXONOMY, ExactSearch, encode, evidence

# --- learning ----------------------------------------------------------------------------------------------------------


def test_out_of_fold_it_beats_the_majority_and_on_what_it_has_seen_it_is_nearly_always_right(
    learned: tuple[EncoderOpinions, Watched],
) -> None:
    opinions, _ = learned
    np.testing.assert_array_equal(opinions.rows, np.arange(60))
    majority = np.bincount(GOLD).max() / 60
    assert (opinions.opinions["category"].argmax(axis=1) == GOLD).mean() > majority + 0.2
    said = opinions.expert.log_probs(evidence(EXEMPLARS))
    assert (said["category"].argmax(axis=1) == GOLD).mean() > 0.9


def test_a_field_that_every_third_text_lacks_is_learned_from_the_others(learned: tuple[EncoderOpinions, Watched]) -> None:
    rows = [i for i, row in enumerate(LABELS) if "urgency" in row]
    assert 30 < len(rows) < 50
    said = learned[0].expert.log_probs(evidence(EXEMPLARS))["urgency"].argmax(axis=1)
    gold = [TAXONOMY.labels("urgency").index(LABELS[i]["urgency"]) for i in rows]
    assert (said[rows] == gold).mean() > 0.9


def test_all_that_it_says_are_distributions(learned: tuple[EncoderOpinions, Watched]) -> None:
    odd = ["", "?", "zzz " * 500, "日本語", "Impresora: ¡papel!"]
    for said, n in (
        (learned[0].opinions, 60),
        (learned[0].expert.log_probs(evidence(EXEMPLARS[:1])), 1),
        (load_encoder(path_of(learned[0]))[0].log_probs(odd, 32), 5),
    ):
        for field, log_p in said.items():
            assert log_p.shape == (n, SIZES[field])
            assert log_p.dtype == np.float64
            np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)


def test_progress_counts_every_step_of_every_stage(learned: tuple[EncoderOpinions, Watched]) -> None:
    steps = learned[1].steps
    assert list(steps) == STAGES
    for stage in STAGES[:3]:
        assert steps[stage] == list(range(1, 8 * PER_EPOCH + 1))
    assert steps[STAGES[3]] == list(range(1, 8 * 8 + 1))
    assert learned[1].totals == {8 * PER_EPOCH, 8 * 8}


def test_a_text_is_read_alike_whatever_stands_beside_it(learned: tuple[EncoderOpinions, Watched]) -> None:
    """Batching pads, and sorts by length."""
    model, _ = load_encoder(path_of(learned[0]))
    texts = [TEXTS[0], " ".join(TEXTS[:4]), "papel", TEXTS[1]]
    together = model.log_probs(texts, 32)
    for row, text in enumerate(texts):
        alone = model.log_probs([text], 32)
        for field in FIELDS:
            np.testing.assert_allclose(np.exp(together[field][row]), np.exp(alone[field][0]), atol=0.02)


def test_only_the_first_tokens_are_read(learned: tuple[EncoderOpinions, Watched]) -> None:
    model, _ = load_encoder(path_of(learned[0]))
    long = "papel tóner bandeja " * 30
    assert len(model.tokenize([long], 32)[0]) == 32
    cut, whole = model.log_probs(["papel tóner bandeja " * 12], 16), model.log_probs([long], 16)
    np.testing.assert_array_equal(cut["category"], whole["category"])


# --- LoRA --------------------------------------------------------------------------------------------------------------


def test_with_lora_only_the_adapters_and_heads_are_trained_and_it_is_read_again(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_training, "CROSS_FIT_LIMIT", 0)
    made = train(settings(base, lora_rank=4, learning_rate=1e-2, epochs=10), tmp_path / "work")
    said = made.expert.log_probs(evidence(EXEMPLARS))["category"]
    assert (said.argmax(axis=1) == GOLD).mean() > np.bincount(GOLD).max() / 60 + 0.1
    model, chosen = load_encoder(path_of(made))
    assert chosen.lora_rank == 4
    trained = sum(p.numel() for p in model.parameters())
    assert 0 < trained < 0.6 * sum(v.numel() for v in model.state().values())
    before, after = load_file(base / "model.safetensors"), load_file(path_of(made) / "weights.safetensors")
    name = "embeddings.word_embeddings.weight"
    np.testing.assert_array_equal(before[name], after[f"encoder.base_model.model.{name}"])
    adapters = [array for key, array in after.items() if "lora_B" in key]
    assert {array.shape[1] for array in adapters} == {4}
    assert all(array.any() for key, array in after.items() if "lora_B" in key and "pooler" not in key)
    np.testing.assert_array_equal(model.log_probs(TEXTS, 32)["category"], said)


# --- on disk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 4])
def test_what_is_saved_stands_on_its_own(base: Path, tmp_path: Path, rank: int) -> None:
    """The base it was made from may go, and the folder may be moved."""
    model = EncoderModel(shutil.copytree(base, tmp_path / "base"), SIZES, rank)
    said = model.log_probs(TEXTS, 32)
    save_encoder(model, settings(tmp_path / "base", lora_rank=rank), tmp_path / "saved")
    shutil.rmtree(tmp_path / "base")
    moved = shutil.move(tmp_path / "saved", tmp_path / "moved")
    again = EncoderExpert(Path(moved)).log_probs(evidence(EXEMPLARS))
    for field in FIELDS:
        np.testing.assert_array_equal(said[field], again[field])
    assert {p.suffix for p in Path(moved).iterdir()} <= {".json", ".safetensors", ".txt"}


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no folder": shutil.rmtree,
    "weights gone": lambda path: (path / "weights.safetensors").unlink(),
    "weights cut": lambda path: cut(path / "weights.safetensors"),
    "weights of another": lambda path: resize(path / "encoder.json"),
    "settings cut": lambda path: cut(path / "encoder.json"),
    "tokenizer cut": lambda path: cut(path / "tokenizer.json"),
    "architecture gone": lambda path: (path / "config.json").unlink(),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def resize(path: Path) -> None:
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "sizes": {"category": 9, "urgency": 2}}))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_encoder_is_an_error_that_says_what_to_do(
    tmp_path: Path, damage: str, undisturbed: tuple[EncoderOpinions, Path]
) -> None:
    path = shutil.copytree(path_of(undisturbed[0]), tmp_path / "copy")
    DAMAGE[damage](path)
    with pytest.raises(FitError) as caught:
        EncoderExpert(path).log_probs(evidence(EXEMPLARS[:1]))
    assert caught.value.message.startswith(f"The encoder at {path} can't be read")
    assert len(caught.value.message) < 600
    assert caught.value.remedy == "Run `python -m batch fit --encoder` again."


def test_fitted_with_the_others_saved_and_read_again_it_says_the_same(base: Path, tmp_path: Path) -> None:
    search, workdir = ExactSearch(EXEMPLARS), tmp_path / "work"
    fitted = fit(
        TAXONOMY, EXEMPLARS, search.vectors, search, encode, k=5, folds=3,
        train_encoder=lambda *given: train_encoder(settings(base, epochs=1), workdir, *given),
    )  # fmt: skip
    assert set(fitted.fusion["category"].weights) == {e.name for e in fitted.experts}
    seen = evidence(EXEMPLARS, EXEMPLARS)
    before = {e.name: e.log_probs(seen) for e in fitted.experts}
    save_fitted(fitted, tmp_path, "kb-1", "words@1")
    shutil.rmtree(workdir)
    again = load_fitted(tmp_path, TAXONOMY, "kb-1", "words@1")
    assert [e.name for e in again.experts][-1] == "encoder"
    for expert in again.experts:
        for field, log_p in expert.log_probs(seen).items():
            np.testing.assert_array_equal(log_p, before[expert.name][field])
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "current"]
    assert {p.suffix for p in files} <= {".json", ".safetensors", ".txt"}
    without = replace(again, encoder=None)
    save_fitted(without, tmp_path, "kb-1", "words@1")
    assert load_fitted(tmp_path, TAXONOMY, "kb-1", "words@1").encoder is None
    assert not list(tmp_path.rglob("encoder"))
