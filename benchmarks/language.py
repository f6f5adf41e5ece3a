"""What a language model reads: `python -m benchmarks.language --kb KB --fields category [--test TEST] [--held-out N]`.

The model alone against the neighbours' vote on the same tickets with the same neighbours: a model that has not been trained
on these labels should come near the vote with them and fall to the prior without. What it reads of them is taken apart: the
shares of the vote that its prompt tells, and the exemplars that it shows. A small test can't tell three points from none, so the
base's own exemplars may be asked too, drawn at random, each with its neighbours outside its own near-duplicates: the model has
not seen them either. Figures are given for the test, for those, and for both together.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batch.commands import EVALUATION_KEY
from batch.evaluation import Plan, read_history, read_test
from batch.models import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from core.metrics import mcnemar_p, wilson_interval
from core.pipeline import stacked
from core.summary import grounded
from core.ticket import Evidence
from core.triage import Draft, LogProbs
from experts.outoffold import unseen_evidence
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from llm.champion import SHIPPED, base_source

RETRIEVED = 30
"""Neighbours of a ticket: all of them vote, the nearest are shown to the model."""

if TYPE_CHECKING:
    from llm.author import LanguageAuthor


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=SHIPPED, help="folder of a checkpoint; default: the one that comes with the project")
    parser.add_argument("--template", default=SHIPPED_TEMPLATE)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--fields", default="category")
    parser.add_argument("--limit", type=int, default=300, help="of the test table the first tickets")
    parser.add_argument("--held-out", type=int, default=0, help="exemplars of the base, drawn at random")
    parser.add_argument(
        "--skip", type=int, default=0, help="of the drawn exemplars the first ones, if the model was chosen on them"
    )
    parser.add_argument("--options", type=int, default=6)
    parser.add_argument("--exemplars", type=int, default=6)
    parser.add_argument("--budget", type=int, default=SHIPPED_BUDGET)
    chosen = parser.parse_args()
    if not chosen.test and not chosen.held_out:
        parser.error("Nothing is asked: give --test, --held-out or both.")
    with tempfile.TemporaryDirectory(prefix="tamiz-language-") as home:
        sys.stdout.write(json.dumps(measure(chosen, Path(home)), indent=1, ensure_ascii=False) + "\n")


def measure(chosen: argparse.Namespace, home: Path) -> dict[str, Any]:
    """For the test, the held-out exemplars and both: by field what vote, model and less of it have right, and summaries."""
    from experts.vote import NeighborVote, label_priors
    from llm.author import LanguageAuthor
    from llm.checkpoint import Checkpoint
    from llm.local import LocalModel

    fields = tuple(chosen.fields.split(","))
    intake, embedder = Intake(EVALUATION_KEY), Embedder(precision="auto")
    plan = Plan(chosen.kb, chosen.test or chosen.kb, fields, {})
    taxonomy, history, _ = read_history(plan, intake)
    shelf = shelf_at(home)
    ingest(shelf, embedder, history, source="kb")
    groups: dict[str, _Asked] = {}
    with KnowledgeBase.open(shelf, embedder) as knowledge:
        if chosen.test:
            groups["test"] = _tested(plan, intake, embedder, knowledge).first(chosen.limit, fields)
        if chosen.held_out:
            groups["held_out"] = _held_out(embedder, knowledge).drawn(chosen.skip, chosen.held_out, fields)
    for name, group in groups.items():
        if not group.labels:
            raise SystemExit(f"No {name} tickets are left that have {chosen.fields}: check --fields, --limit and --skip.")
    evidence = _joined([one.evidence for one in groups.values()])
    priors = label_priors([e.labels for e in history], taxonomy, fields)
    model = LocalModel(Checkpoint(base_source(chosen.model)), template=chosen.template, budget=chosen.budget)
    author = LanguageAuthor(model, taxonomy, priors, EVALUATION_KEY, options=chosen.options, exemplars=chosen.exemplars)
    author.draft(_at(evidence, range(2)))
    start = time.perf_counter()
    drafts = author.draft(evidence)
    spent = time.perf_counter() - start
    said = _said(author, evidence, NeighborVote(taxonomy, priors).log_probs(evidence), drafts, priors)
    taken = np.array([grounded(d.summary, t.text) for d, t in zip(drafts, evidence.tickets, strict=True)])
    labels = [one for group in groups.values() for one in group.labels]
    gold = {f: np.array([taxonomy.labels(f).index(taxonomy.canonical(f, one[f])) for one in labels]) for f in fields}
    result: dict[str, Any] = {"model": model.name, "tickets_per_s": len(labels) / spent}
    for name, part in _parts({name: len(group.labels) for name, group in groups.items()}):
        result[name] = {"n": len(taken[part]), "summaries_grounded": float(taken[part].mean())}
        result[name] |= {f: _compared({k: v[f][part] for k, v in said.items()}, gold[f][part]) for f in fields}
        if len(fields) > 1:
            ours, theirs = (
                np.mean([said[who][f][part].argmax(axis=1) == gold[f][part] for f in fields], axis=0) for who in ("model", "vote")
            )
            result[name]["all_fields"] = {"model_less_vote": _difference(ours, theirs)}
    return result


def _said(
    author: "LanguageAuthor",
    evidence: Evidence,
    vote: Mapping[str, LogProbs],
    drafts: Sequence[Draft],
    priors: Mapping[str, Any],
) -> dict[str, Mapping[str, LogProbs]]:
    """Who -> field -> log-probabilities, shape (tickets, labels): the vote, the model, the model with less to read, the prior."""
    shown = replace(evidence, neighbors=[near[: author.exemplars] for near in evidence.neighbors])
    nothing = replace(evidence, neighbors=[[] for _ in evidence.tickets])
    return {
        "vote": vote,
        "model": stacked(drafts),
        "model_without_shares": author.log_probs(shown),
        "model_with_shares_only": replace(author, exemplars=0).log_probs(evidence),
        "model_without_exemplars": author.log_probs(nothing),
        "prior": {field: np.tile(np.log(prior), (len(evidence.tickets), 1)) for field, prior in priors.items()},
    }


def _compared(said: Mapping[str, LogProbs], gold: Any) -> dict[str, Any]:  # noqa: ANN401 - an array of label numbers
    picked = {name: log_p.argmax(axis=1) for name, log_p in said.items()}
    hits = {name: labels == gold for name, labels in picked.items()}
    return {
        **{name: _score(hit) for name, hit in hits.items()},
        "as_the_vote": float((picked["model"] == picked["vote"]).mean()),
        "model_less_vote": _difference(hits["model"], hits["vote"]),
        "p_against_vote": mcnemar_p(hits["model"], hits["vote"]),
    }


def _parts(sizes: Mapping[str, int]) -> Iterator[tuple[str, slice]]:
    """Where each group's tickets are among all, and all of them where there are two groups."""
    start = 0
    for name, size in sizes.items():
        yield name, slice(start, start + size)
        start += size
    if len(sizes) > 1:
        yield "together", slice(0, start)


