"""`fit`: from a knowledge base to experts, weights, calibration, thresholds and critic, all on out-of-fold predictions.

No exemplar ever sees itself nor its near-duplicates: they share a fold, and neighbours of the same group are left out.
Weights and temperature are cross-fitted (a fold's fused predictions come from the other folds' weights), so that the
thresholds and the critic learn from predictions as honest as those on new tickets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.errors import FitError
from core.fusion import FieldFusion, fit_fusion
from core.gate import Threshold, fit_threshold
from core.metrics import exceeds_standard_error
from core.pipeline import Expert, Reviewer, fuse
from core.proposal import propose
from core.retrieval import Search
from core.taxonomy import Taxonomy
from core.ticket import Exemplar, Vectors
from core.triage import LogProbs, Triage
from experts.critic import (
    StatisticalCritic,
    field_features,
    fit_logistic,
    fit_whole,
    judged_fields,
)
from experts.fitted import Fitted, HeldOut
from experts.labeltext import embed_labels
from experts.linear import fit_linear
from experts.outoffold import (
    OutOfFold,
    TrainEncoder,
    fold_exemplars,
    fresh_rows,
    unseen_evidence,
    unseen_heads,
    with_author,
    with_encoder,
)
from experts.probe import fit_probe
from experts.reviewed import with_reviews
from experts.vote import NeighborVote, label_priors

Encode = Callable[[Sequence[str]], Vectors]
Progress = Callable[[str], None]
Learned = Callable[[str], bool]
MakeAuthor = Callable[[Mapping[str, NDArray[np.float64]]], Expert | None]
MakeReviewer = Callable[[Mapping[str, NDArray[np.float64]]], Reviewer | None]

MIN_LABELLED = 20
"""With fewer labelled exemplars a field can't be fitted."""
READ_BY_AUTHOR = 600
"""Exemplars that a language model reads for the fit."""
LEAST_FRESH = 200
"""With fewer exemplars that it was not fine-tuned on, a language model can't be weighed and has no say in the fusion."""
SUSPECT = 0.05
"""An exemplar whose own label is less likely than this, judged by all the others, is suspect."""


def fit(
    taxonomy: Taxonomy,
    exemplars: Sequence[Exemplar],
    vectors: Vectors,
    search: Search,
    encode: Encode,
    *,
    k: int = 30,
    folds: int = 5,
    seed: int = 0,
    train_encoder: TrainEncoder | None = None,
    author: MakeAuthor = lambda priors: None,
    reviewer: MakeReviewer = lambda priors: None,
    learned: Learned = lambda text: False,
    glossary: Mapping[str, str] = MappingProxyType({}),
    progress: Progress = lambda stage: None,
) -> Fitted:
    """Fit everything on exemplars and their unit vectors (n, d).

    `author` makes a language model's opinions from the label priors. It reads exemplars with their neighbours outside their own
    near-duplicates; where that does not pay, it is left out of the fit. `reviewer` makes the language model's part of
    the critic; it too is left out where it does not pay. `learned` tells the texts that either was fine-tuned on: they say
    nothing about how good it is, and are not read. `glossary` has the operator's own words for single labels.

    Raises:
        FitError: no field has enough labelled exemplars.
    """
    exemplars = [replace(e, labels=known) for e, known in zip(exemplars, known_labels(taxonomy, exemplars), strict=True)]
    labels = [exemplar.labels for exemplar in exemplars]
    fields = fittable_fields(taxonomy, labels)
    texts = [exemplar.text for exemplar in exemplars]
    vote = NeighborVote(taxonomy, label_priors(labels, taxonomy, fields))
    label_text = embed_labels(taxonomy, fields, encode, glossary)
    progress("neighbours, out of fold")
    evidence = unseen_evidence(exemplars, vectors, search, k)
    fold = fold_exemplars(exemplars, fields[0], folds, seed)
    untrained: tuple[Expert, ...] = (vote, replace(vote, wording=True), label_text)
    heard = {expert.name: expert.log_probs(evidence) for expert in untrained}
    progress("linear heads, out of fold")
    heads = unseen_heads(texts, vectors, labels, taxonomy, fields, fold)
    oof = OutOfFold(np.arange(len(exemplars)), fold, evidence, {**heard, **heads})
    encoder = None
    if train_encoder is not None:
        progress("encoder")
        trained = train_encoder(texts, labels, taxonomy, fields, fold)
        encoder = trained.expert
        oof = with_encoder(oof, trained)
    if (reader := author(vote.priors)) is not None:
        progress("language model, out of fold")
        oof = _read(taxonomy, fields, oof, labels, reader, _sample(oof, exemplars, learned, seed))
    progress("weights, calibration, thresholds, critic")
    fusion, fused = _final_fusion(taxonomy, fields, oof, labels), _cross_fused(taxonomy, fields, oof, labels)
    triages = propose(taxonomy, oof.evidence, fused)
    right = _correctness(triages, [labels[i] for i in oof.rows], fields)
    critic = _fit_critic(taxonomy, fields, oof, fused, triages, right, _suspects(taxonomy, exemplars, oof, fused))
    if (second := reviewer(vote.priors)) is not None:
        progress("language model as a critic, out of fold")
        critic = with_reviews(critic, oof, fused, triages, right, second, _sample(oof, exemplars, learned, seed))
    held_out = {f: _held_out(f, triages, right[f], oof.rows, fused[f]) for f in fields}
    progress("linear heads, on everything")
    return Fitted(
        taxonomy=taxonomy,
        fields=fields,
        k=k,
        linear=fit_linear(texts, labels, taxonomy, fields),
        probe=fit_probe(vectors, labels, taxonomy, fields),
        vote=vote,
        label_text=label_text,
        fusion=fusion,
        thresholds={f: _threshold(taxonomy, f, held_out[f]) for f in fields},
        critic=critic,
        quality=_quality(taxonomy, fields, oof, labels, right),
        encoder=encoder,
        folds=fold,
        held_out=held_out,
    )


