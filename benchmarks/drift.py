"""How often drift is reported where there is none, and how soon where there is: `python -m benchmarks.drift --kb KB`.

A part of the table is the knowledge base, another, of labels that are held out, is a topic that nobody has seen; the rest is the
stream, decided once by the fitted pipeline (without a language model). Each sequence is another order of that stream, so it
is stationary by construction: a reference, then a look a night at the last nights' tickets. People judge a share of them.

Injected from a look on, each with several sizes: tickets of one label, of the unseen topic, in another language, cut to a
third of their words (all decided by the pipeline), and, simulated on the decisions, less confidence, more escalations, more
errors. Counted are sequences with an alarm of any signal, nights until it came, and the signals that saw it first.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from batch.assemble import EXAMPLES, make_pipeline
from batch.commands import EVALUATION_KEY
from batch.evaluation import Plan, decide_all, read_history
from batch.settings import Settings
from core.metrics import wilson_interval
from core.ticket import Exemplar, Ticket, Vectors
from experts.fit import fit
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from observability.decisions import decision_record
from observability.drift.correction import ALPHA, LOOKS
from observability.drift.report import DriftReport, Sides, compare
from observability.drift.sample import UNKNOWN, Observation, observe
from observability.records import HumanVerdict, Versions, now

VERSIONS = Versions(tamiz="", python="", taxonomy="", taxonomy_digest="", knowledge="", embedder="", fit="")
START = datetime(2026, 1, 1, tzinfo=UTC)
Change: TypeAlias = Callable[[Observation, float, np.random.Generator], Observation]
"""A ticket of the drifted stream, of a ticket of the quiet one and the size of the drift."""
SIZES: Mapping[str, tuple[float, ...]] = {
    "labels": (0.05, 0.1, 0.2),
    "topic": (0.05, 0.1, 0.2),
    "language": (0.02, 0.05, 0.1),
    "shorter": (0.1, 0.25, 0.5),
    "confidence": (0.02, 0.05, 0.1),
    "rejected": (0.05, 0.1, 0.2),
    "accuracy": (0.1, 0.2, 0.3),
}


def main() -> None:
    """Print the figures as JSON, a line on standard error for each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--field", default="category")
    parser.add_argument("--known", type=int, default=1200, help="tickets of the knowledge base")
    parser.add_argument("--reference", type=int, default=560, help="tickets of the reference")
    parser.add_argument("--window", type=int, default=140, help="tickets of a window")
    parser.add_argument("--night", type=int, default=20, help="new tickets from a look to the next")
    parser.add_argument("--judged", type=float, default=0.4, help="share of the tickets that a person judges")
    parser.add_argument("--quiet", type=int, default=200, help="stationary sequences of a look a night")
    parser.add_argument("--sequences", type=int, default=100, help="sequences for each kind and size of drift")
    parser.add_argument("--nights", type=int, default=14, help="nights that a drift is watched")
    parser.add_argument("--kinds", default=",".join(SIZES))
    parser.add_argument("--home", type=Path, help="folder whose vectors another run may use again")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamiz-drift-") as home:
        world = World(chosen, Path(home), chosen.home or Path(home))
        result: dict[str, Any] = {"settings": {name: str(value) for name, value in vars(chosen).items()}, **world.about}
        if chosen.quiet:
            result["quiet"] = _quiet(world)
            sys.stderr.write(f"{json.dumps(result['quiet'])}\n")
        kinds = [kind for kind in chosen.kinds.split(",") if kind]
        result["drift"] = [_injected(world, kind, SIZES[kind][place]) for place in (2, 1, 0) for kind in kinds]
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


