"""The encoder expert: the embedder fine-tuned end to end, or by LoRA, with one linear head a field. Runs on a CPU.

Training is resumable: every epoch leaves a checkpoint, and a fold that is done is not done again. Up to CROSS_FIT_LIMIT
exemplars the out-of-fold opinions come from as many models as there are folds and the expert is trained on everything;
beyond, one fold is held out, and the model that was calibrated on it is the one that serves.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import FitError
from core.taxonomy import Taxonomy
from core.ticket import Evidence
from core.triage import LogProbs
from experts.fit import EncoderOpinions

if TYPE_CHECKING:
    import torch

CROSS_FIT_LIMIT = 6_000
IGNORED = -100
BUCKET = 16
"""Batches are made within BUCKET * batch_size shuffled texts sorted by length: little padding, still random."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the encoder is trained. `base` is a directory or name of a transformers encoder; `lora_rank` 0 trains all weights.

    `max_tokens` cuts texts; `learning_rate` is that of the encoder, the heads learn ten times faster.
    """

    base: str
    epochs: int = 3
    learning_rate: float = 2e-4
    batch_size: int = 32
    max_tokens: int = 96
    label_smoothing: float = 0.05
    weight_decay: float = 0.01
    lora_rank: int = 0
    seed: int = 0


class EncoderModel:
    """An encoder with mean pooling and one linear head a field. `sizes`: field -> number of labels."""

    def __init__(self, base: str | Path, sizes: Mapping[str, int], lora_rank: int = 0) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.sizes = dict(sizes)
        self.tokenizer = AutoTokenizer.from_pretrained(str(base), trust_remote_code=False)
        self.encoder = AutoModel.from_pretrained(str(base), trust_remote_code=False, use_safetensors=True)
        width = int(self.encoder.config.hidden_size)
        if lora_rank:
            from peft import LoraConfig, get_peft_model

            targets = ["query", "key", "value", "dense"]
            self.encoder = get_peft_model(self.encoder, LoraConfig(r=lora_rank, lora_alpha=2 * lora_rank, target_modules=targets))
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(width, size) for name, size in self.sizes.items()})
        self.dropout = torch.nn.Dropout(0.1)

    def tokenize(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text, at most `max_tokens`."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
        return ids

    def logits(self, ids: Sequence[Sequence[int]]) -> "dict[str, torch.Tensor]":
        """field -> (texts, labels) in fp32."""
        import torch

        width = max(map(len, ids))
        tokens = torch.zeros(len(ids), width, dtype=torch.long)
        mask = torch.zeros(len(ids), width, dtype=torch.long)
        for row, text in enumerate(ids):
            tokens[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
            hidden = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        pooled = self.dropout((hidden * weights).sum(1) / weights.sum(1))
        return {name: head(pooled) for name, head in self.heads.items()}

    def train(self, mode: bool = True) -> None:
        """Switch dropout on or off everywhere."""
        for part in (self.encoder, self.heads, self.dropout):
            part.train(mode)

    def log_probs(self, texts: Sequence[str], max_tokens: int, batch_size: int = 64) -> dict[str, LogProbs]:
        """field -> (texts, labels); texts are batched by length."""
        import torch

        self.train(False)
        ids = self.tokenize(texts, max_tokens)
        order = np.argsort([len(i) for i in ids], kind="stable")
        result = {name: np.empty((len(texts), size)) for name, size in self.sizes.items()}
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                for name, logits in self.logits([ids[i] for i in rows]).items():
                    result[name][rows] = torch.log_softmax(logits.double(), -1).numpy()
        return result

    def state(self) -> "dict[str, torch.Tensor]":
        """All weights by name."""
        encoder = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        return {**encoder, **{f"heads.{k}": v for k, v in self.heads.state_dict().items()}}

    def load_state(self, state: "Mapping[str, torch.Tensor]") -> None:
        """The inverse of `state`."""
        self.encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")})
        self.heads.load_state_dict({k.removeprefix("heads."): v for k, v in state.items() if k.startswith("heads.")})

    def parameters(self) -> "Iterator[torch.nn.Parameter]":
        """Every weight that is trained."""
        yield from (p for p in self.encoder.parameters() if p.requires_grad)
        yield from self.heads.parameters()


def native_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; without that bf16 is several times slower than fp32."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(slots=True)
class EncoderExpert:
    """A trained encoder on disk, loaded when it is first asked."""

    path: Path
    _loaded: tuple[EncoderModel, EncoderSettings] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return "encoder"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels)."""
        model, settings = self._model()
        return model.log_probs([ticket.text for ticket in evidence.tickets], settings.max_tokens)

    def _model(self) -> tuple[EncoderModel, EncoderSettings]:
        if self._loaded is None:
            self._loaded = load_encoder(self.path)
        return self._loaded


