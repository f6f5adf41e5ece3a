"""Retrieval across languages: `python -m benchmarks.crosslanguage [--adapter FOLDER] [--kb KB --test TEST --fields FIELDS]`.

The same incident told by two people, one in Spanish and one in English (data/pairs_es_en.jsonl, written by hand for this
test; nothing is ever trained or tuned on it). Each text asks for its counterpart among all texts of the other language, by
cosine. With an adapter, both are measured in one run and compared pair by pair.

With --kb and --test it measures the neighbours' vote on those tables instead of the pairs: what an adapter costs, or brings,
within one language. Neighbours are the 30 nearest by cosine (`dense`), and those that the knowledge base finds (`hybrid`).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from batch.commands import EVALUATION_KEY
from batch.evaluation import Plan, read_history, read_test
from core.metrics import mcnemar_p, wilson_interval
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor, Vectors
from intake import Intake
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.embedder import PACKAGED, Embedder
from knowledge.ingest import ingest

PAIRS = Path(__file__).parent / "data" / "pairs_es_en.jsonl"
TOP = (1, 3)
NEIGHBORS = 30

Bools: TypeAlias = NDArray[np.bool_]
Hits: TypeAlias = dict[str, Bools]
"""What is measured -> for each pair or ticket whether it came out right."""


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=PACKAGED, help="an embedding model, as in the settings")
    parser.add_argument("--adapter", type=Path, help="folder of an adapter, compared with the model as it comes")
    parser.add_argument("--kb", type=Path, help="a table of resolved tickets")
    parser.add_argument("--test", type=Path, help="a table of tickets with their labels")
    parser.add_argument("--fields", default="category")
    parser.add_argument("--limit", type=int, default=1_000, help="test tickets, the first ones")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    embedders = {"as_it_comes": Embedder(options.model, precision="auto" if options.kb else "fp32")}
    if options.adapter:
        embedders["adapted"] = Embedder(options.model, adapter=options.adapter, precision=embedders["as_it_comes"].precision)
    found = measure_vote(embedders, options) if options.kb else measure(read_pairs(), embedders)
    text = json.dumps(found, ensure_ascii=False, indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text, encoding="utf-8")


def read_pairs(path: Path = PAIRS) -> list[dict[str, str]]:
    """The pairs: id, es, en."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(pairs: Sequence[dict[str, str]], embedders: dict[str, Embedder]) -> dict[str, Any]:
    """Figures of each embedder and, where there are two, of the difference."""
    hits = {name: _hits(embedder, pairs) for name, embedder in embedders.items()}
    return {"n": len(pairs), **_compared(hits, embedders)}


def measure_vote(embedders: dict[str, Embedder], options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy of the neighbours' vote by field and kind of neighbours; the tables are read once for all embedders."""
    fields = tuple(options.fields.split(","))
    intake, plan = Intake(EVALUATION_KEY), Plan(options.kb, options.test, fields, {})
    tickets = read_test(plan)[0][: options.limit]
    taxonomy, history, _ = read_history(plan, intake)
    cleaned = [intake.clean(ticket) for ticket in tickets]
    gold = {field: [taxonomy.match(field, ticket.labels.get(field, "")) for ticket in tickets] for field in fields}
    hits: dict[str, Hits] = {}
    for name, embedder in embedders.items():
        hits[name] = {}
        for kind, evidence in _evidence(embedder, history, cleaned).items():
            for field, right in _voted(evidence, taxonomy, history, gold).items():
                hits[name][f"{field}_{kind}"] = right
    return {"n_kb": len(history), "n": len(tickets), **_compared(hits, embedders)}


def _evidence(embedder: Embedder, history: Sequence[Exemplar], tickets: Sequence[CleanTicket]) -> dict[str, Evidence]:
    vectors = embedder.encode([ticket.text for ticket in tickets])
    with tempfile.TemporaryDirectory(prefix="tamiz-crosslanguage-") as home:
        remembering = CachedEmbedder(embedder, Path(home) / "vectors.sqlite")
        ingest(shelf_at(Path(home)), remembering, history, source="kb")
        known = remembering.encode([exemplar.text for exemplar in history])
        with KnowledgeBase.open(shelf_at(Path(home)), embedder) as knowledge:
            hybrid = knowledge.search(tickets, vectors, NEIGHBORS)
    return {
        "dense": Evidence(tickets, vectors, _nearest(vectors @ known.T, history)),
        "hybrid": Evidence(tickets, vectors, hybrid),
    }


def _nearest(cosines: Vectors, history: Sequence[Exemplar]) -> list[list[Neighbor]]:
    """For each row of (tickets, exemplars) the nearest ones, best first."""
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBORS]
    return [[Neighbor(history[i], float(row[i])) for i in near] for row, near in zip(cosines, best, strict=True)]


def _voted(
    evidence: Evidence, taxonomy: Taxonomy, history: Sequence[Exemplar], gold: dict[str, list[str | None]]
) -> dict[str, Bools]:
    """By field, which of the tickets that have a label get it."""
    from experts.vote import NeighborVote, label_priors

    said = NeighborVote(taxonomy, label_priors([e.labels for e in history], taxonomy, list(gold))).log_probs(evidence)
    names = {field: np.array(taxonomy.labels(field)) for field in gold}
    return {field: names[field][said[field].argmax(axis=1)] == np.array(wanted) for field, wanted in gold.items()}


def ranks(asked: Vectors, found: Vectors) -> NDArray[np.intp]:
    """For each row of `asked` the rank of the same row of `found`, from 1; a tie counts against it. Shape (n,)."""
    cosines = asked @ found.T
    at_least: NDArray[np.intp] = (cosines >= np.diag(cosines)[:, None]).sum(axis=1)
    return at_least


def _hits(embedder: Embedder, pairs: Sequence[dict[str, str]]) -> Hits:
    spanish, english = (embedder.encode([pair[language] for pair in pairs]) for language in ("es", "en"))
    found = {"es_en": ranks(spanish, english), "en_es": ranks(english, spanish)}
    return {f"{way}_top_{k}": rank <= k for way, rank in found.items() for k in TOP}


def _compared(hits: dict[str, Hits], embedders: dict[str, Embedder]) -> dict[str, Any]:
    """Shares of hits with Wilson's intervals; where there are two embedders, also what the second one wins and loses."""
    result: dict[str, Any] = {
        name: {"model": embedders[name].name, **{what: _share(right) for what, right in found.items()}}
        for name, found in hits.items()
    }
    if len(hits) > 1:
        before, after = hits.values()
        result["difference"] = {what: _difference(before[what], after[what]) for what in before}
    return result


def _share(hits: Bools) -> str:
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return f"{hits.mean():.3f} ({low:.3f}-{high:.3f})"


def _difference(before: Bools, after: Bools) -> dict[str, Any]:
    """Won, lost, their difference in points with its 95 % interval (Wald, paired), and McNemar's exact p."""
    won, lost, n = int((after & ~before).sum()), int((before & ~after).sum()), len(before)
    share = (won - lost) / n
    half = 1.96 * ((won + lost) / n - share**2) ** 0.5 / n**0.5
    interval = [round(100.0 * bound, 1) for bound in (share - half, share + half)]
    return {"points": round(100.0 * share, 1), "ci": interval, "won": won, "lost": lost, "p": mcnemar_p(after, before)}


if __name__ == "__main__":
    main()
