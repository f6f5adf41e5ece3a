"""Training the encoder expert: on a CPU, resumable, with out-of-fold opinions.

Every epoch leaves a checkpoint, and a fold that is done is not done again. Up to CROSS_FIT_LIMIT exemplars the out-of-fold
opinions come from as many models as there are folds, and the expert is trained on everything; beyond, one fold is held out,
and the model that was calibrated on it is the one that serves.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import FitError
from core.taxonomy import Taxonomy
from core.triage import LogProbs
from experts.encoder import EncoderExpert, EncoderModel, EncoderSettings, load_encoder, save_encoder
from experts.outoffold import EncoderOpinions

if TYPE_CHECKING:
    import torch

CROSS_FIT_LIMIT = 6_000
IGNORED = -100
BUCKET = 16
"""Batches are made within BUCKET * batch_size shuffled texts sorted by length: little padding, still random."""

Progress: TypeAlias = Callable[[str, int, int], None]


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
    home = workdir / _digest(settings, texts, gold, sizes, folds)
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
    """Train on what is labelled of `seen` unless that is already done, and say what the model thinks of `held`."""
    model = _finished(path)
    if model is None:
        seen = seen[np.any([g[seen] != IGNORED for g in gold.values()], axis=0)]
        model = _train(settings, path, [texts[i] for i in seen], {f: g[seen] for f, g in gold.items()}, sizes, stage, progress)
        save_encoder(model, settings, path)
        (path / "checkpoint.safetensors").unlink(missing_ok=True)
    return model.log_probs([texts[i] for i in held], settings.max_tokens) if len(held) else {}


def _finished(path: Path) -> EncoderModel | None:
    """The model that an earlier run left; None where there is none or it is damaged, so that it is trained (again)."""
    try:
        return load_encoder(path)[0]
    except FitError:
        return None


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
    first = _resume(path, model, optimizer)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min(1.0, (s + 1) / (0.06 * steps)) * max(0.0, 1 - s / steps),
        last_epoch=first * per_epoch - 1,
    )
    for epoch in range(first, settings.epochs):
        torch.manual_seed(settings.seed + epoch)  # a resumed epoch draws the same dropout
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
    rates = (settings.learning_rate, 10 * settings.learning_rate)
    groups: list[dict[str, Any]] = [
        {"params": params, "lr": rate, "initial_lr": rate}  # a schedule that goes on asks for the latter
        for params, rate in zip((encoder, list(model.heads.parameters())), rates, strict=True)
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


def _digest(
    settings: EncoderSettings,
    texts: Sequence[str],
    gold: Mapping[str, NDArray[np.int64]],
    sizes: Mapping[str, int],
    folds: NDArray[np.intp],
) -> str:
    """Of everything that the models depend on. With other folds an old model would have seen what it is asked about."""
    digest = sha256(json.dumps([asdict(settings), dict(sizes)], sort_keys=True).encode())
    digest.update(folds.astype(np.int64).tobytes())
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


def _resume(path: Path, model: EncoderModel, optimizer: "torch.optim.Optimizer") -> int:
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
    return epoch
