"""`python -m finetune`: what an ML engineer types."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from core.errors import TamizError

app = typer.Typer(
    help="Data, training and comparison of the language models.",
    epilog="Exit codes: 0 done, 1 error, 2 usage.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; every foreseen error is one message and exit code 1."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app()
    except TamizError as error:
        _fail(error)


def _fail(error: TamizError) -> NoReturn:
    sys.stderr.write(f"{error}\n")
    sys.exit(1)


@app.callback()
def _commands() -> None:
    """Data, training and comparison of the language models."""


@app.command(epilog="Example: python -m finetune micro --folder var/micro --steps 6000")
def micro(
    folder: Annotated[Path, typer.Option(help="Where the run is kept; the same folder again goes on.")] = Path("var/micro"),
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 6000,
    batch: Annotated[int, typer.Option(min=1, help="Synthetic tickets a step.")] = 32,
    seed: Annotated[int, typer.Option(help="Of weights, tickets and their order.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make tickets; the result is the same.")] = 0,
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop after so many minutes, to go on another time; 0: never.")] = 0.0,
) -> None:
    """Train the small model from nothing on synthetic tickets. Resumable; checks itself on label sets it never sees."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from finetune.pretraining import Plan, pretrain

    plan = replace(Plan(), steps=steps, batch=batch, seed=seed)
    console = Console(stderr=True)
    folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("Training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar, (folder / "log.jsonl").open("a") as log:
        task = bar.add_task("", total=steps)

        def report(figures: dict[str, float]) -> None:
            bar.update(task, completed=figures["step"])
            log.write(json.dumps(figures) + "\n")
            log.flush()
            if "validation_loss" in figures:
                console.print(f"step {figures['step']:.0f}: validation loss {figures['validation_loss']:.4f}")

        target = pretrain(plan, folder, report, workers=workers, minutes=minutes)
    console.print(f"The checkpoint is in {target}." if target else f"Stopped in time; run it again to go on in {folder}.")


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
