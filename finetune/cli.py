"""`python -m finetune`: what an ML engineer types."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from batch import console
from batch.entry import enter
from finetune.embedder_command import embedder
from finetune.watching import watched

Config = Annotated[Path | None, typer.Option(help="Settings file; default tamiz.toml in this folder.")]
Task = Annotated[Literal["triage", "critic"], typer.Option(help="What the model is for.")]
Tracking = Annotated[
    str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or database; empty: sqlite under the home.")
]

app = typer.Typer(
    help="Data, training and comparison of the language models.",
    epilog="Exit codes: 0 done, 1 error, 2 usage.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    enter(app, stopped="Stopped. The same command goes on from the last step that was kept.")


@app.callback()
def _commands() -> None:
    """Data, training and comparison of the language models."""


app.command(epilog="Example: python -m finetune embedder --folder var/embedder")(embedder)


@app.command(epilog="Example: python -m finetune micro --folder var/micro --steps 800")
def micro(
    folder: Annotated[Path, typer.Option(help="Where the run is kept; the same folder again goes on.")] = Path("var/micro"),
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 800,
    batch: Annotated[int, typer.Option(min=1, help="Synthetic tickets a step.")] = 10,
    seed: Annotated[int, typer.Option(help="Of weights, tickets and their order.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make tickets; the result is the same.")] = 0,
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop after so many minutes, to go on another time; 0: never.")] = 0.0,
) -> None:
    """Train the small model from nothing on synthetic tickets. Resumable; checks itself on label sets it never sees."""
    from finetune.pretraining import Plan, pretrain

    plan = replace(Plan(), steps=steps, batch=batch, seed=seed)
    with watched("validation_loss") as report:
        target = pretrain(plan, folder, report, workers=workers, minutes=minutes)
    console.say(f"The checkpoint is in {target}." if target else f"Stopped in time; run it again to go on in {folder}.")


@app.command(epilog="Example: python -m finetune synthesize --taxonomy var/taxonomy.yaml --n 500 > synthetic.jsonl")
def synthesize(
    taxonomy: Annotated[Path, typer.Option(help="A taxonomy file.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Tickets to make.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed makes the same tickets.")] = 0,
) -> None:
    """Make tickets with the labels of a taxonomy, one JSON object a line: to try things out, never to measure with."""
    import yaml
    from pydantic import ValidationError

    from core.errors import TaxonomyError
    from core.taxonomy import Taxonomy
    from finetune.synthetic import tickets

    try:
        read = Taxonomy.model_validate(yaml.safe_load(taxonomy.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        remedy = "Check it with `python -m batch taxonomy check`."
        raise TaxonomyError(f"The taxonomy {taxonomy} can't be read ({str(error).splitlines()[0]}).", remedy=remedy) from error
    for number, made in enumerate(tickets(read, n, seed), 1):
        row = {"id": f"S-{number}", "subject": made.subject, "description": made.body, "language": made.language}
        line = {**row, **made.labels, "resolution": made.resolution, "summary": made.summary}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


@app.command(epilog="Example: python -m finetune data --out var/lessons")
def data(
    out: Annotated[Path, typer.Option(help="Folder for lessons and card.")],
    task: Task = "triage",
    base: Annotated[
        str, typer.Option(help="Model to be trained: folder or hub name; empty: the settings', else the shipped.")
    ] = "",
    template: Annotated[str, typer.Option(help="Prompt template; empty: the one made for the base.")] = "",
    budget: Annotated[int, typer.Option(min=0, help="Tokens of a prompt; 0: those of the base or the settings.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the split by groups and of the aliases.")] = 0,
    config: Config = None,
) -> None:
    """Make lessons from the knowledge base and from people's verdicts in the journal, split so that nothing leaks."""
    from finetune.commands import make_data

    make_data(config, out, task, base, template, budget, seed)


@app.command(epilog="Example: python -m finetune train --data var/lessons --preset cpu")
def train(
    data: Annotated[Path, typer.Option(help="Folder that `data` made; its test part is not opened.")],
    base: Annotated[str, typer.Option(help="Folder or hub name; empty: the one the data were rendered for.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where the run is kept; the same command again goes on.")] = None,
    preset: Annotated[str, typer.Option(help="cpu, 4gb (4 bit) or 16gb.")] = "cpu",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most; it stops early.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of the LoRA matrices.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.0, help="Learning rate at its highest.")] = None,
    nf4: Annotated[bool, typer.Option("--nf4", help="Frozen weights in 4 bit (QLoRA), whatever the preset.")] = False,
    seed: Annotated[int, typer.Option(help="Of the adapter's first weights, order and dropout.")] = 0,
    tracking: Tracking = "",
    config: Config = None,
) -> None:
    """Train an adapter and register it as the challenger. Resumable; stops when validation answers get no better."""
    from finetune.commands import train as run

    changes = {"epochs": epochs, "rank": rank, "rate": rate, "seed": seed, "precision": "nf4" if nf4 else None}
    run(config, data, base, out, preset, changes, tracking)


@app.command(epilog="Example: python -m finetune evaluate --data var/lessons --json evaluation.json")
def evaluate(
    data: Annotated[Path, typer.Option(help="Folder that `data` made; its test part is opened here only.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    tracking: Tracking = "",
    config: Config = None,
) -> None:
    """Compare challenger, champion (or bare base) and the neighbours' vote on the held-out tickets."""
    from finetune.commands import evaluate as run

    run(config, data, json_out, tracking)


@app.command(epilog="Example: python -m finetune promote --margin 0.01")
def promote(
    task: Task = "triage",
    margin: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the labels that it must gain.")] = 0.0,
    alpha: Annotated[float, typer.Option(min=0.0, max=1.0, help="The paired test's p must be below.")] = 0.05,
    force: Annotated[bool, typer.Option("--force", help="Promote whatever the test says; recorded with the reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is forced.")] = "",
    tracking: Tracking = "",
    config: Config = None,
) -> None:
    """Put the challenger in use if the paired test says that it is better; otherwise say the figures and exit with 1."""
    from finetune.commands import promote as run
    from finetune.promotion import Terms

    run(config, task, Terms(margin, alpha, force, reason), tracking)


@app.command(epilog="Example: python -m finetune rollback")
def rollback(task: Task = "triage", tracking: Tracking = "", config: Config = None) -> None:
    """Put back what was in use before the last promotion; again for the one before that."""
    from finetune.commands import rollback as run

    run(config, task, tracking)


@app.command(epilog="Example: python -m finetune export --to served --merged")
def export(
    to: Annotated[Path, typer.Option(help="A new folder.")],
    task: Task = "triage",
    merged: Annotated[bool, typer.Option("--merged/--adapter", help="One whole checkpoint, or the adapter alone (vLLM).")] = True,
    config: Config = None,
) -> None:
    """Write the champion for other servers: merged safetensors, or the adapter."""
    from finetune.commands import export as run

    run(config, task, to, merged=merged)
