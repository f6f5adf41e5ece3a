"""What the nightly audit finds: `python -m benchmarks.audit --kb KB --test TEST --field category [--flips 0.05] [--seed N]`.

A share of the labels is flipped to another label of the field. Then: precision and recall of the list of suspects and of a simple
one (all that is told another label out of fold), whole and at their length; accuracy on the same test tickets with clean
labels, without the own copies, with the flips, after a reviewer who knows the truth looked at every suspect, and with every
proposal taken over unseen. Last, near-duplicates and contradictions that are planted.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from batch.assemble import make_pipeline
from batch.evaluation import Plan, decide_all
from batch.scoring import score_field
from benchmarks.nights import World
from core.metrics import wilson_interval
from core.ticket import Exemplar
from experts.audit import Suspect, suspects
from experts.fit import fit
from experts.fitted import Fitted, HeldOut
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.ingest import exemplar_id, ingest
from knowledge.upkeep import contradictions, merges

PLANTED = 100


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--field", default="category")
    parser.add_argument("--flips", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamiz-audit-") as home:
        world = World(Plan(chosen.kb, chosen.test, (chosen.field,), {}), Path(home))
        result = {"labels": _labels(world, chosen.flips, chosen.seed), "planted": _planted(world, chosen.seed)}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def _labels(world: World, share: float, seed: int) -> dict[str, Any]:
    truth = {one.source_id: one.labels[world.field] for one in world.history}
    dirty, flipped = _flipped(world, share, seed)
    _, whole, clean_accuracy = _scored(world, world.history)
    copies = {entry.exemplar.id for entry in merges(whole, ())}
    fitted, exemplars, dirty_accuracy = _scored(world, dirty)
    found = suspects(world.taxonomy, exemplars, fitted.held_out)
    ranked = {
        "suspects": [one.exemplar.source_id for one in found],
        "likeliest label is another": _otherwise(world, exemplars, fitted.held_out[world.field]),
    }
    length = len(found)
    repaired = [
        replace(one, labels={**one.labels, world.field: truth[one.source_id]}) if one.source_id in _ids(found) else one
        for one in dirty
    ]
    trusted = {one.exemplar.source_id: one.likely for one in found}
    unseen = [
        replace(one, labels={**one.labels, world.field: trusted.get(one.source_id, one.labels[world.field])}) for one in dirty
    ]
    return {
        "n": len(dirty),
        "flipped": len(flipped),
        "lists": {name: _quality(ids, flipped) for name, ids in ranked.items()}
        | {f"{name}, first {length}": _quality(ids[:length], flipped) for name, ids in ranked.items()},
        "right_proposal": sum(truth[one.exemplar.source_id] == one.likely for one in found if one.exemplar.source_id in flipped),
        "accuracy": {
            "clean": clean_accuracy,
            "clean, copies merged": _scored(world, [one for one in whole if one.id not in copies])[2],
            "flipped": dirty_accuracy,
            "reviewed": _scored(world, repaired)[2],
            "proposals taken unseen": _scored(world, unseen)[2],
        },
    }


def _ids(found: Sequence[Suspect]) -> set[str]:
    return {one.exemplar.source_id for one in found}


def _flipped(world: World, share: float, seed: int) -> tuple[list[Exemplar], set[str]]:
    rng = random.Random(seed)
    labels = world.taxonomy.labels(world.field)
    chosen = set(rng.sample(range(len(world.history)), round(share * len(world.history))))
    rows = [
        replace(one, labels={**one.labels, world.field: rng.choice([x for x in labels if x != one.labels[world.field]])})
        if place in chosen
        else one
        for place, one in enumerate(world.history)
    ]
    return rows, {world.history[place].source_id for place in chosen}


def _otherwise(world: World, exemplars: Sequence[Exemplar], held: HeldOut) -> list[str]:
    """Source ids of the exemplars that are told another label out of fold, the surest first."""
    order = np.argsort(-held.confidence, kind="stable")
    return [exemplars[held.rows[i]].source_id for i in order if not held.right[i]]


def _quality(ids: Sequence[str], flipped: Collection[str]) -> dict[str, Any]:
    right = sum(one in flipped for one in ids)
    return {
        "n": len(ids),
        "precision": right / max(1, len(ids)),
        "precision_ci": wilson_interval(right, len(ids)),
        "recall": right / len(flipped),
        "recall_ci": wilson_interval(right, len(flipped)),
    }


def _scored(world: World, rows: Sequence[Exemplar]) -> tuple[Fitted, list[Exemplar], float]:
    """The fit on these rows, the rows in the order of the fit, and its accuracy on the test tickets."""
    with _base(world, rows) as knowledge:

        def search(tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - the types of `core.retrieval.Search`
            return knowledge.search(tickets, vectors, k, exclude=exclude)

        exemplars = sorted(knowledge.exemplars(), key=lambda one: (one.source, one.source_id, one.id))
        vectors = world.remembering.encode([one.text for one in exemplars])
        fitted = fit(world.taxonomy, exemplars, vectors, search, world.remembering.encode)
        pipeline = make_pipeline(world.taxonomy, world.intake, world.remembering, search, fitted, world.settings)
        decided = decide_all(pipeline, world.test, world.settings.run.chunk)
        score = score_field(world.field, fitted, decided, world.gold)
        sys.stderr.write(f"{len(exemplars)} exemplars: {score['accuracy']:.4f} {score['accuracy_ci']}\n")
        return fitted, exemplars, score["accuracy"]


@contextmanager
def _base(world: World, rows: Sequence[Exemplar]) -> Iterator[KnowledgeBase]:
    with tempfile.TemporaryDirectory(dir=world.home) as folder:
        shelf = shelf_at(Path(folder))
        ingest(shelf, world.remembering, rows, source="table")
        with KnowledgeBase.open(shelf, world.embedder) as knowledge:
            yield knowledge


def _planted(world: World, seed: int) -> dict[str, Any]:
    """Half of the copies keep their label, half get another one; what the base has of its own is counted apart."""
    rng = random.Random(seed)
    labels = world.taxonomy.labels(world.field)
    rows = rng.sample(world.history, PLANTED)
    copies = []
    for place, one in enumerate(rows):
        label = one.labels[world.field] if place % 2 else rng.choice([x for x in labels if x != one.labels[world.field]])
        copies.append(_copy(replace(one, labels={**one.labels, world.field: label}), place, rng))
    with _base(world, world.history) as knowledge:
        own = knowledge.exemplars()
    with _base(world, [*world.history, *copies]) as knowledge:
        both = knowledge.exemplars()
    merged = [entry.exemplar for entry in merges(both, ())]
    doubted = [entry.exemplar for entry in contradictions(both, ())]
    groups = {one.source_id: one.duplicate_group for one in both}
    alike, unlike = [c for i, c in enumerate(copies) if i % 2], [c for i, c in enumerate(copies) if not i % 2]
    return {
        "copies": {"same label": len(alike), "other label": len(unlike)},
        "found": {
            "same label": sum(_together(groups, c) for c in alike),
            "other label": sum(_together(groups, c) for c in unlike),
        },
        "merged": len(merged) - len(merges(own, ())),
        "contradictions": len(doubted) - len(contradictions(own, ())),
        "of_their_own": {"merged": len(merges(own, ())), "contradictions": len(contradictions(own, ()))},
    }


def _copy(one: Exemplar, place: int, rng: random.Random) -> Exemplar:
    """The same complaint sent again: a greeting, a number, a typing error, words left out at the end."""
    words = one.body.split() or one.subject.split()
    at = rng.randrange(len(words))
    words[at] = words[at][::-1] if len(words) > 12 else words[at]
    if len(words) > 20:
        words = words[: -rng.randint(1, 2)]
    made = replace(
        one,
        body=" ".join([rng.choice(("Hola,", "Hi,", "Buenas,", "")), *words, rng.choice(("gracias", "thanks", ""))]).strip(),
        source_id=f"{one.source_id}+{place}",
    )
    return replace(made, id=exemplar_id(made))


def _together(groups: dict[str, str], copy: Exemplar) -> bool:
    original = copy.source_id.rsplit("+", 1)[0]
    return bool(groups.get(copy.source_id)) and groups[copy.source_id] == groups.get(original)


if __name__ == "__main__":
    main()
