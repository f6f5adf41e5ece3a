"""A long training as a person watches it: a bar with the time left on a terminal, and its checks as lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from batch import console
from finetune.runstate import Report


@contextmanager
def watched(check: str) -> Iterator[Report]:
    """A report for a trainer, which gives `step` and `steps` with its figures; those with one named `check` are said."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    out = console.err()
    columns = (TextColumn("Training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def report(figures: dict[str, float]) -> None:
            if "steps" in figures:
                bar.update(task, completed=figures["step"], total=figures["steps"])
            if check in figures:
                shown = (f"{name.replace('_', ' ')} {value:.4f}" for name, value in figures.items() if name not in _COUNTS)
                console.say(f"Step {figures['step']:.0f}: {', '.join(shown)}")

        yield report


_COUNTS = frozenset(("step", "steps"))
