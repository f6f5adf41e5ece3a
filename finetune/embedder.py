"""An adapter for the embedder: the same incident lies near itself in either language, and English stays where it was.

Three terms. Contrastive (InfoNCE, van den Oord et al., 2018, both directions): a Spanish text is nearer to where the untouched
model puts its English counterpart than to the others of the batch; those whose English texts that model finds alike are no
negatives (after Solatorio, "GISTEmbed", 2024). Pulling: it goes to that very place (Reimers & Gurevych, "Making monolingual
sentence embeddings multilingual", 2020). Keeping: English texts stay where the untouched model puts them. With fixed targets
the English side needs no gradient, which on a CPU is nearly half of the time. Pairs of a knowledge base's own texts with equal
labels, where there are any, take part in the contrastive and the keeping term. Every random choice follows from the seed and
the step.
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from core.text import fold, without_keys
from experts.encoder import native_bf16
from finetune.kin import Kin
from finetune.runstate import Report, Tensors, claim, noting
from finetune.synthetic.pairs import pairs
from knowledge.embedder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PACKAGED, Embedder

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

TARGETS = ("query", "key", "value", "dense", "word_embeddings")
STATE = "state.safetensors"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained and how long: `batch` pairs a step, of which `keep_batch` also keep English; texts cut at `max_tokens`.

    `scale` is the inverse temperature of the contrastive term, `pull` and `keep` the weights of the other two. Texts whose
    English sides have a cosine above `alike` are no negatives of each other. From the share `unshared` of the Spanish texts the
    words that the English one also has (names, numbers, error codes) are taken out, so that they are not all that is learnt.
    """

    model: str = PACKAGED
    rank: int = 16
    steps: int = 150
    batch: int = 64
    keep_batch: int = 16
    kin_batch: int = 16
    max_tokens: int = 48
    rate: float = 1e-3
    warm_up: int = 20
    scale: float = 20.0
    pull: float = 2.0
    keep: float = 20.0
    alike: float = 0.6
    unshared: float = 0.5
    seed: int = 0
    check_every: int = 50
    check_on: int = 256


