"""An adapter on the packaged model: other vectors, another name, and clear words where it doesn't fit."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import KnowledgeError, ModelError
from core.ticket import Exemplar
from knowledge.base import KnowledgeBase
from knowledge.edge_shelf import EdgeShelf
from knowledge.embedder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PACKAGED_ADAPTER, Embedder
from knowledge.ingest import ingest

TEXTS = ["La impresora no tiene papel", "The printer is out of paper", "I forgot my password"]
RANK = 2


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the first layer's queries, with random weights."""
    folder = tmp_path_factory.mktemp("adapter")
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": ["encoder.layer.0.attention.self.query"],
        "base_model_name_or_path": Embedder().name,
    }  # fmt: skip
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(0)
    where = "base_model.model.encoder.layer.0.attention.self.query"
    weights = {f"{where}.lora_A.weight": torch.randn(RANK, 384), f"{where}.lora_B.weight": 0.05 * torch.randn(384, RANK)}
    save_file({name: tensor.half() for name, tensor in weights.items()}, str(folder / ADAPTER_WEIGHTS))
    return folder


@pytest.fixture
def copy(adapter: Path, tmp_path: Path) -> Path:
    """The adapter in a folder of one's own."""
    return Path(shutil.copytree(adapter, tmp_path / "mine"))


def test_an_adapter_changes_vectors_and_name(adapter: Path) -> None:
    plain, adapted = Embedder(threads=1), Embedder(threads=1, adapter=adapter)
    cosines = (plain.encode(TEXTS) * adapted.encode(TEXTS)).sum(axis=1)
    assert ((cosines > 0.3) & (cosines < 0.9999)).all()
    assert np.linalg.norm(adapted.encode(TEXTS), axis=1) == pytest.approx(1.0, abs=1e-5)
    assert adapted.name.startswith(f"{plain.name}+")
    assert adapted.name == Embedder(adapter=adapter).name


def test_without_an_adapter_nothing_changes(adapter: Path) -> None:
    before = Embedder(threads=1).encode(TEXTS)
    Embedder(threads=1, adapter=adapter).encode(TEXTS)
    plain = Embedder(threads=1, adapter=None)
    assert plain.encode(TEXTS).tobytes() == before.tobytes()
    assert "+" not in plain.name
    assert not any("lora" in name for name, _ in plain.load().named_parameters())


def test_the_merged_weights_are_those_of_the_formula(adapter: Path) -> None:
    """W + B A x alpha / r, of the one matrix that the adapter names."""
    from safetensors.torch import load_file

    weights = {name.split(".")[-2]: tensor.float() for name, tensor in load_file(adapter / ADAPTER_WEIGHTS).items()}
    plain, adapted = (dict(e.load().named_parameters()) for e in (Embedder(threads=1), Embedder(threads=1, adapter=adapter)))
    assert plain.keys() == adapted.keys()
    changed = [name for name in plain if not torch.equal(plain[name], adapted[name])]
    assert len(changed) == 1
    expected = plain[changed[0]] + weights["lora_B"] @ weights["lora_A"]
    torch.testing.assert_close(adapted[changed[0]], expected, atol=1e-5, rtol=1e-4)


def test_the_name_follows_the_weights_and_not_the_place(adapter: Path, copy: Path) -> None:
    assert Embedder(adapter=copy).name == Embedder(adapter=adapter).name
    blob = bytearray((copy / ADAPTER_WEIGHTS).read_bytes())
    blob[-1] ^= 1
    (copy / ADAPTER_WEIGHTS).write_bytes(blob)
    assert Embedder(adapter=copy).name != Embedder(adapter=adapter).name


def test_an_index_of_the_plain_model_is_not_searched_with_adapted_vectors(adapter: Path, home: Path) -> None:
    shelf = EdgeShelf(home)
    past = [Exemplar(id=str(i), subject="", body=text, source_id=str(i), source="kb", labels={}) for i, text in enumerate(TEXTS)]
    ingest(shelf, Embedder(threads=1), past, source="kb")
    with pytest.raises(KnowledgeError, match="built with the embedder"):
        KnowledgeBase.open(shelf, Embedder(threads=1, adapter=adapter))


@pytest.mark.parametrize("name", [ADAPTER_CONFIG, ADAPTER_WEIGHTS])
def test_a_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=rf"{name} can't be read"):
        _ = Embedder(adapter=copy).name
    with pytest.raises(ModelError, match=rf"{name} can't be read"):
        Embedder(threads=1, adapter=copy).encode(["x"])


@pytest.mark.parametrize("name", [ADAPTER_CONFIG, ADAPTER_WEIGHTS])
def test_a_broken_file(copy: Path, name: str) -> None:
    (copy / name).write_bytes(b"no such thing")
    with pytest.raises(ModelError, match=r"adapter .* can't be used"):
        Embedder(threads=1, adapter=copy).encode(["x"])


def test_weights_that_lack_a_part(copy: Path) -> None:
    from safetensors.torch import load_file

    weights = load_file(copy / ADAPTER_WEIGHTS)
    save_file({name: tensor for name, tensor in weights.items() if "lora_A" in name}, str(copy / ADAPTER_WEIGHTS))
    with pytest.raises(ModelError, match="missing adapter keys"):
        Embedder(threads=1, adapter=copy).encode(["x"])


def test_weights_that_could_run_code_are_not_loaded(copy: Path) -> None:
    (copy / ADAPTER_WEIGHTS).rename(copy / "adapter_model.bin")
    with pytest.raises(ModelError, match="can't be read"):
        Embedder(threads=1, adapter=copy).encode(["x"])


@pytest.mark.parametrize(
    ("key", "value"),
    [("base_model_name_or_path", "other@000000000000"), ("target_modules", ["no_such_layer"]), ("r", 3), ("peft_type", "NONE")],
)
def test_an_adapter_of_another_model(copy: Path, key: str, value: object) -> None:
    config = json.loads((copy / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    (copy / ADAPTER_CONFIG).write_text(json.dumps({**config, key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"adapter .* can't be used.*finetune embedder"):
        Embedder(threads=1, adapter=copy).encode(["x"])


def test_the_packaged_adapter_brings_spanish_to_english_and_leaves_english() -> None:
    plain, adapted = Embedder(threads=1), Embedder(threads=1, adapter=PACKAGED_ADAPTER)
    spanish, english, other = adapted.encode(TEXTS)
    assert spanish @ english > plain.encode(TEXTS)[0] @ plain.encode(TEXTS)[1] + 0.1
    assert spanish @ english > spanish @ other + 0.1
    assert (plain.encode(TEXTS[1:]) * adapted.encode(TEXTS[1:])).sum(axis=1).min() > 0.9


def test_the_packaged_adapter_is_the_one_of_its_model_card() -> None:
    card = (PACKAGED_ADAPTER / "README.md").read_text(encoding="utf-8")
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        assert hashlib.sha256((PACKAGED_ADAPTER / name).read_bytes()).hexdigest() in card
