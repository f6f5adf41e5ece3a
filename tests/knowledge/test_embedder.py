"""The embedder with the packaged model, and what it says about models that can't be used."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import ModelError
from knowledge.embedder import Embedder

TEXTS = ["The printer is out of paper", "Printer without paper", "I forgot my password", "", "The printer is out of paper"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(threads=1)


def test_unit_rows_in_the_order_of_the_texts(embedder: Embedder) -> None:
    seen: list[int] = []
    vectors = embedder.encode(TEXTS, seen.append)
    assert vectors.shape == (5, 384) == (5, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (vectors[0] == vectors[4]).all()
    assert vectors[0] @ vectors[1] > 0.7 > 0.3 > vectors[0] @ vectors[2]
    assert sum(seen) == 5


def test_the_company_a_text_keeps_hardly_changes_its_vector(embedder: Embedder) -> None:
    alone = embedder.encode([TEXTS[2]])[0]
    among = embedder.encode([TEXTS[2], "a much longer text " * 30, *(f"text {n}" for n in range(40))])[0]
    assert alone @ among > 0.99999


def test_no_text_and_a_very_long_text(embedder: Embedder) -> None:
    assert embedder.encode([]).shape == (0, 384)
    assert np.isfinite(embedder.encode(["word " * 2_000_000])).all()


def test_bf16_is_nearly_the_same(embedder: Embedder) -> None:
    fast = Embedder(threads=1, precision="bf16").encode(TEXTS)
    assert (fast * embedder.encode(TEXTS)).sum(axis=1).min() > 0.999


def test_auto_is_one_of_the_two() -> None:
    assert Embedder(precision="auto").precision in {"fp32", "bf16"}
    assert Embedder().precision == "fp32"


@pytest.fixture
def copy(embedder: Embedder, home: Path) -> Path:
    """The packaged model in a folder of one's own."""
    return Path(shutil.copytree(embedder.folder, home / "my-model"))


def test_the_name_follows_the_weights_and_not_the_place(copy: Path, home: Path) -> None:
    first = Embedder(str(copy)).name
    assert first.startswith("my-model@")
    assert first.split("@")[1] == Embedder().name.split("@")[1]
    moved = shutil.move(copy, home / "elsewhere" / "my-model")
    assert Embedder(str(moved)).name == first
    weights = home / "elsewhere" / "my-model" / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size // 2)
        file.write(bytes(400_000))
    assert Embedder(str(moved)).name != first


def test_a_model_in_a_folder_gives_the_same_vectors(copy: Path, embedder: Embedder) -> None:
    assert Embedder(str(copy), threads=1).encode(TEXTS) == pytest.approx(embedder.encode(TEXTS), abs=1e-6)


@pytest.mark.parametrize("model", ["/no/such/folder", "some-organisation/some-model", "not a name!"])
def test_a_model_that_is_not_there(model: str) -> None:
    with pytest.raises(ModelError, match=r"can't be loaded.*packaged"):
        Embedder(model).encode(["x"])
    with pytest.raises(ModelError):
        _ = Embedder(model).name


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be loaded"):
        Embedder(str(tmp_path)).encode(["x"])


def test_a_broken_file_of_weights(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="can't be loaded"):
        Embedder(str(copy)).encode(["x"])


def test_weights_that_could_run_code_are_not_loaded(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="can't be loaded"):
        Embedder(str(copy)).encode(["x"])


def test_the_digits_of_a_pseudonym_do_not_move_a_vector() -> None:
    one, two = Embedder().encode(["escriba a <email:0123abcd> hoy", "escriba a <email:fedc9876> hoy"])
    np.testing.assert_array_equal(one, two)
