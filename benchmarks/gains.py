"""What a language model adds, as an expert and as a critic: `python -m benchmarks.gains --kb KB --test TEST --fields category`.

One knowledge base, four fits, the same test tickets: without a language model, with it as an expert, as a critic, as both. The
fit decides about its weight; 0 is allowed. Beside them the language model's own judgement of the triages made without it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batch.assemble import make_pipeline
from batch.commands import EVALUATION_KEY
from batch.evaluation import Plan, decide_all, read_history, read_test
from batch.models import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from batch.scoring import proposal_of, score_critic, score_field
from batch.settings import Settings
from core import metrics
from core.ticket import Evidence
from core.triage import Decision
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.embedder import Embedder
from knowledge.ingest import ingest
from llm.base import text_digest
from llm.champion import SHIPPED, base_source

if TYPE_CHECKING:
    from llm.reviewer import LanguageReviewer

WAYS = {"without": (False, False), "as expert": (True, False), "as critic": (False, True), "as both": (True, True)}
SHARES = (0.05, 0.10)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=SHIPPED, help="folder of a checkpoint; default: the one that comes with the project")
    parser.add_argument("--adapter", type=Path, help="folder of a PEFT adapter of it")
    parser.add_argument("--template", default=SHIPPED_TEMPLATE)
    parser.add_argument("--budget", type=int, default=SHIPPED_BUDGET)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--fields", default="category")
    parser.add_argument("--limit", type=int, default=1000, help="test tickets, the first ones")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamiz-gains-") as home:
        sys.stdout.write(json.dumps(measure(chosen, Path(home)), indent=1, ensure_ascii=False) + "\n")


def measure(chosen: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Accuracy, weight and critic of each way, and paired tests against the way without."""
    from experts.fit import fit
    from llm.author import LanguageAuthor
    from llm.checkpoint import Checkpoint
    from llm.local import LocalModel
    from llm.reviewer import LanguageReviewer

    fields, settings = tuple(chosen.fields.split(",")), Settings()
    intake, embedder = Intake(EVALUATION_KEY), Embedder(precision="auto")
    plan = Plan(chosen.kb, chosen.test, fields, {})
    tickets = read_test(plan)[0][: chosen.limit]
    taxonomy, history, _ = read_history(plan, intake)
    gold = [{f: taxonomy.match(f, t.labels.get(f, "")) or t.labels.get(f, "") for f in fields} for t in tickets]
    checkpoint = Checkpoint(base_source(chosen.model), adapter=chosen.adapter)
    model = LocalModel(checkpoint, template=chosen.template, budget=chosen.budget)
    shelf = shelf_at(home)
    ingest(shelf, embedder, history, source="kb")
    result: dict[str, Any] = {"model": model.name, "n": len(tickets), "ways": {}}
    decided: dict[str, list[Decision]] = {}
    with KnowledgeBase.open(shelf, embedder) as knowledge:
        exemplars = knowledge.exemplars()
        vectors = embedder.encode([exemplar.text for exemplar in exemplars])

        def author(priors: Any) -> LanguageAuthor:  # noqa: ANN401 - arrays by field
            return LanguageAuthor(model, taxonomy, priors, EVALUATION_KEY)

        def reviewer(priors: Any) -> LanguageReviewer:  # noqa: ANN401 - arrays by field
            return LanguageReviewer(model, taxonomy, priors, EVALUATION_KEY)

        def learned(text: str) -> bool:
            return text_digest(text) in model.learned

        for way, (writes, judges) in WAYS.items():
            sys.stderr.write(f"{way}: fit and decide\n")
            roles: Any = {**({"author": author} if writes else {}), **({"reviewer": reviewer} if judges else {})}
            search: Any = lambda t, v, k, exclude: knowledge.search(t, v, k, exclude=exclude)  # noqa: E731
            fitted = fit(taxonomy, exemplars, vectors, search, embedder.encode, learned=learned, **roles)
            pipeline = make_pipeline(
                taxonomy, intake, embedder, search, fitted, settings,
                author=author(fitted.vote.priors) if writes else None,
                reviewer=reviewer(fitted.vote.priors) if fitted.critic.reviewed else None,
            )  # fmt: skip
            decisions = decide_all(pipeline, tickets, settings.run.chunk)
            decided[way] = decisions
            result["ways"][way] = {
                **{f: _field(score_field(f, fitted, decisions, gold), fitted.fusion[f].weights) for f in fields},
                "critic": score_critic(fitted, decisions, gold) | _whole(decisions, gold),
                "critic_listens_in": sorted(fitted.critic.reviewed),
            }
        result["language_model_alone_as_critic"] = _alone(reviewer(fitted.vote.priors), decided["without"], gold)
    result["paired_with_without"] = {
        way: {f: _paired(decided[way], decided["without"], gold, f) for f in fields} for way in list(WAYS)[1:]
    }
    return result


