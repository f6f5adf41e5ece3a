"""Training the encoder: out of fold, stopped and resumed, damaged and mended. A real, tiny BERT."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from core.taxonomy import Taxonomy
from experts import encoder_training
from experts.encoder_training import train_encoder
from experts.outoffold import EncoderOpinions
from tests.experts.encoder_examples import (
    EXEMPLARS,
    FIELDS,
    FOLDS,
    LABELS,
    PER_EPOCH,
    STAGES,
    TEXTS,
    Watched,
    path_of,
    settings,
    train,
)
from tests.experts.expert_examples import TAXONOMY, evidence


def weights(workdir: Path) -> dict[str, NDArray[np.float32]]:
    """fold/tensor -> numbers, of all models in a work folder."""
    return {
        f"{file.parent.name}/{name}": array
        for file in sorted(workdir.glob("*/*/weights.safetensors"))
        for name, array in load_file(file).items()
    }


def assert_same(one: dict[str, NDArray[np.float32]], two: dict[str, NDArray[np.float32]]) -> None:
    assert one
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name], err_msg=name)


# --- out of fold -------------------------------------------------------------------------------------------------------


def test_what_it_says_of_a_fold_does_not_depend_on_the_folds_labels(
    base: Path, tmp_path: Path, undisturbed: tuple[EncoderOpinions, Path]
) -> None:
    flipped = [{**row, "category": "Telefonía"} if FOLDS[i] == 0 else row for i, row in enumerate(LABELS)]
    other = train(settings(base), tmp_path, labels=flipped)
    for field in FIELDS:
        one, two = undisturbed[0].opinions[field], other.opinions[field]
        np.testing.assert_array_equal(one[FOLDS == 0], two[FOLDS == 0])
        assert not np.array_equal(one[FOLDS == 1], two[FOLDS == 1])


def test_with_other_folds_no_old_model_is_asked_about_what_it_has_seen(base: Path, tmp_path: Path) -> None:
    train(settings(base, epochs=1), tmp_path)
    watched = Watched()
    train(settings(base, epochs=1), tmp_path, watched, folds=np.roll(FOLDS, 1))
    assert list(watched.steps) == STAGES


def test_with_a_label_more_the_old_models_are_not_used(base: Path, tmp_path: Path) -> None:
    spec = TAXONOMY.model_dump()
    spec["fields"]["category"]["labels"] += ({"name": "Otros"},)
    for taxonomy, size in ((TAXONOMY, 5), (Taxonomy.model_validate(spec), 6)):
        made = train_encoder(settings(base, epochs=1), tmp_path, TEXTS, LABELS, taxonomy, FIELDS, FOLDS)
        assert made.opinions["category"].shape == (60, size)


def test_texts_without_any_label_are_not_trained_on_but_judged(base: Path, tmp_path: Path) -> None:
    """One of them alone in a batch would have nothing to learn from."""
    labels = [row if i % 5 else {} for i, row in enumerate(LABELS)]
    watched = Watched()
    made = train(settings(base, epochs=1, batch_size=1), tmp_path, watched, labels=labels)
    assert len(watched.steps[STAGES[3]]) == 48
    assert np.isfinite(made.opinions["category"]).all()


def test_beyond_the_limit_one_fold_is_held_out_and_that_model_serves(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: tuple[EncoderOpinions, Path]
) -> None:
    monkeypatch.setattr(encoder_training, "CROSS_FIT_LIMIT", 59)
    watched = Watched()
    made = train(settings(base), tmp_path, watched)
    assert list(watched.steps) == ["encoder, fold 1 of 1"]
    np.testing.assert_array_equal(made.rows, np.flatnonzero(FOLDS == 0))
    assert path_of(made).name == "fold-0"
    said = made.expert.log_probs(evidence([EXEMPLARS[i] for i in made.rows.tolist()]))
    for field in FIELDS:
        np.testing.assert_array_equal(made.opinions[field], undisturbed[0].opinions[field][FOLDS == 0])
        np.testing.assert_allclose(made.opinions[field], said[field])


# --- stopped and resumed -----------------------------------------------------------------------------------------------


def test_stopped_after_an_epoch_and_resumed_it_ends_with_the_very_same_weights(
    base: Path, tmp_path: Path, undisturbed: tuple[EncoderOpinions, Path]
) -> None:
    stopped = Watched(stop_at=(STAGES[1], PER_EPOCH + 2))
    with pytest.raises(KeyboardInterrupt):
        train(settings(base), tmp_path, stopped)
    (checkpoint,) = tmp_path.glob("*/*/checkpoint.safetensors")
    assert checkpoint.parent.name == "fold-1"
    resumed = Watched()
    made = train(settings(base), tmp_path, resumed)
    assert list(resumed.steps) == STAGES[1:], "the fold that was done is not done again"
    assert resumed.steps[STAGES[1]][0] == PER_EPOCH + 1, "nor is the epoch"
    assert_same(weights(tmp_path), weights(undisturbed[1]))
    for field in FIELDS:
        np.testing.assert_array_equal(made.opinions[field], undisturbed[0].opinions[field])
    assert not list(tmp_path.glob("*/*/checkpoint*"))


def test_stopped_within_the_first_epoch_it_starts_anew(
    base: Path, tmp_path: Path, undisturbed: tuple[EncoderOpinions, Path]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(settings(base), tmp_path, Watched(stop_at=(STAGES[0], 3)))
    train(settings(base), tmp_path)
    assert_same(weights(tmp_path), weights(undisturbed[1]))


def test_resumed_where_a_field_is_seldom_labelled_the_rate_is_where_it_was(base: Path, tmp_path: Path) -> None:
    """The heads of such a field take fewer steps than the rest."""
    labels = [{k: v for k, v in row.items() if k == "category" or i in (7, 8)} for i, row in enumerate(LABELS)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(settings(base, epochs=3), whole, labels=labels)
    with pytest.raises(KeyboardInterrupt):
        train(settings(base, epochs=3), parts, Watched(stop_at=(STAGES[0], 2 * PER_EPOCH + 1)), labels=labels)
    train(settings(base, epochs=3), parts, labels=labels)
    assert_same(weights(parts), weights(whole))


def test_asked_again_nothing_is_trained(base: Path, undisturbed: tuple[EncoderOpinions, Path]) -> None:
    watched = Watched()
    again = train(settings(base), undisturbed[1], watched)
    assert not watched.steps
    for field in FIELDS:
        np.testing.assert_array_equal(again.opinions[field], undisturbed[0].opinions[field])


def test_another_seed_gives_another_model(base: Path, tmp_path: Path, undisturbed: tuple[EncoderOpinions, Path]) -> None:
    other = train(settings(base, seed=1), tmp_path)
    assert not np.array_equal(other.opinions["category"], undisturbed[0].opinions["category"])


@pytest.mark.parametrize("file", ["weights.safetensors", "encoder.json", "config.json"])
def test_a_fold_that_was_damaged_is_trained_again(
    base: Path, tmp_path: Path, file: str, undisturbed: tuple[EncoderOpinions, Path]
) -> None:
    shutil.copytree(undisturbed[1], tmp_path, dirs_exist_ok=True)
    (path,) = tmp_path.glob(f"*/fold-1/{file}")
    path.write_bytes(path.read_bytes()[:100])
    watched = Watched()
    train(settings(base), tmp_path, watched)
    assert list(watched.steps) == [STAGES[1]]
    assert_same(weights(tmp_path), weights(undisturbed[1]))


def test_every_text_is_in_one_batch_of_each_epoch_and_the_lengths_are_alike() -> None:
    chosen, ids = settings(Path("any")), [[0] * (1 + i % 7) for i in range(300)]
    epochs = [encoder_training._batches(ids, chosen, epoch) for epoch in (0, 0, 1)]
    for batches in epochs:
        assert sorted(np.concatenate(batches).tolist()) == list(range(300))
        assert np.mean([np.ptp([len(ids[i]) for i in rows]) for rows in batches]) < 1.0
    assert [b.tolist() for b in epochs[0]] == [b.tolist() for b in epochs[1]] != [b.tolist() for b in epochs[2]]


def test_with_lora_too_it_resumes_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    chosen = settings(base, lora_rank=4)
    train(chosen, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(chosen, tmp_path / "parts", Watched(stop_at=(STAGES[2], PER_EPOCH + 1)))
    train(chosen, tmp_path / "parts")
    assert_same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
