"""Challenger, champion and baseline on the same held-out tickets, and the paired test between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import metrics
from core.errors import InputError
from finetune.dataset import Card, prompts_of
from finetune.rendering import Written
from llm.base import LanguageModel
from llm.checkpoint import Checkpoint

VOTE = "vote"


@dataclass(frozen=True, slots=True)
class Said:
    """One side of a comparison: its name and, aligned to the lessons, field -> label."""

    name: str
    labels: Sequence[Mapping[str, str]]


def answered(name: str, model: LanguageModel, card: Card, lessons: Sequence[Written]) -> Said:
    """What a model says, through the code that serves."""
    return Said(name, [answer.labels for answer in model.answer(prompts_of(card, lessons))])


def voted(lessons: Sequence[Written]) -> Said:
    """What the neighbours' vote says; to a critic's lessons, that everything is right."""
    return Said(VOTE, [one.vote for one in lessons])


def require_same_prompts(checkpoint: Checkpoint, template: str, card: Card, lessons: Sequence[Written]) -> None:
    """Raises InputError where a model reads other prompts than the data were rendered for."""
    known = set(checkpoint.alias_ids)
    fits = template == card.template and all(set(c.aliases) <= known for one in lessons for c in one.choices)
    if not fits:
        raise InputError(
            f"{checkpoint.name} reads {template}, and the data were rendered with {card.template} for {card.base_name}.",
            remedy=f"Make data with `--template {template}` and a base of its family, or use `python -m batch evaluate`.",
        )


def compared(lessons: Sequence[Written], sides: Mapping[str, Said]) -> dict[str, Any]:
    """The figures: `overall` and `fields`, each with those of every side; and the paired tests of the first against the others.

    Overall accuracy is the mean over tickets of the share of their labels that are right. The paired test over tickets is the
    sign test, that is McNemar's exact test, on which side has more labels of a ticket right; ties don't count.
    """
    fields = sorted({field for one in lessons for field in one.gold})
    shares = {role: _shares(lessons, said) for role, said in sides.items()}
    first = next(iter(sides))
    return {
        "n": len(lessons),
        "names": {role: said.name for role, said in sides.items()},
        "overall": {role: _overall(share) for role, share in shares.items()},
        "paired": {role: _paired(shares[first], shares[role]) for role in sides if role != first},
        "fields": {field: _field(field, lessons, sides, first) for field in fields},
    }


def _shares(lessons: Sequence[Written], said: Said) -> metrics.Floats:
    """The share of each ticket's gold labels that are right, shape (tickets,)."""
    right = [[labels.get(f) == g for f, g in one.gold.items()] for one, labels in zip(lessons, said.labels, strict=True)]
    return np.array([np.mean(hits) for hits in right], dtype=np.float64)


def _overall(share: metrics.Floats) -> dict[str, Any]:
    whole = int((share == 1.0).sum())
    return {
        "accuracy": float(share.mean()),
        "all_right": whole / len(share),
        "all_right_ci": metrics.wilson_interval(whole, len(share)),
    }


def _paired(ours: metrics.Floats, theirs: metrics.Floats) -> dict[str, Any]:
    return {
        "difference": float((ours - theirs).mean()),
        "better": int((ours > theirs).sum()),
        "worse": int((ours < theirs).sum()),
        "p": metrics.mcnemar_p(ours > theirs, theirs > ours),
    }


def _field(field: str, lessons: Sequence[Written], sides: Mapping[str, Said], first: str) -> dict[str, Any]:
    rows = [i for i, one in enumerate(lessons) if field in one.gold]
    truth = [lessons[i].gold[field] for i in rows]
    predicted = {role: [said.labels[i].get(field, "") for i in rows] for role, said in sides.items()}
    right = {role: np.array([a == b for a, b in zip(p, truth, strict=True)], dtype=bool) for role, p in predicted.items()}
    return {
        "n": len(rows),
        **{
            role: {
                "accuracy": float(right[role].mean()),
                "accuracy_ci": metrics.wilson_interval(int(right[role].sum()), len(rows)),
                "macro_f1": metrics.macro_f1(truth, predicted[role]),
            }
            for role in sides
        },
        "mcnemar_p": {role: metrics.mcnemar_p(right[first], right[role]) for role in sides if role != first},
    }


def better_by(figures: Mapping[str, Any], rival: str, margin: float, alpha: float) -> bool:
    """Whether the first side is better than `rival` by at least `margin` (of overall accuracy), and not by chance."""
    paired = figures["paired"][rival]
    return bool(paired["difference"] > 0.0 and paired["difference"] >= margin and paired["p"] < alpha)
