"""What the order of review is worth: `python -m benchmarks.nights --kb KB --test TEST --fields category [--nights 20]`.

A base of few labelled tickets, then night after night new tickets, of which a reviewer answers those that the queue puts first;
their labels are the table's. After each night everything is fitted again and scored on the same test tickets: in the order of
what teaches most, in that and the oldest in turns, and at random, all from the same start.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from batch.assemble import make_pipeline
from batch.commands import EVALUATION_KEY
from batch.evaluation import Plan, decide_all, read_history, read_test
from batch.scoring import score_field
from batch.settings import Settings
from core.taxonomy import Taxonomy
from core.ticket import Exemplar, Ticket
from core.triage import Decision
from experts.fit import fit
from experts.fitted import Fitted
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from observability.decisions import decision_record
from observability.records import Versions
from observability.reviews import Review
from review.queue import ordered

VERSIONS = Versions(tamiz="", python="", taxonomy="", taxonomy_digest="", knowledge="", embedder="", fit="")
Figures: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""Of each order, a row a night."""
Choose: TypeAlias = Callable[[list[Review], int], list[str]]
"""From what waits and the number of a night to the ids of the tickets in order."""


def main() -> None:
    """Print the figures as JSON, a line on standard error for each night."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--fields", default="category", help="the first one is scored")
    parser.add_argument("--start", type=int, default=200, help="labelled tickets of the first night")
    parser.add_argument("--nights", type=int, default=19)
    parser.add_argument("--tickets", type=int, default=200, help="new tickets a night")
    parser.add_argument("--answers", type=int, default=40, help="of which the reviewer answers so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chart", type=Path, help="also draw the curves there (.png or .svg)")
    parser.add_argument("--drawn", type=Path, nargs="+", help="only draw the chart, of the figures of earlier runs")
    chosen = parser.parse_args()
    if chosen.drawn:
        draw([json.loads(path.read_text(encoding="utf-8")) for path in chosen.drawn], chosen.chart)
        return
    plan = Plan(chosen.kb, chosen.test, tuple(chosen.fields.split(",")), {})
    with tempfile.TemporaryDirectory(prefix="tamiz-nights-") as home:
        world = World(plan, Path(home))
        rng = np.random.default_rng(chosen.seed)
        stream = [int(row) for row in rng.permutation(len(world.history))]
        orders: dict[str, Choose] = {
            "mixed": lambda waiting, _: _named(ordered(waiting, "mixed")),
            "teaches": lambda waiting, _: _named(ordered(waiting, "teaches")),
            "random": lambda waiting, night: _shuffled(waiting, chosen.seed, night),
        }
        result = {name: _nights(world, name, stream, choose, chosen) for name, choose in orders.items()}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    if chosen.chart:
        draw([result], chosen.chart)


def draw(runs: Sequence[Figures], file: Path) -> None:
    """Accuracy, and coverage at precision .95, by night; for each order the mean of the runs in the band of all of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    accuracy, coverage = figure.subplots(1, 2)
    for name, colour in zip(sorted(runs[0]), ("#2563a8", "#8a8a8a", "#c2571a"), strict=False):
        nights = [row["night"] for row in runs[0][name]]
        for axes, figured in ((accuracy, "accuracy"), (coverage, "coverage_at_.95")):
            each = np.array([[row[figured] for row in run[name]] for run in runs])
            axes.plot(nights, each.mean(axis=0), color=colour, label=name)
            axes.fill_between(nights, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.12, linewidth=0)
    for axes, title in ((accuracy, "accuracy"), (coverage, "coverage at precision .95")):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("night: 40 answers each", fontsize=9)
        axes.set_xticks(range(0, len(nights), 5))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    coverage.legend(frameon=False, fontsize=9)
    figure.savefig(file, dpi=110)


@dataclass
class World:
    """The tables, and vectors that are computed once. Exemplars are as the intake leaves them, which changes nothing in them."""

    plan: Plan
    home: Path
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.intake = Intake(EVALUATION_KEY)
        self.embedder = Embedder(precision="auto")
        self.remembering = CachedEmbedder(self.embedder, self.home / "vectors.sqlite")
        self.taxonomy: Taxonomy
        self.taxonomy, self.history, _ = read_history(self.plan, self.intake)
        self.test = [t for t in read_test(self.plan)[0] if t.labels.get(self.field)]
        self.gold = [{self.field: self.taxonomy.match(self.field, t.labels[self.field]) or ""} for t in self.test]

    @property
    def field(self) -> str:
        return self.plan.fields[0]


def _nights(world: World, name: str, stream: Sequence[int], choose: Choose, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    known = [world.history[row] for row in stream[: chosen.start]]
    figures = []
    for night in range(chosen.nights + 1):
        first = chosen.start + night * chosen.tickets
        new = [world.history[row] for row in stream[first : first + chosen.tickets]]
        fitted, tested, decided = _decided(world, known, [_ticket(one, place) for place, one in enumerate(new)])
        score = score_field(world.field, fitted, tested, world.gold)
        at = score["coverage_at"]["0.95"]
        row = {"night": night, "labelled": len(known), "accuracy": score["accuracy"], "accuracy_ci": score["accuracy_ci"]}
        figures.append({**row, "coverage_at_.95": at["coverage"], "precision_at_.95": at["precision"]})
        sys.stderr.write(f"{name} {json.dumps(figures[-1])}\n")
        records = [decision_record(one, "night", VERSIONS, fitted.thresholds, fitted.fusion) for one in decided]
        waiting = [Review(record, seq, "", (), 0) for seq, record in enumerate(records) if record.outcome != "accepted"]
        known = [*known, *(new[int(name)] for name in choose(waiting, night)[: chosen.answers])]
    return figures


def _decided(world: World, known: Sequence[Exemplar], new: Sequence[Ticket]) -> tuple[Fitted, list[Decision], list[Decision]]:
    """A fit on what is known, the test tickets, and the night's."""
    with tempfile.TemporaryDirectory(dir=world.home) as folder:
        shelf = shelf_at(Path(folder))
        ingest(shelf, world.remembering, known, source="known")
        with KnowledgeBase.open(shelf, world.embedder) as knowledge:

            def search(tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - the types of `core.retrieval.Search`
                return knowledge.search(tickets, vectors, k, exclude=exclude)

            exemplars = knowledge.exemplars()
            vectors = world.remembering.encode([one.text for one in exemplars])
            fitted = fit(world.taxonomy, exemplars, vectors, search, world.remembering.encode)
            pipeline = make_pipeline(world.taxonomy, world.intake, world.remembering, search, fitted, world.settings)
            chunk = world.settings.run.chunk
            return fitted, decide_all(pipeline, world.test, chunk), decide_all(pipeline, new, chunk)


def _ticket(exemplar: Exemplar, place: int) -> Ticket:
    return Ticket(str(place), exemplar.subject, exemplar.body)


def _named(waiting: Sequence[Review]) -> list[str]:
    return [one.decision.ticket_id for one in waiting]


def _shuffled(waiting: Sequence[Review], seed: int, night: int) -> list[str]:
    rng = np.random.default_rng((seed, night))
    return [waiting[int(place)].decision.ticket_id for place in rng.permutation(len(waiting))]


if __name__ == "__main__":
    main()