def _sample(oof: OutOfFold, exemplars: Sequence[Exemplar], learned: Learned, seed: int) -> NDArray[np.intp]:
    """Places of the rows that a language model reads; none where too few are new to it."""
    fresh = fresh_rows(oof, exemplars, learned)
    if len(fresh) < min(LEAST_FRESH, len(oof.rows)):
        return fresh[:0]
    return np.sort(np.random.default_rng(seed).permutation(fresh)[:READ_BY_AUTHOR])


def _read(
    taxonomy: Taxonomy,
    fields: Sequence[str],
    oof: OutOfFold,
    labels: Sequence[Mapping[str, str]],
    reader: Expert,
    rows: NDArray[np.intp],
) -> OutOfFold:
    """With the language model's opinions of `rows`, or unchanged where there are none or they do not pay.

    Only those rows are left then to fit everything else on. So what is compared, on the same rows and cross-fitted, is the fusion
    with it fitted on them and the fusion without it fitted on all.
    """
    if not len(rows):
        return oof
    read = with_author(oof, reader, rows)
    without = _losses(taxonomy, fields, oof, labels)[rows]
    return read if exceeds_standard_error(without - _losses(taxonomy, fields, read, labels)) else oof


def _losses(
    taxonomy: Taxonomy, fields: Sequence[str], oof: OutOfFold, labels: Sequence[Mapping[str, str]]
) -> NDArray[np.float64]:
    """Log loss in nats of each row, shape (rows,), summed over the fields that it has a label of."""
    fused, total = _cross_fused(taxonomy, fields, oof, labels), np.zeros(len(oof.rows))
    for field, log_p in fused.items():
        gold = _gold(taxonomy, field, [labels[i] for i in oof.rows])
        total -= np.where(gold >= 0, log_p[np.arange(len(gold)), gold], 0.0)
    return total


def known_labels(taxonomy: Taxonomy, exemplars: Sequence[Exemplar]) -> list[dict[str, str]]:
    """Each exemplar's labels as far as the taxonomy has them: it may have been changed since they were ingested."""
    known = {field: frozenset(taxonomy.labels(field)) for field in taxonomy.fields}
    return [{f: label for f, label in e.labels.items() if label in known.get(f, ())} for e in exemplars]


