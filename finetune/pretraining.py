"""The shipped model, from nothing: random weights, synthetic episodes, loss on the answer. Resumable; reads top to bottom.

Schedule: linear warm-up, constant, linear decay at the end (Hu et al., "MiniCPM", 2024), so that a run can be made longer
without starting again. Optimiser: AdamW. Every random choice follows from the seed and the step.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from finetune.architecture import Size, random_model
from finetune.lessons import Lesson, Teacher
from finetune.synthetic import episode
from finetune.tokenizer import ALIASES, train_tokenizer

if TYPE_CHECKING:
    import torch

TEMPLATE = "compact.v1"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained and how long: `batch` lessons a step, in parts of `part` tokens. The prompt counts `prompt_weight`."""

    size: Size = field(default_factory=Size)
    vocabulary: int = 8192
    steps: int = 6000
    batch: int = 32
    part: int = 8192
    longest: int = 768
    rate: float = 1.5e-3
    warm_up: int = 200
    decay: float = 0.25
    weight_decay: float = 0.05
    prompt_weight: float = 0.1
    seed: int = 0
    check_every: int = 250
    check_on: int = 200
    tokenizer_texts: int = 20_000


def pretrain(
    plan: Plan, folder: Path, report: Callable[[dict[str, float]], None], *, workers: int = 0, minutes: float = 0.0
) -> Path | None:
    """Train, or go on where `folder` was left; the folder of the finished checkpoint, None where `minutes` ran out before.

    Raises:
        ModelError: the folder belongs to another plan.
    """
    import torch

    _claim(plan, folder)
    tokenizer = _tokenizer(plan, folder)
    teacher = Teacher(tokenizer, TEMPLATE, tuple(f"<|{i}|>" for i in range(ALIASES)), plan.longest)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = random_model(plan.size, tokenizer, plan.seed)
    model = model.to(device).train()
    optimiser = _optimiser(model, plan)
    start = _resume(model, optimiser, folder)
    lessons = _batches(plan, teacher, start, workers)
    seen, since = 0, time.perf_counter()
    for step in range(start, plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _schedule(plan, step)
        losses, tokens = _step(model, next(lessons), plan, int(tokenizer.pad_token_id))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        seen += tokens
        if (step + 1) % 10 == 0:
            report({"step": step + 1, "loss": losses, "tokens": seen, "tokens_per_s": seen / (time.perf_counter() - since)})
        late = 0.0 < minutes < (time.perf_counter() - since) / 60.0
        if late or (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
            model.eval()
            report({"step": step + 1, "validation_loss": _validation(model, teacher, plan)})
            model.train()
            _save(model, optimiser, step + 1, folder)
        if late and step + 1 < plan.steps:
            return None
    return _finish(model, tokenizer, folder)


def _schedule(plan: Plan, step: int) -> float:
    """Share of the rate, 0..1."""
    decays_from = int(plan.steps * (1.0 - plan.decay))
    rising = min(1.0, (step + 1) / plan.warm_up)
    falling = 1.0 if step < decays_from else max(0.02, (plan.steps - step) / max(1, plan.steps - decays_from))
    return rising * falling


def _step(model: Any, lessons: list[Lesson], plan: Plan, pad: int) -> tuple[float, int]:  # noqa: ANN401 - a transformers model
    """Gradients of one batch, part by part: (mean loss of an answer's token, tokens read)."""
    total, tokens = 0.0, 0
    answers = sum(len(lesson.tokens) - lesson.answer for lesson in lessons)
    for part in _parts(lessons, plan.part):
        loss, answer_loss = losses_of(model, part, pad, plan.prompt_weight, answers)
        loss.backward()  # type: ignore[no-untyped-call]
        total += answer_loss
        tokens += sum(len(lesson.tokens) for lesson in part)
    return total, tokens


def losses_of(
    model: Any,  # noqa: ANN401 - a transformers model, whose types are imported late
    lessons: list[Lesson],
    pad: int,
    prompt_weight: float,
    answers: int,
) -> tuple["torch.Tensor", float]:
    """Weighted cross-entropy of a part, divided by the `answers` tokens of the whole batch; and its answers' share alone."""
    import torch

    longest = max(len(lesson.tokens) for lesson in lessons)
    device = model.device
    tokens = torch.tensor([lesson.tokens + [pad] * (longest - len(lesson.tokens)) for lesson in lessons], device=device)
    real = torch.tensor([[1] * len(lesson.tokens) + [0] * (longest - len(lesson.tokens)) for lesson in lessons], device=device)
    places = torch.arange(longest, device=device)[None, :]
    begins = torch.tensor([lesson.answer for lesson in lessons], device=device)[:, None]
    weight = real * torch.where(places >= begins, 1.0, prompt_weight)
    wanted = weight[:, 1:] > 0
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        hidden = model.model(input_ids=tokens, attention_mask=real).last_hidden_state[:, :-1][wanted]
        logits = model.lm_head(hidden)
    each = torch.nn.functional.cross_entropy(logits.float(), tokens[:, 1:][wanted], reduction="none")
    weights = weight[:, 1:][wanted]
    answer_loss = float((each.detach() * (weights == 1.0)).sum()) / answers
    return (each * weights).sum() / answers, answer_loss


def _parts(lessons: list[Lesson], most: int) -> Iterator[list[Lesson]]:
    """Lessons of like length together, so many that a part has at most `most` tokens with its padding."""
    part: list[Lesson] = []
    for lesson in sorted(lessons, key=lambda one: -len(one.tokens)):
        if part and len(part[0].tokens) * (len(part) + 1) > most:
            yield part
            part = []
        part.append(lesson)
    yield part


def _batches(plan: Plan, teacher: Teacher, start: int, workers: int) -> Iterator[list[Lesson]]:
    """Batch after batch from step `start` on; the same ones whatever the number of workers."""
    if not workers:
        yield from (_batch(plan, teacher, step) for step in range(start, plan.steps))
        return
    from torch.utils.data import DataLoader

    loader: Any = DataLoader
    yield from loader(_Steps(plan, teacher, start), batch_size=None, num_workers=workers, prefetch_factor=4)


class _Steps:
    """The batches as a data set that worker processes can share."""

    def __init__(self, plan: Plan, teacher: Teacher, start: int) -> None:
        self._plan, self._teacher, self._start = plan, teacher, start

    def __len__(self) -> int:
        return self._plan.steps - self._start

    def __getitem__(self, place: int) -> list[Lesson]:
        if place >= len(self):
            raise IndexError(place)
        return _batch(self._plan, self._teacher, self._start + place)


def _batch(plan: Plan, teacher: Teacher, step: int) -> list[Lesson]:
    made = (
        teacher.lesson(episode(plan.seed, "train", i), random.Random(f"{plan.seed} train {i}"))
        for i in range(step * plan.batch, (step + 1) * plan.batch)
    )
    return [lesson for lesson in made if lesson]


def _validation(model: Any, teacher: Teacher, plan: Plan) -> float:  # noqa: ANN401 - a transformers model
    """Mean loss of an answer's token on label sets, services and templates that training never shows."""
    import torch

    made = (
        teacher.lesson(episode(plan.seed, "validation", i), random.Random(f"{plan.seed} validation {i}"))
        for i in range(plan.check_on)
    )
    lessons = [lesson for lesson in made if lesson]
    answers = sum(len(lesson.tokens) - lesson.answer for lesson in lessons)
    with torch.no_grad():
        return sum(losses_of(model, part, 0, 0.0, answers)[1] for part in _parts(lessons, plan.part))


def _optimiser(model: Any, plan: Plan) -> Any:  # noqa: ANN401 - both from torch, which is imported late
    import torch

    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.95), fused=True)


