"""Out-of-fold predictions: what each expert says of exemplars it has not seen, neither them nor their near-duplicates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.pipeline import Expert
from core.retrieval import Search
from core.splits import group_folds
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Exemplar, Vectors
from core.triage import LogProbs, Opinions
from experts.linear import fit_linear
from experts.probe import fit_probe


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What the experts say of exemplars they have not seen: `rows` index the exemplars, everything else is aligned to them."""

    rows: NDArray[np.intp]
    folds: NDArray[np.intp]
    evidence: Evidence
    opinions: Opinions


@dataclass(frozen=True, slots=True)
class EncoderOpinions:
    """What an encoder says out of fold: `rows` it was not trained on, field -> log-probabilities of those rows, and itself."""

    rows: NDArray[np.intp]
    opinions: Mapping[str, LogProbs]
    expert: Expert


TrainEncoder: TypeAlias = Callable[
    [Sequence[str], Sequence[Mapping[str, str]], Taxonomy, Sequence[str], NDArray[np.intp]], EncoderOpinions
]


def as_ticket(exemplar: Exemplar) -> CleanTicket:
    """An exemplar as if it had just come in."""
    return CleanTicket(exemplar.id, exemplar.subject, exemplar.body, mailbox=exemplar.mailbox, language=exemplar.language)


def fold_exemplars(exemplars: Sequence[Exemplar], field: str, folds: int, seed: int) -> NDArray[np.intp]:
    """Fold of each exemplar; near-duplicates share one, labels of `field` are spread."""
    # Numbered as they come, not by id: ids depend on the redaction key, and the folds of every home should be the same.
    number: dict[str, int] = {}
    groups = np.array([number.setdefault(e.duplicate_group or e.id, len(number)) for e in exemplars], dtype=np.intp)
    return group_folds(groups, np.array([e.labels.get(field, "") for e in exemplars]), folds, seed)


def unseen_evidence(exemplars: Sequence[Exemplar], vectors: Vectors, search: Search, k: int) -> Evidence:
    """Each exemplar as a ticket, with its neighbours outside its own near-duplicate group."""
    members: dict[str, set[str]] = {}
    for exemplar in exemplars:
        members.setdefault(exemplar.duplicate_group or exemplar.id, set()).add(exemplar.id)
    tickets = [as_ticket(e) for e in exemplars]
    return Evidence(tickets, vectors, search(tickets, vectors, k, [members[e.duplicate_group or e.id] for e in exemplars]))


def unseen_heads(
    texts: Sequence[str],
    vectors: Vectors,
    labels: Sequence[Mapping[str, str]],
    taxonomy: Taxonomy,
    fields: Sequence[str],
    fold: NDArray[np.intp],
) -> dict[str, dict[str, LogProbs]]:
    """linear, probe -> field -> log-probabilities (exemplars, labels), each row by heads that were fitted without its fold."""
    result = {name: {f: np.empty((len(texts), len(taxonomy.labels(f)))) for f in fields} for name in ("linear", "probe")}
    for number in np.unique(fold):
        seen, held = np.flatnonzero(fold != number).tolist(), np.flatnonzero(fold == number).tolist()
        known = [labels[i] for i in seen]
        linear = fit_linear([texts[i] for i in seen], known, taxonomy, fields).read([texts[i] for i in held])
        probe = fit_probe(vectors[seen], known, taxonomy, fields).read(vectors[held])
        for name, said in (("linear", linear), ("probe", probe)):
            for field, log_p in said.items():
                result[name][field][held] = log_p
    return result


def with_encoder(oof: OutOfFold, trained: EncoderOpinions) -> OutOfFold:
    """Only the rows that the encoder has not seen remain."""
    less = only(oof, trained.rows)
    return replace(less, opinions={**less.opinions, trained.expert.name: trained.opinions})


def with_author(oof: OutOfFold, author: Expert, rows: NDArray[np.intp]) -> OutOfFold:
    """Of `rows`, given as places, with the opinions of a language model, which takes a tenth of a second or more for each."""
    read = only(oof, rows) if len(rows) < len(oof.rows) else oof
    return replace(read, opinions={**read.opinions, author.name: author.log_probs(read.evidence)})


def fresh_rows(oof: OutOfFold, exemplars: Sequence[Exemplar], learned: Callable[[str], bool]) -> NDArray[np.intp]:
    """Places of the rows that a model has not learned, nor any near-duplicate of them."""
    groups = {e.duplicate_group or e.id for e in exemplars if learned(e.text)}
    places = [p for p, i in enumerate(oof.rows) if (exemplars[i].duplicate_group or exemplars[i].id) not in groups]
    return np.array(places, dtype=np.intp)


def only(oof: OutOfFold, rows: NDArray[np.intp]) -> OutOfFold:
    """The same for some of its rows, given as places in it."""
    kept = {name: {f: said[rows] for f, said in fields.items()} for name, fields in oof.opinions.items()}
    evidence = Evidence(
        [oof.evidence.tickets[i] for i in rows], oof.evidence.vectors[rows], [oof.evidence.neighbors[i] for i in rows]
    )
    folds = oof.folds[rows] if len(np.unique(oof.folds[rows])) > 1 else np.arange(len(rows)) % 2
    return OutOfFold(oof.rows[rows], folds, evidence, kept)
