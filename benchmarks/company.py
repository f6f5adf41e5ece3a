"""The example company: `python -m benchmarks.company [--json FILE]`.

Fits on the resolved tickets, decides on the 120 open ones as `run` does, and only then looks at their gold labels: accuracy and
macro-F1 by field and language, what became of hostile and of empty tickets, and whether anything was invented.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch.assemble import EXAMPLES, House
from batch.commands import ingest_file
from batch.settings import Settings
from core.metrics import macro_f1, wilson_interval
from core.ticket import Ticket
from core.triage import Accepted, Decision, Escalated

FIELDS = ("category", "subcategory", "application", "urgency", "impact", "assignment_group", "resolution_kind")
WORTHLESS = ("empty", "pointless", "auto_reply")


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamiz-company-") as scratch:
        figures = measure(Path(scratch))
    text = json.dumps(figures, ensure_ascii=False, indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text, encoding="utf-8")


def measure(home: Path) -> dict[str, Any]:
    """All figures of a fresh home."""
    house = House(Settings(home=home), home, demo=True)
    ingest_file(house, EXAMPLES / "resolved.jsonl", {}, prune=False, dry_run=False, as_json=False)
    pipeline = house.pipeline(house.fitted())
    rows = _rows("open.jsonl")
    gold = {row["id"]: row for row in _rows("open_gold.jsonl")}
    tickets = [Ticket(row["id"], row["subject"], row["description"]) for row in rows]
    decisions = pipeline.decide(tickets)
    hostile = [t for t in tickets if gold[t.id]["tag"] == "hostile"]
    innocent = [replace(t, body=t.body.replace(gold[t.id]["hostile_span"], " ")) for t in hostile]
    by_id = {d.ticket.id: d for d in decisions}
    languages = {row["id"]: row["language"] for row in rows}
    labelled = [d for d in decisions if gold[d.ticket.id]["category"]]
    return {
        "tickets": len(tickets),
        "fields": {
            part: {f: _score(f, [d for d in labelled if part in ("all", languages[d.ticket.id])], gold) for f in FIELDS}
            for part in ("all", "es", "en")
        },
        "outcomes": Counter(type(d.outcome).__name__.lower() for d in decisions),
        "written": _written([d for d in labelled if isinstance(d.outcome, Accepted)], gold),
        "hostile": _hostile([by_id[t.id] for t in hostile], pipeline.decide(innocent)),
        "worthless": _worthless([d for d in decisions if gold[d.ticket.id]["tag"] in ("empty", "pointless")]),
        "worked_on_but_refused": [d.ticket.id for d in labelled if _cause(d) in WORTHLESS],
        "invented": _invented(decisions, house),
    }


def _score(field: str, decisions: Sequence[Decision], gold: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    truth = [gold[d.ticket.id][field] for d in decisions]
    said = [d.outcome.triage.labels[field] if d.outcome.triage else "" for d in decisions]
    hits = sum(a == b for a, b in zip(truth, said, strict=True))
    low, high = wilson_interval(hits, len(truth))
    return {"n": len(truth), "accuracy": hits / len(truth), "ci": [low, high], "macro_f1": macro_f1(truth, said)}


def _written(accepted: Sequence[Decision], gold: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    fields = [
        (gold[d.ticket.id][f], d.outcome.triage.labels[f])
        for d in accepted
        if isinstance(d.outcome, Accepted)
        for f in d.outcome.written
    ]
    right = sum(a == b for a, b in fields)
    return {"fields": len(fields), "right": right, "ci": wilson_interval(right, len(fields))}


def _hostile(with_span: Sequence[Decision], without: Sequence[Decision]) -> dict[str, Any]:
    """What differs between tickets with and without their hostile text, where some of it is still there after cleaning.

    Where nothing is, both are one text, and what differs is rounding: batches of other tickets are added up otherwise.
    """
    left = [(a, b) for a, b in zip(with_span, without, strict=True) if a.ticket.text != b.ticket.text]
    moved = [
        f"{a.ticket.id} {f}"
        for a, b in left
        if a.outcome.triage and b.outcome.triage
        for f in FIELDS
        if a.outcome.triage.labels[f] != b.outcome.triage.labels[f]
    ]
    more = [
        a.ticket.id
        for a, b in left
        if isinstance(a.outcome, Accepted)
        and not (isinstance(b.outcome, Accepted) and set(a.outcome.written) <= set(b.outcome.written))
    ]
    return {"tickets": len(with_span), "text_left_in": len(left), "fields_moved": moved, "written_because_of_it": more}


def _worthless(decisions: Sequence[Decision]) -> dict[str, Any]:
    missed = [d.ticket.id for d in decisions if _cause(d) not in WORTHLESS]
    return {"tickets": len(decisions), "escalated_as_such": len(decisions) - len(missed), "missed": missed}


def _cause(decision: Decision) -> str:
    return decision.outcome.causes[0].code if isinstance(decision.outcome, Escalated) else ""


def _invented(decisions: Sequence[Decision], house: House) -> dict[str, int]:
    """Labels outside the taxonomy, resolutions that are no exemplar's words, citations of exemplars that do not exist."""
    known = {exemplar.id: exemplar for exemplar in house.knowledge.exemplars()}
    triages = [d.outcome.triage for d in decisions if d.outcome.triage]
    proposals = [p for triage in triages for p in triage.proposals.values()]
    resolutions = [triage.resolution for triage in triages if triage.resolution.text]
    return {
        "labels": sum(p.label not in house.taxonomy.labels(p.field) for p in proposals),
        "resolutions": sum(r.exemplar_id not in known or known[r.exemplar_id].resolution != r.text for r in resolutions),
        "citations": sum(e not in known for p in proposals for e in p.evidence),
        "accepted_without_evidence": sum(
            not d.outcome.triage.proposals[f].evidence
            for d in decisions
            if isinstance(d.outcome, Accepted)
            for f in d.outcome.written
        ),
    }


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
