"""The shipped model, from nothing: random weights, synthetic episodes, loss on the answer. Resumable; reads top to bottom.

Schedule: linear warm-up, constant, linear decay at the end (Hu et al., "MiniCPM", 2024), so that a run can be made longer
without starting again. Optimisers: Muon (Jordan et al., 2024) for the layers' matrices, AdamW for embeddings and gains. Every
random choice follows from the seed and the step.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experts.encoder import native_bf16
from finetune.architecture import Size, prepare, random_model
from finetune.lessons import LABEL_WEIGHT, Lesson, Teacher
from finetune.runstate import Report, Tensors, claim, noting
from finetune.symbols import SERVED, Symbols
from finetune.synthetic import Episode, episode, lookup
from finetune.synthetic.contested import contested
from finetune.synthetic.deal import Split
from finetune.synthetic.unfamiliar import unfamiliar
from finetune.tokenizer import ALIASES, BUCKETS, train_tokenizer

if TYPE_CHECKING:
    import torch

TEMPLATE = "compact.v3"
CRITIC = "compact-critic.v4"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained and how long: `batch` lessons a step, in parts of at most `part` tokens.

    The first `lookup_steps` go from episodes of a few words, `lookup_batch` a step, to whole ones; a tenth of the later steps
    keeps them. Up to `whole_steps` a prompt offers all labels of a field, then those that it would when it serves.
    `crowded_share` of the episodes have a long past, and `contested_share` of those have labels that no text explains;
    `unfamiliar_share` of all lessons are told in words that mean nothing, and `critic_share` judge a triage. `rate` is AdamW's;
    `matrix_rate` is Muon's, scaled to be like it.
    """

    size: Size = field(default_factory=Size)
    vocabulary: int = 8192
    steps: int = 800
    batch: int = 10
    lookup_steps: int = 200
    lookup_batch: int = 24
    whole_steps: int = 400
    critic_share: float = 0.15
    crowded_share: float = 0.6
    contested_share: float = 0.3
    unfamiliar_share: float = 0.5
    part: int = 2048
    longest: int = 768
    rate: float = 5e-4
    matrix_rate: float = 1e-3
    warm_up: int = 40
    decay: float = 0.3
    weight_decay: float = 0.05
    seed: int = 0
    check_every: int = 400
    check_on: int = 150
    tokenizer_texts: int = 20_000


