"""A long training as a person watches it: a bar on a terminal, every line kept, the checks said."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

Report: TypeAlias = Callable[[Mapping[str, float]], None]


@contextmanager
def watched(console: "Console", folder: Path, steps: int, check: str) -> Iterator[Report]:
    """A report for a trainer. Every call is a line of `folder`/log.jsonl; those with a figure named `check` are said as well."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("Training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar, (folder / "log.jsonl").open("a") as log:
        task = bar.add_task("", total=steps)

        def report(figures: Mapping[str, float]) -> None:
            bar.update(task, completed=figures["step"])
            log.write(json.dumps(dict(figures)) + "\n")
            log.flush()
            if check in figures:
                shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in figures.items() if name != "step")
                console.print(f"Step {figures['step']:.0f}: {shown}")

        yield report
