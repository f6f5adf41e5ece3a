"""What a language model reads: `python -m benchmarks.language --kb KB [--test TEST] --fields category [--limit N]`.

The model alone against the neighbours' vote on the same tickets with the same neighbours: a model that has not been trained
on these labels should come near the vote with them and fall to the prior without. What it reads of them is taken apart: the
shares of the vote that its prompt tells, and the exemplars that it shows. Without a test table the base's own exemplars are
the tickets, drawn at random, each with its neighbours outside its own near-duplicates: more tickets than a small test has.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batch.commands import EVALUATION_KEY
from batch.evaluation import Plan, read_history, read_test
from batch.models import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from core.metrics import mcnemar_p, wilson_interval
from core.summary import grounded
from core.ticket import Evidence
from experts.outoffold import unseen_evidence
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from llm.champion import SHIPPED, base_source

RETRIEVED = 30
"""Neighbours of a ticket: all of them vote, the nearest are shown to the model."""

if TYPE_CHECKING:
    from core.triage import Draft


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=SHIPPED, help="folder of a checkpoint; default: the one that comes with the project")
    parser.add_argument("--template", default=SHIPPED_TEMPLATE)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--test", type=Path, help="default: the base's own exemplars")
    parser.add_argument("--fields", default="category")
    parser.add_argument(
        "--limit", type=int, default=300, help="tickets: the first ones of the test, or exemplars drawn at random"
    )
    parser.add_argument(
        "--skip", type=int, default=0, help="of the drawn exemplars the first ones, if the model was chosen on them"
    )
    parser.add_argument("--options", type=int, default=6)
    parser.add_argument("--exemplars", type=int, default=6)
    parser.add_argument("--budget", type=int, default=SHIPPED_BUDGET)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamiz-language-") as home:
        sys.stdout.write(json.dumps(measure(chosen, Path(home)), indent=1, ensure_ascii=False) + "\n")


def measure(chosen: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Accuracy by field of vote, model, and model without exemplars; summaries; tickets a second."""
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
    with KnowledgeBase.open(shelf, embedder) as knowledge:
        asked = _tested(plan, intake, embedder, knowledge) if chosen.test else _held_out(embedder, knowledge)
    places = [i for i, one in enumerate(asked.labels) if all(one.get(field) for field in fields)]
    if not chosen.test:
        places = np.random.default_rng(0).permutation(places).tolist()[chosen.skip :]
    evidence, labels = asked.only(places[: chosen.limit])
    cleaned, vectors = evidence.tickets, evidence.vectors
    priors = label_priors([e.labels for e in history], taxonomy, fields)
    model = LocalModel(Checkpoint(base_source(chosen.model)), template=chosen.template, budget=chosen.budget)
    author = LanguageAuthor(model, taxonomy, priors, EVALUATION_KEY, options=chosen.options, exemplars=chosen.exemplars)
    author.draft(Evidence(cleaned[:2], vectors[:2], evidence.neighbors[:2]))
    start = time.perf_counter()
    drafts = author.draft(evidence)
    spent = time.perf_counter() - start
    shown = Evidence(cleaned, vectors, [near[: chosen.exemplars] for near in evidence.neighbors])
    nothing = Evidence(cleaned, vectors, [[] for _ in cleaned])
    less = {
        "model_without_shares": author.log_probs(shown),
        "model_with_shares_only": replace(author, exemplars=0).log_probs(evidence),
        "model_without_exemplars": author.log_probs(nothing),
    }
    vote = NeighborVote(taxonomy, priors).log_probs(evidence)
    result: dict[str, Any] = {"n": len(cleaned), "model": model.name, "tickets_per_s": len(cleaned) / spent}
    for field in fields:
        names = taxonomy.labels(field)
        gold = np.array([names.index(taxonomy.canonical(field, one[field])) for one in labels])
        said = {
            "vote": vote[field],
            "model": _stack(drafts, field),
            **{name: log_p[field] for name, log_p in less.items()},
            "prior": np.tile(np.log(priors[field]), (len(gold), 1)),
        }
        picked = {name: log_p.argmax(axis=1) for name, log_p in said.items()}
        result[field] = {name: _score(labels == gold) for name, labels in picked.items()}
        result[field]["as_the_vote"] = float((picked["model"] == picked["vote"]).mean())
        result[field]["model_less_vote"] = _difference(picked["model"] == gold, picked["vote"] == gold)
        result[field]["p_against_vote"] = mcnemar_p(picked["model"] == gold, picked["vote"] == gold)
    result["summaries_grounded"] = float(np.mean([grounded(d.summary, t.text) for d, t in zip(drafts, cleaned, strict=True)]))
    result["summaries"] = [d.summary for d in drafts[:5]]
    return result


@dataclass(frozen=True, slots=True)
class _Asked:
    """Tickets with what is retrieved for them and their labels by field."""

    evidence: Evidence
    labels: Sequence[Mapping[str, str]]

    def only(self, places: Sequence[int]) -> tuple[Evidence, list[Mapping[str, str]]]:
        """Those at these places."""
        whole = self.evidence
        part = Evidence([whole.tickets[i] for i in places], whole.vectors[places], [whole.neighbors[i] for i in places])
        return part, [self.labels[i] for i in places]


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
    """Of paired hits, with the normal interval of 95 %."""
    each = ours.astype(float) - theirs.astype(float)
    half = 1.96 * each.std() / len(each) ** 0.5
    return f"{each.mean():+.3f} ({each.mean() - half:+.3f} to {each.mean() + half:+.3f})"


def _stack(drafts: "list[Draft]", field: str) -> Any:  # noqa: ANN401 - an array (tickets, labels)
    return np.stack([draft.log_probs[field] for draft in drafts])


def _score(hits: Any) -> str:  # noqa: ANN401 - an array of truth values
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return f"{hits.mean():.3f} ({low:.3f}-{high:.3f})"


if __name__ == "__main__":
    main()