def _field(figures: Mapping[str, Any], weights: Mapping[str, float]) -> dict[str, Any]:
    kept = ("n", "accuracy", "accuracy_ci", "macro_f1", "ece")
    return {
        **{name: figures[name] for name in kept},
        "at_.95": figures["coverage_at"]["0.95"],
        "weight_of_language_model": weights.get("language", 0.0),
    }


def _whole(decisions: Sequence[Decision], gold: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Coverage that the score's order allows at a precision of .95, over tickets with a verdict; right means all fields are."""
    judged = [(d, g) for d, g in zip(decisions, gold, strict=True) if d.outcome.verdict]
    score = np.array([d.outcome.verdict.score for d, _ in judged if d.outcome.verdict])
    right = np.array([_all_right(d, g) for d, g in judged])
    return {"coverage_at_precision_.95": _coverage(score, right), "judged": len(judged)}


def _alone(reviewer: "LanguageReviewer", decisions: Sequence[Decision], gold: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The language model's p(right), multiplied over the fields, of the triages that were made without it."""
    seen = [(d, g, d.outcome.triage) for d, g in zip(decisions, gold, strict=True) if d.outcome.triage]
    evidence = Evidence(
        [d.ticket for d, _, _ in seen], np.zeros((len(seen), 1), dtype=np.float32), [d.neighbors for d, _, _ in seen]
    )
    reviews = reviewer.review(evidence, [triage for _, _, triage in seen])
    score = np.array([float(np.prod(list(review.right.values()))) for review in reviews])
    right = np.array([_all_right(d, g) for d, g, _ in seen])
    return {
        "judged": len(seen),
        "auroc": (area := metrics.auroc(score, right)),
        "auroc_ci": metrics.auroc_interval(area, int(right.sum()), int((~right).sum())),
        "ece": metrics.expected_calibration_error(score, right, 15),
        "errors_caught_at": {f"{share:.2f}": metrics.errors_caught(score, right, share) for share in SHARES},
        "coverage_at_precision_.95": _coverage(score, right),
    }


def _coverage(score: Any, right: Any) -> float:  # noqa: ANN401 - arrays
    coverage, risk = metrics.risk_coverage(score, right)
    return float(coverage[risk <= 0.05].max(initial=0.0))


def _all_right(decision: Decision, labels: Mapping[str, str]) -> bool:
    return all(_hit(decision, labels, field) for field, label in labels.items() if label)


def _paired(
    ours: Sequence[Decision], theirs: Sequence[Decision], gold: Sequence[Mapping[str, str]], field: str
) -> dict[str, Any]:
    a, b = (np.array([_hit(d, g, field) for d, g in zip(side, gold, strict=True)]) for side in (ours, theirs))
    return {"won": int((a & ~b).sum()), "lost": int((~a & b).sum()), "p": metrics.mcnemar_p(a, b)}


def _hit(decision: Decision, labels: Mapping[str, str], field: str) -> bool:
    return (p := proposal_of(decision, field)) is not None and p.label == labels[field]


if __name__ == "__main__":
    main()