def _at(evidence: Evidence, places: Sequence[int]) -> Evidence:
    """Of the tickets at these places."""
    return Evidence(
        [evidence.tickets[i] for i in places], evidence.vectors[list(places)], [evidence.neighbors[i] for i in places]
    )


def _joined(parts: Sequence[Evidence]) -> Evidence:
    return Evidence(
        [ticket for part in parts for ticket in part.tickets],
        np.concatenate([part.vectors for part in parts]),
        [near for part in parts for near in part.neighbors],
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Tickets with what is retrieved for them and their labels by field."""

    evidence: Evidence
    labels: Sequence[Mapping[str, str]]

    def only(self, places: Sequence[int]) -> "_Asked":
        """Those at these places."""
        return _Asked(_at(self.evidence, places), [self.labels[i] for i in places])

    def first(self, count: int, fields: Sequence[str]) -> "_Asked":
        """The first ones that have all these fields."""
        return self.only(self._places(fields)[:count])

    def drawn(self, skip: int, count: int, fields: Sequence[str]) -> "_Asked":
        """Of those that have all these fields, in a random order that is always the same, so many after the first `skip`."""
        return self.only(np.random.default_rng(0).permutation(self._places(fields)).tolist()[skip:][:count])

    def _places(self, fields: Sequence[str]) -> list[int]:
        return [i for i, one in enumerate(self.labels) if all(one.get(field) for field in fields)]


def _tested(plan: Plan, intake: Intake, embedder: Embedder, knowledge: KnowledgeBase) -> _Asked:
    tickets, _ = read_test(plan)
    cleaned = [intake.clean(ticket) for ticket in tickets]
    vectors = embedder.encode([ticket.text for ticket in cleaned])
    return _Asked(Evidence(cleaned, vectors, knowledge.search(cleaned, vectors, RETRIEVED)), [one.labels for one in tickets])


def _held_out(embedder: Embedder, knowledge: KnowledgeBase) -> _Asked:
    exemplars = knowledge.exemplars()
    vectors = embedder.encode([one.text for one in exemplars])
    search = partial(_search, knowledge)
    return _Asked(unseen_evidence(exemplars, vectors, search, RETRIEVED), [one.labels for one in exemplars])


def _search(knowledge: KnowledgeBase, tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - see `unseen_evidence`
    return knowledge.search(tickets, vectors, k, exclude=exclude)


def _difference(ours: Any, theirs: Any) -> str:  # noqa: ANN401 - arrays of truth values
    """Of paired hits, or of each ticket's share of them, with the normal interval of 95 %."""
    each = ours.astype(float) - theirs.astype(float)
    half = 1.96 * each.std() / len(each) ** 0.5
    return f"{each.mean():+.3f} ({each.mean() - half:+.3f} to {each.mean() + half:+.3f})"


def _score(hits: Any) -> str:  # noqa: ANN401 - an array of truth values
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return f"{hits.mean():.3f} ({low:.3f}-{high:.3f})"


if __name__ == "__main__":
    main()
