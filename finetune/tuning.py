"""LoRA and QLoRA on a causal language model: loss on the answer only, stopped by answering, resumable. Reads top to bottom.

LoRA: Hu et al., 2021; QLoRA (the frozen weights in NF4): Dettmers et al., 2023. Every random choice follows from the seed and
the step, so a run that was killed ends in the weights of one that was not.
"""

import hashlib
import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError, ModelError
from finetune.dataset import Card, prompts_of
from finetune.lessons import Lesson
from finetune.pretraining import _parts, read
from finetune.rendering import Written
from finetune.runstate import Report, Tensors, claim, noting
from finetune.teaching import all_taught
from llm.checkpoint import Checkpoint, Precision
from llm.local import LocalModel

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained and how long: `batch` lessons a step, read in parts of at most `part` tokens with their padding.

    `rank` is LoRA's, on all linear layers, with alpha twice the rank; `patience` checks without a better label accuracy end
    it; a check is made after every epoch on at most `check_on` validation tickets.
    """

    base: str
    revision: str
    base_digest: str
    data: str
    precision: Precision = "fp32"
    rank: int = 16
    dropout: float = 0.05
    epochs: int = 4
    batch: int = 16
    part: int = 4096
    longest: int = 1024
    rate: float = 1e-3
    warm_up: float = 0.06
    weight_decay: float = 0.01
    checkpointing: bool = False
    patience: int = 2
    check_on: int = 400
    save_every: int = 25
    seed: int = 0

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits: another plan has another folder."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:8]


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "cpu": {"precision": "fp32", "rank": 16, "rate": 1e-3, "part": 4096, "longest": 1024},
    "4gb": {"precision": "nf4", "rank": 16, "rate": 2e-4, "part": 2048, "longest": 2048, "checkpointing": True},
    "16gb": {"precision": "bf16", "rank": 32, "rate": 2e-4, "part": 8192, "longest": 2048},
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """A finished run: the adapter's folder, the best check's figures and the numbers of lessons learned from and left out."""

    adapter: Path
    best: Mapping[str, float]
    learned: int
    left_out: int
    steps: int


def tune(
    plan: Plan, card: Card, train: Sequence[Written], validation: Sequence[Written], folder: Path, source: str, report: Report
) -> Tuned:
    """Train, or go on where `folder` was left. `source` is where the base is loaded from.

    Raises:
        ModelError: the base can't be loaded or adapted, or the folder belongs to another plan.
        InputError: no lesson can be learned.
    """
    claim(asdict(plan), folder)
    checkpoint = Checkpoint(source, plan.revision, None, plan.precision)
    lessons, left_out = all_taught(checkpoint, train, plan.longest)
    asked = validation[: plan.check_on]
    held = all_taught(checkpoint, asked, plan.longest)[0]
    if not lessons or not held:
        remedy = "Offer more labels (TAMIZ_LLM__OPTIONS), or use a base with a longer context; see card.md of the data."
        raise InputError("No lesson can be learned: no gold label is offered, or all are too long.", remedy=remedy)
    run = _Run(plan, card, folder, checkpoint, _adapted(checkpoint, plan), lessons, held, asked, report)
    progress = run.go()
    return Tuned(_finish(run.model, folder), progress.best, len(lessons), left_out, progress.step)


@dataclass
class Progress:
    """Where a run is: steps done, the best check and what it had, checks since."""

    step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    waited: int = 0


class _Run:
    """One run: what it learns from, what it is checked on, and where it is."""

    def __init__(
        self,
        plan: Plan,
        card: Card,
        folder: Path,
        checkpoint: Checkpoint,
        model: Any,  # noqa: ANN401 - a peft model, whose types are imported late
        lessons: Sequence[Lesson],
        held: list[Lesson],
        asked: Sequence[Written],
        report: Report,
    ) -> None:
        self.model = model
        self._plan, self._card, self._folder, self._checkpoint = plan, card, folder, checkpoint
        self._lessons, self._held, self._asked = lessons, held, asked
        learned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._optimiser = _optimiser(learned.values(), plan)
        self._tensors = Tensors(learned, [self._optimiser])
        about, self._best = self._tensors.resume(folder)
        self._progress = Progress(**about)
        self._note = noting(folder, self._progress.step, report)
        self._per_epoch = -(-len(lessons) // plan.batch)
        self._steps = self._per_epoch * plan.epochs

    def go(self) -> Progress:
        """To the end, or until checks get no better; the model has the best check's weights then."""
        progress = self._progress
        if not progress.step:
            self._checked()
        while progress.step < self._steps and progress.waited < self._plan.patience:
            self._learned()
            if progress.step % self._per_epoch == 0:
                self._compared(self._checked())
            if progress.step % self._per_epoch == 0 or progress.step % self._plan.save_every == 0:
                self._tensors.save(self._folder, asdict(progress), self._best)
        for name, tensor in self._best.items():
            self._tensors.learned[name].data.copy_(tensor)
        return progress

    def _learned(self) -> None:
        since, step = time.perf_counter(), self._progress.step
        batch = _batch(self._lessons, self._plan, step, self._per_epoch)
        loss = _learn(self.model, self._optimiser, batch, self._plan, step, self._steps)
        self._progress.step += 1
        rate = sum(len(one.tokens) for one in batch) / (time.perf_counter() - since)
        self._note({"step": step + 1, "loss": loss, "tokens_per_s": rate, "steps": self._steps})

    def _checked(self) -> dict[str, float]:
        accuracy = _label_accuracy(self._checkpoint, self._card, self._asked)
        loss = _loss(self.model, self._held, self._plan)
        figures = {"step": self._progress.step, "validation_loss": loss, "label_accuracy": accuracy}
        self._note(figures)
        return figures

    def _compared(self, figures: dict[str, float]) -> None:
        if _better(figures, self._progress.best):
            self._progress.best, self._progress.waited = figures, 0
            self._best = {name: parameter.detach().clone() for name, parameter in self._tensors.learned.items()}
        else:
            self._progress.waited += 1