def train_embedder(plan: Plan, folder: Path, report: Report, *, kin: Kin | None = None, minutes: float = 0.0) -> Path | None:
    """Train, or go on where `folder` was left; the finished adapter's folder, None where `minutes` ran out before.

    Raises:
        ModelError: the folder belongs to another plan or other texts, or the model can't be adapted.
    """
    import torch

    claim({**asdict(plan), "kin": kin.digest if kin else ""}, folder)
    torch.manual_seed(plan.seed)
    embedder = Embedder(plan.model)
    teacher, student = embedder.load(), Embedder(plan.model).load()
    adapter = _add_adapter(student, plan)
    weights = {name: p for name, p in adapter.named_parameters() if p.requires_grad}
    optimiser = torch.optim.AdamW(weights.values(), lr=plan.rate, weight_decay=0.0)
    state, since = Tensors(weights, [optimiser]), time.perf_counter()
    start = state.resume(folder)[0].get("step", 0)
    note = noting(folder, start, report)
    if start == 0:
        note({"step": 0, **validate(student, teacher, plan)})
    for step in range(start, plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _schedule(plan, step)
        note({"step": step + 1, "steps": plan.steps, **_step(student, teacher, optimiser, plan, kin, step)})
        late = 0.0 < minutes < (time.perf_counter() - since) / 60.0
        if late or (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
            note({"step": step + 1, **validate(student, teacher, plan)})
            state.save(folder, {"step": step + 1})
        if late and step + 1 < plan.steps:
            return None
    return _finish(adapter, embedder.name, folder / "adapter")


def validate(student: "SentenceTransformer", teacher: "SentenceTransformer", plan: Plan) -> dict[str, float]:
    """On pairs of incidents that training never shows: share of nearest neighbours that are the counterpart, mean of both
    ways, and mean cosine of the English vectors with the untouched model's. Words that both texts have are taken out of the
    Spanish one; texts that are alike by `alike` don't compete."""
    import torch

    told = [(_without(es, en), en) for es, en in pairs(plan.check_on, plan.seed, "validation")]
    with torch.no_grad():
        spanish = torch.cat([_encode(student, part, plan) for part in _parts([es for es, _ in told], plan.batch)])
        english = torch.cat([_encode(student, part, plan) for part in _parts([en for _, en in told], plan.batch)])
        kept = torch.cat([_encode(teacher, part, plan) for part in _parts([en for _, en in told], plan.batch)])
    rows = torch.arange(len(told))
    alike = _alike(kept, plan.alike)
    cosines = (spanish @ english.T).masked_fill(alike, -1.0)
    right = ((cosines.argmax(1) == rows).float().mean() + (cosines.argmax(0) == rows).float().mean()) / 2
    return {"validation_top_1": float(right), "validation_kept": float((english * kept).sum(1).mean())}


def _step(
    student: "SentenceTransformer",
    teacher: "SentenceTransformer",
    optimiser: "torch.optim.Optimizer",
    plan: Plan,
    kin: Kin | None,
    step: int,
) -> dict[str, float]:
    """Learn one batch: the terms of the loss."""
    import torch

    terms = _across(student, teacher, plan, step)
    if kin:
        terms |= _among(student, teacher, plan, kin, step)
    loss = torch.stack(list(terms.values())).sum()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()
    return {"loss": float(loss.detach()), **{name: float(term.detach()) for name, term in terms.items()}}


def _across(student: "SentenceTransformer", teacher: "SentenceTransformer", plan: Plan, step: int) -> "dict[str, torch.Tensor]":
    import torch

    rng = random.Random(f"{plan.seed} {step}")
    told = list(pairs(plan.batch, plan.seed * 1_000_003 + step, "train"))
    spanish = [_without(es, en) if rng.random() < plan.unshared else es for es, en in told]
    with torch.no_grad():
        anchor = _encode(teacher, [en for _, en in told], plan)
    there = _encode(student, spanish, plan)
    here = _encode(student, [en for _, en in told[: plan.keep_batch]], plan)
    return {
        "contrast": contrast(there, anchor, _alike(anchor, plan.alike), plan.scale),
        "pull": plan.pull * (1.0 - (there * anchor).sum(1)).mean(),
        "keep": plan.keep * (1.0 - (here * anchor[: plan.keep_batch]).sum(1)).mean(),
    }


def _among(
    student: "SentenceTransformer", teacher: "SentenceTransformer", plan: Plan, kin: Kin, step: int
) -> "dict[str, torch.Tensor]":
    import torch

    drawn = kin.draw(plan.kin_batch, random.Random(f"kin {plan.seed} {step}"))
    ours, theirs = [one for one, _, _ in drawn], [other for _, other, _ in drawn]
    labels = [label for _, _, label in drawn]
    same = torch.tensor([[a == b for b in labels] for a in labels]) & ~torch.eye(len(labels), dtype=torch.bool)
    with torch.no_grad():
        anchor = _encode(teacher, ours, plan)
    one, other = _encode(student, ours, plan), _encode(student, theirs, plan)
    share = len(drawn) / plan.batch
    return {
        "kin_contrast": share * contrast(one, other, same.to(one.device), plan.scale),
        "kin_keep": share * plan.keep * (1.0 - (one * anchor).sum(1)).mean(),
    }


def contrast(one: "torch.Tensor", other: "torch.Tensor", alike: "torch.Tensor", scale: float) -> "torch.Tensor":
    """InfoNCE of unit rows (n, d), the mean of both directions; where `alike` (n, n) holds, a text is no negative."""
    import torch

    scores = (scale * one @ other.T).masked_fill(alike, -1e4)
    rows = torch.arange(len(one), device=one.device)
    loss = torch.nn.functional.cross_entropy
    return (loss(scores, rows) + loss(scores.T, rows)) / 2


def _alike(vectors: "torch.Tensor", least: float) -> "torch.Tensor":
    """(n, n): pairs of different rows whose cosine is above `least`."""
    import torch

    return (vectors @ vectors.T > least) & ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)


def _without(text: str, other: str) -> str:
    """The text without the words that the other one also has; all of it where nothing would be left."""
    known = set(fold(other).split())
    return " ".join(word for word in text.split() if fold(word) not in known) or text


def _encode(model: "SentenceTransformer", texts: Sequence[str], plan: Plan) -> "torch.Tensor":
    """Unit rows (n, d) in fp32, in the order of the texts."""
    import torch

    shown = [without_keys(text) for text in texts]
    read = model.tokenizer(shown, padding=True, truncation=True, max_length=plan.max_tokens, return_tensors="pt")
    features = {name: tensor.to(model.device) for name, tensor in read.items()}
    with torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type != "cpu" or native_bf16()):
        pooled = model(features)["sentence_embedding"]
    return torch.nn.functional.normalize(pooled.float(), dim=1)


def _parts(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _schedule(plan: Plan, step: int) -> float:
    """Share of the rate: linear warm-up, then linear to nothing."""
    return min(1.0, (step + 1) / plan.warm_up) * max(0.0, 1.0 - step / plan.steps)


def _add_adapter(model: "SentenceTransformer", plan: Plan) -> Any:  # noqa: ANN401 - a peft model, without types
    """Low-rank updates of all matrices of the layers and of the word vectors; everything else is frozen.

    Dropout stays off: the frozen weights are a trained model's, and the keeping term compares vectors to its own.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=plan.rank, lora_alpha=2 * plan.rank, target_modules=list(TARGETS), lora_dropout=0.0)
    try:
        network: Any = model.transformers_model
        return get_peft_model(network, config).eval()
    except ValueError as error:
        reason = f"The embedding model {plan.model!r} can't be adapted: {error}."
        raise ModelError(reason, remedy="Use a BERT-like model, as the packaged one is.") from error


def _finish(adapter: Any, base: str, target: Path) -> Path:  # noqa: ANN401 - a peft model
    """The two files of a PEFT adapter, weights in fp16. It says by name and digest which model it belongs to.

    The configuration holds what differs from peft's defaults, in a fixed order: equal runs give equal files.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    target.mkdir(parents=True, exist_ok=True)
    made = adapter.peft_config["default"]
    config = {
        "base_model_name_or_path": base,
        "inference_mode": True,
        "lora_alpha": made.lora_alpha,
        "peft_type": "LORA",
        "r": made.r,
        "target_modules": sorted(made.target_modules),
    }
    (target / ADAPTER_CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    state = get_peft_model_state_dict(adapter, save_embedding_layers=False)
    save_file({name: tensor.half().contiguous() for name, tensor in state.items()}, str(target / ADAPTER_WEIGHTS))
    return target