@dataclass
class World:
    """The decided stream and what can be put into it; every text is decided once and embedded once."""

    chosen: argparse.Namespace
    home: Path
    vectors_at: Path
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        intake, self.remembering = Intake(EVALUATION_KEY), CachedEmbedder(Embedder(), self.vectors_at / "vectors.sqlite")
        taxonomy, history, _ = read_history(Plan(self.chosen.kb, self.chosen.kb, (self.chosen.field,), {}), intake)
        order = np.random.default_rng(self.chosen.seed).permutation(len(history))
        rows = [history[i] for i in order.tolist() if history[i].labels.get(self.chosen.field)]
        ranked = [label for label, _ in Counter(self._gold(row) for row in rows).most_common()]
        unseen, self.frequent = ranked[len(ranked) // 2], ranked[len(ranked) // 4]
        known = [row for row in rows if self._gold(row) != unseen][: self.chosen.known]
        left = [row for row in rows if self._gold(row) != unseen][self.chosen.known :]
        shelf = shelf_at(self.home)
        ingest(shelf, self.remembering, known, source="known")
        with KnowledgeBase.open(shelf, self.remembering) as knowledge:

            def search(tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - the types of `core.retrieval.Search`
                return knowledge.search(tickets, vectors, k, exclude=exclude)

            exemplars = knowledge.exemplars()
            vectors = self.remembering.encode([one.text for one in exemplars])
            self.fitted = fit(taxonomy, exemplars, vectors, search, self.remembering.encode)
            self.pipeline = make_pipeline(taxonomy, intake, self.remembering, search, self.fitted, Settings())
            self.stream = self._decided(left)
            short = [replace(row, body=_third(row.text), subject="") for row in left]
            self.shorter = {one.ticket: one for one in self._decided(short)}
            self.topic = self._decided([row for row in rows if self._gold(row) == unseen])
            self.foreign = self._decided(_spanish(), judged=False)
        texts = sorted({one.text for one in (*self.stream, *self.shorter.values(), *self.topic, *self.foreign)})
        self.vectors = dict(zip(texts, self.remembering.encode(texts), strict=True))
        right = [one.right for one in self.stream if not np.isnan(one.right)]
        rejected = sum(one.rejected for one in self.stream) / len(self.stream)
        self.about = {
            "stream": len(self.stream), "known": len(known), "unseen_topic": unseen, "its_tickets": len(self.topic),
            "label_that_grows": self.frequent, "its_share": float(np.mean([self._is_frequent(one) for one in self.stream])),
            "accuracy": float(np.mean(right)), "rejected": rejected,
        }  # fmt: skip
        sys.stderr.write(f"{json.dumps(self.about)}\n")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors that are known already."""
        return np.stack([self.vectors[text] for text in texts])

    def changes(self) -> dict[str, Change]:
        """How each kind of drift changes a ticket of the stream."""
        grown = [one for one in self.stream if self._is_frequent(one)]
        return {
            "labels": lambda one, size, rng: _one_of(grown, rng) if rng.random() < size else one,
            "topic": lambda one, size, rng: _one_of(self.topic, rng) if rng.random() < size else one,
            "language": lambda one, size, rng: _one_of(self.foreign, rng) if rng.random() < size else one,
            "shorter": lambda one, size, rng: self.shorter[one.ticket] if rng.random() < size else one,
            "confidence": lambda one, size, rng: replace(one, confidence=one.confidence * (1.0 - size)),
            "rejected": lambda one, size, rng: replace(one, rejected=True) if rng.random() < size else one,
            "accuracy": lambda one, size, rng: replace(one, right=0.0, gap=one.gap - one.right) if rng.random() < size else one,
        }

    def sequence(
        self, seed: int, change: Callable[[Observation, np.random.Generator], Observation], quiet: int
    ) -> list[Observation]:
        """Reference and stream in a random order; from the ticket after `quiet` on changed; a part is judged."""
        rng = np.random.default_rng((self.chosen.seed, seed))
        needed = self.chosen.reference + self.chosen.window + (LOOKS - 1) * self.chosen.night
        if needed > len(self.stream):
            raise SystemExit(f"The stream has {len(self.stream)} tickets, {needed} are needed: fewer --known.")
        drawn = [self.stream[i] for i in rng.permutation(len(self.stream))[:needed].tolist()]
        made = []
        for place, one in enumerate(drawn):
            told = change(one, rng) if place >= quiet else one
            if rng.random() >= self.chosen.judged:
                told = replace(told, right=UNKNOWN, gap=UNKNOWN)
            made.append(replace(told, ticket=f"{place}", at=START + timedelta(minutes=place)))
        return made

    def look(self, sequence: Sequence[Observation], night: int) -> DriftReport:
        """The look of a night, from 0 on."""
        first = self.chosen.reference + night * self.chosen.night
        window = sequence[first : first + self.chosen.window]
        return compare(Sides(sequence[: self.chosen.reference], window, self.encode), look=night + 1)

    def _decided(self, rows: Sequence[Exemplar], *, judged: bool = True) -> list[Observation]:
        tickets = [Ticket(str(place), row.subject, row.body) for place, row in enumerate(rows)]
        records = [
            decision_record(one, "drift", VERSIONS, self.fitted.thresholds, self.fitted.fusion)
            for one in decide_all(self.pipeline, tickets, 1024)
        ]
        said = {
            str(place): HumanVerdict(
                at=now(), ticket_id=str(place), revision="", who="table", labels={self.chosen.field: self._gold(row)}
            )
            for place, row in enumerate(rows)
            if judged
        }
        return observe(records, said)

    def _gold(self, row: Exemplar) -> str:
        return row.labels.get(self.chosen.field, "")

    def _is_frequent(self, one: Observation) -> bool:
        return one.labels.get(self.chosen.field) == self.frequent


def _quiet(world: World) -> dict[str, Any]:
    """False alarms of stationary sequences: of each signal in a look, of each signal and of any in all looks."""
    sequences, looks = world.chosen.quiet, 0
    alone: Counter[str] = Counter()
    alarmed: Counter[str] = Counter()
    uncorrected: Counter[str] = Counter()
    for seed in range(sequences):
        sequence = world.sequence(seed, lambda one, rng: one, 0)
        reports = [world.look(sequence, night) for night in range(LOOKS)]
        looks += len(reports)
        alone.update(f.signal for r in reports for f in r.findings if f.p_value is not None and f.p_value <= ALPHA)
        alarmed.update({f.signal for r in reports for f in r.drifted})
        alarmed["any"] += any(r.drifted for r in reports)
        low = {f.signal for r in reports for f in r.findings if f.p_value is not None and f.p_value <= ALPHA}
        uncorrected.update({*low, *(["any"] if low else [])})
        sys.stderr.write(f"quiet {seed + 1}/{sequences}: {alarmed['any']} with an alarm\n")
    names = sorted({*alone, *alarmed, *uncorrected})
    return {
        "sequences": sequences,
        "looks": looks,
        "signals": {
            name: {
                "p_under_.05_in_a_look": _share(alone[name], looks) if name != "any" else None,
                "alarm_in_a_sequence": _share(alarmed[name], sequences),
                "uncorrected_in_a_sequence": _share(uncorrected[name], sequences),
            }
            for name in names
        },
    }


def _injected(world: World, kind: str, size: float) -> dict[str, Any]:
    """Sequences whose drift begins with the first night after a window of quiet tickets; nights until any alarm."""
    change = world.changes()[kind]
    quiet = world.chosen.reference + world.chosen.window
    nights: list[int] = []
    seen: Counter[str] = Counter()
    for seed in range(world.chosen.sequences):
        sequence = world.sequence(10_000 + seed, lambda one, rng: change(one, size, rng), quiet)
        for night in range(1, world.chosen.nights + 1):
            if alarms := world.look(sequence, night).drifted:
                nights.append(night)
                seen.update(one.signal for one in alarms)
                break
    within = sum(night * world.chosen.night <= world.chosen.window for night in nights)
    row = {
        "kind": kind,
        "size": size,
        "sequences": world.chosen.sequences,
        "seen_before_the_window_is_full": _share(within, world.chosen.sequences),
        "seen_in_all_nights": _share(len(nights), world.chosen.sequences),
        "median_nights": float(np.median(nights)) if nights else None,
        "median_tickets": float(np.median(nights)) * world.chosen.night if nights else None,
        "seen_first_by": dict(seen.most_common(4)),
    }
    sys.stderr.write(f"{json.dumps(row)}\n")
    return row


def _share(hits: int, n: int) -> dict[str, Any]:
    low, high = wilson_interval(hits, n)
    return {"n": n, "share": round(hits / n, 4), "ci": [round(low, 4), round(high, 4)]}


def _one_of(these: Sequence[Observation], rng: np.random.Generator) -> Observation:
    return these[int(rng.integers(len(these)))]


def _third(text: str) -> str:
    words = text.split()
    return " ".join(words[: max(4, len(words) // 3)])


def _spanish() -> list[Exemplar]:
    lines = (EXAMPLES / "resolved.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["language"] == "es"]
    return [Exemplar("", row["subject"], row["description"], language="es") for row in rows]


if __name__ == "__main__":
    main()