def _better(figures: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """By label accuracy; among equals by loss."""
    if not best:
        return True
    return (figures["label_accuracy"], -figures["validation_loss"]) > (best["label_accuracy"], -best["validation_loss"])


def _adapted(checkpoint: Checkpoint, plan: Plan) -> Any:  # noqa: ANN401 - a peft model, whose types are imported late
    """The checkpoint's model with a fresh adapter in it: `checkpoint` answers with the adapter from now on."""
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    torch.manual_seed(plan.seed)
    base = checkpoint.model
    if plan.precision == "nf4":
        prepare: Any = prepare_model_for_kbit_training
        base = prepare(base, use_gradient_checkpointing=plan.checkpointing)
        for layer in base.modules():
            if hasattr(layer, "support_avx512bf16_for_cpu"):
                # bitsandbytes 0.50 would repack the weights at the first answer, into a form without a gradient.
                layer.support_avx512bf16_for_cpu = False
    elif plan.checkpointing:
        base.gradient_checkpointing_enable()
        base.enable_input_require_grads()
    settings = LoraConfig(
        r=plan.rank, lora_alpha=2 * plan.rank, lora_dropout=plan.dropout, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    try:
        return get_peft_model(base, settings)
    except ValueError as error:
        raise ModelError(f"{plan.base} can't be adapted: {error}.", remedy="Use a common causal language model.") from error


def _optimiser(learned: "Iterable[torch.nn.Parameter]", plan: Plan) -> "torch.optim.Optimizer":
    import torch

    return torch.optim.AdamW(learned, lr=plan.rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay)


def _batch(lessons: Sequence[Lesson], plan: Plan, step: int, per_epoch: int) -> list[Lesson]:
    """The lessons of a step: each once an epoch, in an order that follows from seed and epoch."""
    epoch, place = divmod(step, per_epoch)
    order = random.Random(f"{plan.seed} {epoch}").sample(range(len(lessons)), len(lessons))
    return [lessons[i] for i in order[place * plan.batch : (place + 1) * plan.batch]]


def _schedule(plan: Plan, step: int, steps: int) -> float:
    """Share of the rate: linear warm-up, then linear decay to nothing."""
    warm = max(1, round(plan.warm_up * steps))
    return min(1.0, (step + 1) / warm) * max(0.0, 1.0 - max(0, step - warm) / max(1, steps - warm))


def _learn(
    model: Any,  # noqa: ANN401
    optimiser: "torch.optim.Optimizer",
    lessons: list[Lesson],
    plan: Plan,
    step: int,
    steps: int,
) -> float:
    """One step over a batch, part by part; the mean weighted loss of a token."""
    import torch

    torch.manual_seed(plan.seed * 1_000_003 + step)  # of the dropout: a resumed run draws the same
    model.train()
    counted, total = sum(sum(one.weights) for one in lessons), 0.0
    for part in _parts(lessons, plan.part):
        said = read(model.get_base_model(), part)
        loss = (said.losses * said.weights).sum() / counted
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    for group in optimiser.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        group["lr"] = plan.rate * _schedule(plan, step, steps)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return total


def _loss(model: Any, lessons: list[Lesson], plan: Plan) -> float:  # noqa: ANN401
    """Mean weighted loss of a token on held-out lessons."""
    import torch

    model.eval()
    with torch.no_grad():
        said = [read(model.get_base_model(), part) for part in _parts(lessons, plan.part)]
    total = sum(float((one.losses * one.weights).sum()) for one in said)
    return total / sum(float(one.weights.sum()) for one in said)


def _label_accuracy(checkpoint: Checkpoint, card: Card, lessons: Sequence[Written]) -> float:
    """The share of gold labels that the serving code gives, over all fields; what is not offered is wrong."""
    checkpoint.model.eval()
    answers = LocalModel(checkpoint, template=card.template, budget=card.budget).answer(prompts_of(card, lessons))
    hits = [a.labels.get(f) == label for a, one in zip(answers, lessons, strict=True) for f, label in one.gold.items()]
    return sum(hits) / len(hits)


def _finish(model: Any, folder: Path) -> Path:  # noqa: ANN401
    """The adapter as peft writes it, without its empty card."""
    target = folder / "adapter"
    model.save_pretrained(str(target), safe_serialization=True)
    (target / "README.md").unlink(missing_ok=True)
    return target


def plan_of(preset: str, base: Mapping[str, Any], changes: Mapping[str, Any]) -> Plan:
    """A preset's plan with what is changed of it; None in `changes` leaves the preset's."""
    if preset not in PRESETS:
        raise InputError(f"There is no preset {preset!r}.", remedy=f"Use one of {', '.join(PRESETS)}.")
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(Plan(**base), **{**PRESETS[preset], **given})