def pretrain(plan: Plan, folder: Path, report: Report, *, workers: int = 0, minutes: float = 0.0) -> Path | None:
    """Train, or go on where `folder` was left; the folder of the finished checkpoint, None where `minutes` ran out before.

    Raises:
        ModelError: the folder belongs to another plan.
    """
    import torch

    claim(asdict(plan), folder, _FREE)
    tokenizer = _tokenizer(plan, folder)
    teacher = Teacher(tokenizer, TEMPLATE, CRITIC, tuple(f"<|{i}|>" for i in range(ALIASES)), plan.longest)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = random_model(plan.size, tokenizer, plan.seed)
    labels, near = teacher.aliases, [f"<|near{tenth}|>" for tenth in range(BUCKETS)]
    prepare(model, tokenizer.convert_tokens_to_ids(list(labels)), tokenizer.convert_tokens_to_ids(near))
    model = model.to(device).train()
    symbols = Symbols(model.model.embed_tokens.weight, tokenizer.convert_tokens_to_ids(list(labels)), plan.size.hidden // 4 - 2)
    optimisers = _optimisers(model, plan)
    state = Tensors(dict(model.named_parameters()), optimisers)
    start = state.resume(folder)[0].get("step", 0)
    note = noting(folder, start, report)
    lessons = _batches(plan, teacher, start, workers)
    seen, since = 0, time.perf_counter()
    for step in range(start, plan.steps):
        with symbols.drawn(step):
            loss, tokens = _step(model, optimisers, next(lessons), plan, step)
        seen += tokens
        if (step + 1) % 10 == 0:
            rate = seen / (time.perf_counter() - since)
            note({"step": step + 1, "steps": plan.steps, "loss": loss, "tokens": seen, "tokens_per_s": rate})
        late = 0.0 < minutes < (time.perf_counter() - since) / 60.0
        if late or (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
            with symbols.drawn(SERVED):
                note({"step": step + 1, **_validation(model, teacher, plan)})
            state.save(folder, {"step": step + 1})
        if late and step + 1 < plan.steps:
            return None
    with symbols.drawn(SERVED):
        return _finish(model, tokenizer, folder)


def _schedule(plan: Plan, step: int) -> float:
    """Share of the rate, 0..1."""
    decays_from = int(plan.steps * (1.0 - plan.decay))
    rising = min(1.0, (step + 1) / plan.warm_up)
    falling = 1.0 if step < decays_from else max(0.02, (plan.steps - step) / max(1, plan.steps - decays_from))
    return rising * falling


def _step(
    model: Any,  # noqa: ANN401 - a transformers model, whose types are imported late
    optimisers: "Sequence[torch.optim.Optimizer]",
    lessons: list[Lesson],
    plan: Plan,
    step: int,
) -> tuple[float, int]:
    """Learn one batch, part by part: (mean weighted loss of a token, tokens read)."""
    import torch

    total, counted = 0.0, sum(sum(lesson.weights) for lesson in lessons)
    for part in _parts(lessons, plan.part):
        said = read(model, part)
        loss = (said.losses * said.weights).sum() / counted
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser, rate in zip(optimisers, (plan.matrix_rate, plan.rate), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate * _schedule(plan, step)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return total, sum(len(lesson.tokens) for lesson in lessons)


@dataclass(frozen=True, slots=True)
class Said:
    """Of the tokens that count, each of shape (tokens,): cross-entropy, weight, and whether it was the likeliest of all."""

    losses: "torch.Tensor"
    weights: "torch.Tensor"
    right: "torch.Tensor"


def read(model: Any, lessons: list[Lesson]) -> Said:  # noqa: ANN401 - a transformers model, whose types are imported late
    """What a model makes of lessons. They are padded on the right, where a causal model looks at nothing: no mask is needed."""
    import torch

    longest = max(len(lesson.tokens) for lesson in lessons)
    device = model.device
    tokens = torch.tensor([lesson.tokens + [0] * (longest - len(lesson.tokens)) for lesson in lessons], device=device)
    weights = torch.tensor([lesson.weights + [0.0] * (longest - len(lesson.tokens)) for lesson in lessons], device=device)[:, 1:]
    counts = weights > 0.0
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or native_bf16()):
        logits = model.lm_head(model.model(input_ids=tokens).last_hidden_state[:, :-1][counts]).float()
    wanted = tokens[:, 1:][counts]
    losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    return Said(losses, weights[counts], logits.detach().argmax(dim=-1) == wanted)


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
    brief = random.Random(f"{plan.seed} step {step}").random() < max(0.1, 1.0 - step / plan.lookup_steps)
    teacher = replace(teacher, as_served=step >= plan.whole_steps)
    make, count = (lookup, plan.lookup_batch) if brief else (episode, plan.batch)
    made = (_lesson(plan, teacher, make, "train", number) for number in range(step * count, (step + 1) * count))
    return [lesson for lesson in made if lesson]


def _lesson(plan: Plan, teacher: Teacher, make: Callable[[int, Split, int], Episode], split: Split, number: int) -> Lesson | None:
    rng = random.Random(f"{plan.seed} {split} {number}")
    teach = teacher.verdict if rng.random() < plan.critic_share else teacher.lesson
    return teach(_told(plan, make, split, number, rng), rng)


def _told(plan: Plan, make: Callable[[int, Split, int], Episode], split: Split, number: int, rng: random.Random) -> Episode:
    """An episode of the kind asked for, in its own words or in others."""
    crowded = make is episode and rng.random() < plan.crowded_share
    one = episode(plan.seed, split, number, crowded=True) if crowded else make(plan.seed, split, number)
    if crowded and rng.random() < plan.contested_share:
        one = contested(one, rng)
    return unfamiliar(one, split, rng) if rng.random() < plan.unfamiliar_share else one


def _validation(model: Any, teacher: Teacher, plan: Plan) -> dict[str, float]:  # noqa: ANN401 - a transformers model
    """On label sets, services and templates that training never shows: loss, and shares of labels and verdicts that are right."""
    import torch

    figures, served = {}, replace(teacher, as_served=True)
    model.eval()
    for share, make, name in _CHECKS:
        asked = replace(plan, critic_share=share)
        made = (_lesson(asked, served, make, "validation", number) for number in range(plan.check_on))
        with torch.no_grad():
            parts = [read(model, part) for part in _parts([lesson for lesson in made if lesson], plan.part)]
        weights, right, losses = (torch.cat([getattr(part, kind) for part in parts]) for kind in ("weights", "right", "losses"))
        figures[name] = float(right[weights == LABEL_WEIGHT].float().mean())
        figures.setdefault("validation_loss", float((losses * weights).sum() / weights.sum()))
    model.train()
    return figures


_CHECKS: tuple[tuple[float, Callable[[int, Split, int], Episode], str], ...] = (
    (0.0, episode, "label_accuracy"),
    (1.0, episode, "critic_accuracy"),
    (0.0, lookup, "lookup_accuracy"),
)


def _optimisers(model: Any, plan: Plan) -> "tuple[torch.optim.Optimizer, torch.optim.Optimizer]":  # noqa: ANN401
    import torch

    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    taken = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in taken]
    muon = torch.optim.Muon(
        matrices, lr=plan.matrix_rate, weight_decay=plan.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    return muon, torch.optim.AdamW(others, lr=plan.rate, betas=(0.9, 0.95), weight_decay=0.0)


_FREE = frozenset(("steps", "decay", "check_every", "check_on"))
"""More steps or other checks make no other plan."""


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


def _finish(model: Any, tokenizer: Any, folder: Path) -> Path:  # noqa: ANN401 - both from transformers
    """The checkpoint as the hub's are: bf16 safetensors, configuration, tokenizer."""
    import torch

    target = folder / "checkpoint"
    model.to(torch.bfloat16).save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
    return target