def save_encoder(model: EncoderModel, settings: EncoderSettings, path: Path) -> None:
    """Write weights (safetensors) and settings to a directory."""
    from safetensors.torch import save_file

    path.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state().items()}, path / "model.safetensors")
    (path / "encoder.json").write_text(json.dumps({"settings": asdict(settings), "sizes": model.sizes}, indent=1))


def load_encoder(path: Path) -> tuple[EncoderModel, EncoderSettings]:
    """Read what `save_encoder` wrote.

    Raises:
        FitError: there is no encoder at `path`, or it is incomplete.
    """
    from safetensors.torch import load_file

    try:
        about = json.loads((path / "encoder.json").read_text())
        settings = EncoderSettings(**about["settings"])
        model = EncoderModel(settings.base, about["sizes"], settings.lora_rank)
        model.load_state(load_file(path / "model.safetensors"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise FitError(
            f"The encoder at {path} can't be read ({error}).", remedy="Run `python -m batch fit --encoder` again."
        ) from error
    return model, settings


def train_encoder(
    settings: EncoderSettings,
    workdir: Path,
    texts: Sequence[str],
    labels: Sequence[Mapping[str, str]],
    taxonomy: Taxonomy,
    fields: Sequence[str],
    folds: NDArray[np.intp],
    progress: Progress = lambda stage, done, total: None,
) -> EncoderOpinions:
    """Train for out-of-fold opinions and to serve; `folds` is each text's fold. Resumes what an earlier, equal call left."""
    sizes = {f: len(taxonomy.labels(f)) for f in fields}
    gold = _gold(labels, taxonomy, fields)
    home = workdir / _digest(settings, texts, gold)
    numbers = np.unique(folds)
    single = len(texts) > CROSS_FIT_LIMIT
    rows = np.flatnonzero(folds == numbers[0]) if single else np.arange(len(texts))
    opinions = {f: np.empty((len(texts), size)) for f, size in sizes.items()}
    for number in numbers[:1] if single else numbers:
        held = np.flatnonzero(folds == number)
        stage = f"encoder, fold {number + 1} of {1 if single else len(numbers)}"
        said = _fold(
            settings, home / f"fold-{number}", texts, gold, sizes, np.flatnonzero(folds != number), held, stage, progress
        )
        for name, log_p in said.items():
            opinions[name][held] = log_p
    if single:
        path = home / f"fold-{numbers[0]}"
    else:
        path = home / "all"
        _fold(settings, path, texts, gold, sizes, np.arange(len(texts)), rows[:0], "encoder, on everything", progress)
    return EncoderOpinions(rows, {f: said[rows] for f, said in opinions.items()}, EncoderExpert(path))


def _fold(
    settings: EncoderSettings,
    path: Path,
    texts: Sequence[str],
    gold: Mapping[str, NDArray[np.int64]],
    sizes: Mapping[str, int],
    seen: NDArray[np.intp],
    held: NDArray[np.intp],
    stage: str,
    progress: Progress,
) -> dict[str, LogProbs]:
    """Train on `seen` unless that is already done, and say what the model thinks of `held`."""
    if (path / "encoder.json").exists():
        model, _ = load_encoder(path)
    else:
        model = _train(settings, path, [texts[i] for i in seen], {f: g[seen] for f, g in gold.items()}, sizes, stage, progress)
        save_encoder(model, settings, path)
        (path / "checkpoint.safetensors").unlink(missing_ok=True)
    return model.log_probs([texts[i] for i in held], settings.max_tokens) if len(held) else {}


def _train(
    settings: EncoderSettings,
    path: Path,
    texts: Sequence[str],
    gold: Mapping[str, NDArray[np.int64]],
    sizes: Mapping[str, int],
    stage: str,
    progress: Progress,
) -> EncoderModel:
    import torch

    torch.manual_seed(settings.seed)
    model = EncoderModel(settings.base, sizes, settings.lora_rank)
    ids = model.tokenize(texts, settings.max_tokens)
    optimizer = _optimizer(model, settings)
    per_epoch = -(-len(ids) // settings.batch_size)
    steps = settings.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(1.0, (s + 1) / (0.06 * steps)) * max(0.0, 1 - s / steps)
    )
    first = _resume(path, model, optimizer, schedule)
    for epoch in range(first, settings.epochs):
        model.train()
        for number, rows in enumerate(_batches(ids, settings, epoch)):
            loss = _loss(model.logits([ids[i] for i in rows]), {f: g[rows] for f, g in gold.items()}, settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(model.parameters()), 1.0)
            optimizer.step()
            schedule.step()
            progress(stage, epoch * per_epoch + number + 1, steps)
        if epoch + 1 < settings.epochs:
            _checkpoint(path, model, optimizer, epoch + 1)
    return model


def _optimizer(model: EncoderModel, settings: EncoderSettings) -> "torch.optim.Optimizer":
    import torch

    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "lr": settings.learning_rate},
        {"params": list(model.heads.parameters()), "lr": 10 * settings.learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def _loss(logits: "Mapping[str, torch.Tensor]", gold: Mapping[str, NDArray[np.int64]], smoothing: float) -> "torch.Tensor":
    """Mean over the fields that have a label in this batch."""
    import torch

    losses = [
        torch.nn.functional.cross_entropy(
            scores.float(), torch.from_numpy(gold[name]), ignore_index=IGNORED, label_smoothing=smoothing
        )
        for name, scores in logits.items()
        if (gold[name] != IGNORED).any()
    ]
    return torch.stack(losses).mean()


def _batches(ids: Sequence[Sequence[int]], settings: EncoderSettings, epoch: int) -> list[NDArray[np.intp]]:
    """The epoch's batches of row numbers; a resumed run draws the same ones."""
    rng = np.random.default_rng((settings.seed, epoch))
    order = rng.permutation(len(ids))
    batches: list[NDArray[np.intp]] = []
    for start in range(0, len(order), BUCKET * settings.batch_size):
        bucket = order[start : start + BUCKET * settings.batch_size]
        bucket = bucket[np.argsort([len(ids[i]) for i in bucket], kind="stable")]
        made = [bucket[i : i + settings.batch_size] for i in range(0, len(bucket), settings.batch_size)]
        batches.extend(made[i] for i in rng.permutation(len(made)))
    return batches


def _gold(labels: Sequence[Mapping[str, str]], taxonomy: Taxonomy, fields: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    gold = {}
    for name in fields:
        index = {label: i for i, label in enumerate(taxonomy.labels(name))}
        gold[name] = np.array([index[row[name]] if name in row else IGNORED for row in labels], dtype=np.int64)
    return gold


def _digest(settings: EncoderSettings, texts: Sequence[str], gold: Mapping[str, NDArray[np.int64]]) -> str:
    digest = sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    for name, values in gold.items():
        digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()[:16]


def _checkpoint(path: Path, model: EncoderModel, optimizer: "torch.optim.Optimizer", epoch: int) -> None:
    """Weights and optimizer moments after `epoch` epochs, replaced atomically."""
    from safetensors.torch import save_file

    path.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{k}": v.contiguous() for k, v in model.state().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v.contiguous() for k, v in moments.items()}
    partial = path / "checkpoint.partial"
    save_file(tensors, partial, metadata={"epoch": str(epoch)})
    os.replace(partial, path / "checkpoint.safetensors")


def _resume(
    path: Path, model: EncoderModel, optimizer: "torch.optim.Optimizer", schedule: "torch.optim.lr_scheduler.LambdaLR"
) -> int:
    """Load the checkpoint if there is one; the number of epochs that are done."""
    from safetensors import safe_open

    file = path / "checkpoint.safetensors"
    if not file.exists():
        return 0
    with safe_open(file, "pt") as tensors:
        epoch = int(tensors.metadata()["epoch"])
        loaded = {key: tensors.get_tensor(key) for key in tensors.keys()}  # noqa: SIM118 - not a dict
    model.load_state({k.removeprefix("model."): v for k, v in loaded.items() if k.startswith("model.")})
    state: dict[int, dict[str, Any]] = {}
    for key, value in loaded.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".", 2)
            state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    steps = int(next(iter(state.values()))["step"].item())
    for _ in range(steps):
        schedule.step()
    return epoch