def _claim(plan: Plan, folder: Path) -> None:
    """A folder holds one plan; more steps are no other plan."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plan.json"
    wanted = asdict(plan)
    if file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        if any(found.get(key) != value for key, value in wanted.items() if key not in ("steps", "decay")):
            raise ModelError(f"{folder} holds a run with other settings.", remedy="Name another folder, or remove that one.")
    file.write_text(json.dumps(wanted, indent=1), encoding="utf-8")


def _tokenizer(plan: Plan, folder: Path) -> Any:  # noqa: ANN401 - a transformers tokenizer
    from transformers import AutoTokenizer

    kept = folder / "tokenizer"
    if not (kept / "tokenizer.json").exists():
        train_tokenizer(_texts(plan), plan.vocabulary).save_pretrained(str(kept))
    return AutoTokenizer.from_pretrained(str(kept), trust_remote_code=False)


def _texts(plan: Plan) -> Iterator[str]:
    """What the tokenizer is trained on: tickets, exemplars and label names of training episodes."""
    for i in range(plan.tokenizer_texts // 4):
        one = episode(plan.seed, "train", i)
        yield f"{one.ticket.text}\n{one.summary}"
        yield from (f"{n.exemplar.text}\n{n.exemplar.resolution}" for n in one.neighbors[:2])
        yield " ".join(name for labels in one.taxonomy.fields.values() for label in labels.labels for name in label.names)


def _save(model: Any, optimiser: Any, step: int, folder: Path) -> None:  # noqa: ANN401 - both from torch
    """Weights and moments as safetensors, written beside and then renamed: a kill leaves the old ones whole."""
    from safetensors.torch import save_file

    names = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"weight.{name}": parameter.detach() for parameter, name in names.items()}
    for parameter, state in optimiser.state.items():
        tensors |= {f"moment.{kind}.{names[parameter]}": state[kind] for kind in ("exp_avg", "exp_avg_sq")}
    beside = folder / "state.tmp"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(beside), metadata={"step": str(step)})
    beside.replace(folder / "state.safetensors")


def _resume(model: Any, optimiser: Any, folder: Path) -> int:  # noqa: ANN401 - both from torch
    """Put back what `_save` wrote; the step to go on with."""
    import torch
    from safetensors import safe_open

    file = folder / "state.safetensors"
    if not file.exists():
        return 0
    with safe_open(str(file), "pt", device=str(model.device)) as state:
        step = int(state.metadata()["step"])
        for name, parameter in model.named_parameters():
            parameter.data.copy_(state.get_tensor(f"weight.{name}"))
            optimiser.state[parameter] = {
                "step": torch.tensor(float(step), device=parameter.device),
                "exp_avg": state.get_tensor(f"moment.exp_avg.{name}"),
                "exp_avg_sq": state.get_tensor(f"moment.exp_avg_sq.{name}"),
            }
    return step


def _finish(model: Any, tokenizer: Any, folder: Path) -> Path:  # noqa: ANN401 - both from transformers
    """The checkpoint as the hub's are: bf16 safetensors, configuration, tokenizer."""
    import torch

    target = folder / "checkpoint"
    model.to(torch.bfloat16).save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
    return target