def fittable_fields(taxonomy: Taxonomy, labels: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The active fields with at least MIN_LABELLED exemplars and two labels among them."""
    seen = {f: [row[f] for row in labels if f in row] for f in taxonomy.active()}
    fields = tuple(f for f, values in seen.items() if len(values) >= MIN_LABELLED and len(set(values)) > 1)
    if not fields:
        counts = ", ".join(f"{f}: {len(v)}" for f, v in seen.items())
        raise FitError(
            f"No field has {MIN_LABELLED} labelled exemplars with two different labels ({counts}).",
            remedy="Ingest more resolved tickets, or check with `--map` that the label columns are recognised.",
        )
    return fields


def _cross_fused(
    taxonomy: Taxonomy, fields: Sequence[str], oof: OutOfFold, labels: Sequence[Mapping[str, str]]
) -> dict[str, LogProbs]:
    """Fused predictions of each field, those of a fold with weights that were fitted on the others."""
    gold = {f: _gold(taxonomy, f, [labels[i] for i in oof.rows]) for f in fields}
    fused = {f: np.empty((len(oof.rows), len(taxonomy.labels(f)))) for f in fields}
    for number in np.unique(oof.folds):
        held = np.flatnonzero(oof.folds == number)
        others = {f: _fit_field(oof, f, gold[f], oof.folds != number) for f in fields}
        heard = {name: {f: p[held] for f, p in said.items()} for name, said in oof.opinions.items()}
        for field, log_p in fuse(others, heard).items():
            fused[field][held] = log_p
    return fused


def _final_fusion(
    taxonomy: Taxonomy, fields: Sequence[str], oof: OutOfFold, labels: Sequence[Mapping[str, str]]
) -> dict[str, FieldFusion]:
    """The weights of each field, fitted on all rows."""
    gold = {f: _gold(taxonomy, f, [labels[i] for i in oof.rows]) for f in fields}
    return {f: _fit_field(oof, f, gold[f], np.ones(len(oof.rows), dtype=bool)) for f in fields}


def _fit_field(oof: OutOfFold, field: str, gold: NDArray[np.intp], among: NDArray[np.bool_]) -> FieldFusion:
    """The equal pool where none of the rows has a label."""
    rows = np.flatnonzero((gold >= 0) & among)
    if not len(rows):
        return FieldFusion(dict.fromkeys(oof.opinions, 1.0 / len(oof.opinions)), 1.0)
    return fit_fusion({name: said[field][rows] for name, said in oof.opinions.items()}, gold[rows])


def _gold(taxonomy: Taxonomy, field: str, labels: Sequence[Mapping[str, str]]) -> NDArray[np.intp]:
    """Label indices, -1 where an exemplar has none."""
    index = {name: i for i, name in enumerate(taxonomy.labels(field))}
    return np.array([index[row[field]] if field in row else -1 for row in labels], dtype=np.intp)


def _correctness(
    triages: Sequence[Triage], labels: Sequence[Mapping[str, str]], fields: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """field -> 1 right, 0 wrong, nan unknown, shape (tickets,)."""
    return {
        f: np.array(
            [float(t.proposals[f].label == row[f]) if f in row else np.nan for t, row in zip(triages, labels, strict=True)]
        )
        for f in fields
    }


def _held_out(
    name: str, triages: Sequence[Triage], right: NDArray[np.float64], rows: NDArray[np.intp], fused: LogProbs
) -> HeldOut:
    known = np.flatnonzero(~np.isnan(right))
    proposals = [triages[i].proposals[name] for i in known.tolist()]
    confidence, predicted = np.array([p.confidence for p in proposals]), np.array([p.label for p in proposals])
    return HeldOut(confidence, right[known] == 1.0, predicted, rows[known], fused[known])


def _threshold(taxonomy: Taxonomy, name: str, held: HeldOut) -> Threshold:
    return fit_threshold(held.confidence, held.right, held.predicted, taxonomy.fields[name].target_precision)


def _fit_critic(
    taxonomy: Taxonomy,
    fields: Sequence[str],
    oof: OutOfFold,
    fused: Mapping[str, LogProbs],
    triages: Sequence[Triage],
    right: Mapping[str, NDArray[np.float64]],
    suspects: frozenset[str],
) -> StatisticalCritic:
    judged, experts = judged_fields(taxonomy, fields), tuple(oof.opinions)
    models, probability = {}, {}
    for field in judged:
        x = field_features(taxonomy, experts, oof.evidence, oof.opinions, fused, triages, field)
        known = ~np.isnan(right[field])
        models[field] = fit_logistic(x[known], right[field][known] == 1.0)
        probability[field] = models[field].probability(x)
    whole = fit_whole(probability, np.column_stack([right[f] for f in judged]))
    return StatisticalCritic(taxonomy, experts, models, whole, suspects)


def _suspects(taxonomy: Taxonomy, exemplars: Sequence[Exemplar], oof: OutOfFold, fused: Mapping[str, LogProbs]) -> frozenset[str]:
    found: set[str] = set()
    for field, log_p in fused.items():
        gold = _gold(taxonomy, field, [exemplars[i].labels for i in oof.rows])
        rows = np.flatnonzero(gold >= 0)
        unlikely = rows[log_p[rows, gold[rows]] < np.log(SUSPECT)]
        found.update(exemplars[oof.rows[i]].id for i in unlikely)
    return frozenset(found)


def _quality(
    taxonomy: Taxonomy,
    fields: Sequence[str],
    oof: OutOfFold,
    labels: Sequence[Mapping[str, str]],
    right: Mapping[str, NDArray[np.float64]],
) -> dict[str, dict[str, float]]:
    quality = {}
    for field in fields:
        gold = _gold(taxonomy, field, [labels[i] for i in oof.rows])
        n = max(1, int((gold >= 0).sum()))
        accuracy = {name: float((said[field].argmax(axis=1) == gold).sum()) / n for name, said in oof.opinions.items()}
        quality[field] = {"n": float((gold >= 0).sum()), "fusion": float((right[field] == 1.0).sum()) / n, **accuracy}
    return quality
