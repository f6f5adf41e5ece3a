"""What lies beside an adapter: a model card with data, figures and command, and the curve as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from finetune.dataset import Card
from finetune.tuning import Plan, Tuned
from llm.champion import adapter_digest


def describe(
    tuned: Tuned, plan: Plan, card: Card, folder: Path, log: Sequence[Mapping[str, float]], command: str
) -> tuple[Path, Path]:
    """Write README.md into the adapter's folder and the curve beside it; (card, picture)."""
    readme, picture = tuned.adapter / "README.md", folder / "curve.png"
    readme.write_text(card_text(tuned, plan, card, log, command), encoding="utf-8")
    draw(log, picture)
    return readme, picture


def card_text(tuned: Tuned, plan: Plan, card: Card, log: Sequence[Mapping[str, float]], command: str) -> str:
    """The model card in the hub's form: a head for programs, then what a person asks."""
    before = next((line for line in log if "label_accuracy" in line), {})
    settings = "\n".join(f"| {name} | {value} |" for name, value in asdict(plan).items())
    return f"""---
base_model: {card.base_name}
library_name: peft
pipeline_tag: text-generation
tags: [lora, ticket-triage]
---

# {card.task} adapter {adapter_digest(tuned.adapter)}

A LoRA adapter that answers prompts of the template {card.template}. It is for the base named above and no other.

| validation | before | best, after {tuned.best["step"]:.0f} of {tuned.steps} steps |
|---|--:|--:|
| label accuracy | {before.get("label_accuracy", float("nan")):.4f} | {tuned.best["label_accuracy"]:.4f} |
| loss | {before.get("validation_loss", float("nan")):.4f} | {tuned.best["validation_loss"]:.4f} |

The best step was chosen on these validation tickets; what holds on held-out tickets is in the registry's evaluation.

Data {card.digest}: {tuned.learned} lessons learned from, {tuned.left_out} left out (no gold label offered, or too long);
rows {dict(card.rows)}, sources {dict(card.sources)}, languages {dict(card.languages)}; split by {card.split_by}.

Command: `{command}`

| setting | value |
|---|---|
{settings}
"""


def draw(log: Sequence[Mapping[str, float]], file: Path) -> None:
    """Loss of training and validation, and label accuracy, over steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, shown in (("loss", "training loss"), ("validation_loss", "validation loss")):
        points = [(line["step"], line[name]) for line in log if name in line]
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o" if name != "loss" else "", label=shown)
    axes.set_xlabel("step")
    axes.set_ylabel("loss of a token")
    right = axes.twinx()
    points = [(line["step"], line["label_accuracy"]) for line in log if "label_accuracy" in line]
    right.plot([x for x, _ in points], [y for _, y in points], color="tab:green", marker="s", label="label accuracy")
    right.set_ylabel("label accuracy")
    right.set_ylim(0.0, 1.0)
    figure.legend(loc="outside upper center", ncols=3)
    figure.savefig(file, dpi=110)
