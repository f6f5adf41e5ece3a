"""`fit`: from a knowledge base to experts, weights, calibration, thresholds and critic, all on out-of-fold predictions.

No exemplar ever sees itself nor its near-duplicates: they share a fold, and neighbours of the same group are left out.
Weights and temperature are cross-fitted (a fold's fused predictions come from the other folds' weights), so that the
thresholds and the critic learn from predictions as honest as those on new tickets.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import FitError
from core.fusion import FieldFusion, fit_fusion
from core.gate import Threshold, fit_threshold
from core.pipeline import Expert, fuse
from core.proposal import propose
from core.splits import group_folds
from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor, Vectors
from core.triage import LogProbs, Opinions, Triage
from experts.critic import (
    StatisticalCritic,
    field_features,
    fit_logistic,
    judged_fields,
    undoubted_fields,
    whole_features,
)
from experts.labeltext import LabelText, embed_labels
from experts.linear import LinearHead, fit_linear
from experts.vote import NeighborVote, label_priors

Search = Callable[[Sequence[CleanTicket], Vectors, int, Sequence[Collection[str]]], Sequence[Sequence[Neighbor]]]
Encode = Callable[[Sequence[str]], Vectors]
Progress = Callable[[str], None]

MIN_LABELLED = 20
"""With fewer labelled exemplars a field can't be fitted."""
SUSPECT = 0.05
"""An exemplar whose own label is less likely than this, judged by all the others, is suspect."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What the experts say of exemplars they have not seen: `rows` index the exemplars, everything else is aligned to them."""

    rows: NDArray[np.intp]
    folds: NDArray[np.intp]
    evidence: Evidence
    opinions: Opinions


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that `fit` learns. `quality` holds, per field, the out-of-fold accuracy of the fusion and of each expert."""

    taxonomy: Taxonomy
    fields: tuple[str, ...]
    k: int
    linear: LinearHead
    vote: NeighborVote
    label_text: LabelText
    fusion: Mapping[str, FieldFusion]
    thresholds: Mapping[str, Threshold]
    critic: StatisticalCritic
    quality: Mapping[str, Mapping[str, float]]
    encoder: Expert | None = None

    @property
    def experts(self) -> tuple[Expert, ...]:
        """All experts, in the order in which they are asked."""
        base: tuple[Expert, ...] = (self.vote, self.linear, self.label_text)
        return base if self.encoder is None else (*base, self.encoder)


@dataclass(frozen=True, slots=True)
class EncoderOpinions:
    """What an encoder says out of fold: `rows` it was not trained on, field -> log-probabilities of those rows, and itself."""

    rows: NDArray[np.intp]
    opinions: Mapping[str, LogProbs]
    expert: Expert


TrainEncoder = Callable[[Sequence[str], Sequence[Mapping[str, str]], Taxonomy, Sequence[str], NDArray[np.intp]], EncoderOpinions]


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
    progress: Progress = lambda stage: None,
) -> Fitted:
    """Fit everything on exemplars and their unit vectors (n, d).

    Raises:
        FitError: no field has enough labelled exemplars.
    """
    labels = [exemplar.labels for exemplar in exemplars]
    fields = fittable_fields(taxonomy, labels)
    texts = [exemplar.text for exemplar in exemplars]
    fold = _folds(exemplars, fields[0], folds, seed)
    vote = NeighborVote(taxonomy, label_priors(labels, taxonomy, fields))
    label_text = embed_labels(taxonomy, fields, encode)
    progress("neighbours, out of fold")
    evidence = _out_of_fold_evidence(exemplars, vectors, search, k)
    progress("linear head, out of fold")
    linear_oof = _out_of_fold_linear(texts, labels, taxonomy, fields, fold)
    opinions: dict[str, Mapping[str, LogProbs]] = {
        vote.name: vote.log_probs(evidence),
        "linear": linear_oof,
        label_text.name: label_text.log_probs(evidence),
    }
    oof = OutOfFold(np.arange(len(exemplars)), fold, evidence, opinions)
    encoder = None
    if train_encoder is not None:
        progress("encoder")
        trained = train_encoder(texts, labels, taxonomy, fields, fold)
        encoder = trained.expert
        oof = _with_encoder(oof, trained)
    progress("weights, calibration, thresholds, critic")
    fusion, fused, triages = _cross_fit(taxonomy, fields, oof, labels)
    right = _correctness(triages, [labels[i] for i in oof.rows], fields)
    critic = _fit_critic(taxonomy, fields, oof, fused, triages, right, _suspects(taxonomy, exemplars, oof, fused))
    progress("linear head, on everything")
    return Fitted(
        taxonomy=taxonomy,
        fields=fields,
        k=k,
        linear=fit_linear(texts, labels, taxonomy, fields),
        vote=vote,
        label_text=label_text,
        fusion=fusion,
        thresholds={f: _threshold(taxonomy, f, triages, right[f]) for f in fields},
        critic=critic,
        quality=_quality(taxonomy, fields, oof, labels, right),
        encoder=encoder,
    )


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


def as_ticket(exemplar: Exemplar) -> CleanTicket:
    """An exemplar as if it had just come in."""
    return CleanTicket(exemplar.id, exemplar.subject, exemplar.body, mailbox=exemplar.mailbox, language=exemplar.language)


def _folds(exemplars: Sequence[Exemplar], field: str, folds: int, seed: int) -> NDArray[np.intp]:
    _, groups = np.unique([e.duplicate_group or e.id for e in exemplars], return_inverse=True)
    return group_folds(groups, np.array([e.labels.get(field, "") for e in exemplars]), folds, seed)


def _out_of_fold_evidence(exemplars: Sequence[Exemplar], vectors: Vectors, search: Search, k: int) -> Evidence:
    members: dict[str, set[str]] = {}
    for exemplar in exemplars:
        members.setdefault(exemplar.duplicate_group or exemplar.id, set()).add(exemplar.id)
    tickets = [as_ticket(e) for e in exemplars]
    return Evidence(tickets, vectors, search(tickets, vectors, k, [members[e.duplicate_group or e.id] for e in exemplars]))


def _out_of_fold_linear(
    texts: Sequence[str], labels: Sequence[Mapping[str, str]], taxonomy: Taxonomy, fields: Sequence[str], fold: NDArray[np.intp]
) -> dict[str, LogProbs]:
    result = {f: np.empty((len(texts), len(taxonomy.labels(f)))) for f in fields}
    for number in np.unique(fold):
        seen, held = np.flatnonzero(fold != number).tolist(), np.flatnonzero(fold == number).tolist()
        head = fit_linear([texts[i] for i in seen], [labels[i] for i in seen], taxonomy, fields)
        for field, said in head.read([texts[i] for i in held]).items():
            result[field][held] = said
    return result


def _with_encoder(oof: OutOfFold, trained: EncoderOpinions) -> OutOfFold:
    """Only the rows that the encoder has not seen remain."""
    rows = trained.rows
    kept = {name: {f: said[rows] for f, said in fields.items()} for name, fields in oof.opinions.items()}
    evidence = Evidence(
        [oof.evidence.tickets[i] for i in rows], oof.evidence.vectors[rows], [oof.evidence.neighbors[i] for i in rows]
    )
    folds = oof.folds[rows] if len(np.unique(oof.folds[rows])) > 1 else np.arange(len(rows)) % 2
    return OutOfFold(rows, folds, evidence, {**kept, trained.expert.name: trained.opinions})


def _cross_fit(
    taxonomy: Taxonomy, fields: Sequence[str], oof: OutOfFold, labels: Sequence[Mapping[str, str]]
) -> tuple[dict[str, FieldFusion], dict[str, LogProbs], list[Triage]]:
    """The final weights of each field, the cross-fitted fused predictions, and the triages they lead to."""
    gold = {f: _gold(taxonomy, f, [labels[i] for i in oof.rows]) for f in fields}
    fused = {f: np.empty((len(oof.rows), len(taxonomy.labels(f)))) for f in fields}
    for number in np.unique(oof.folds):
        held = np.flatnonzero(oof.folds == number)
        others = {f: _fit_field(oof, f, gold[f], oof.folds != number) for f in fields}
        heard = {name: {f: p[held] for f, p in said.items()} for name, said in oof.opinions.items()}
        for field, log_p in fuse(others, heard).items():
            fused[field][held] = log_p
    fusion = {f: _fit_field(oof, f, gold[f], np.ones(len(oof.rows), dtype=bool)) for f in fields}
    return fusion, fused, propose(taxonomy, oof.evidence, fused)


def _fit_field(oof: OutOfFold, field: str, gold: NDArray[np.intp], among: NDArray[np.bool_]) -> FieldFusion:
    rows = np.flatnonzero((gold >= 0) & among)
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


def _threshold(taxonomy: Taxonomy, field: str, triages: Sequence[Triage], right: NDArray[np.float64]) -> Threshold:
    known = np.flatnonzero(~np.isnan(right)).tolist()
    confidence = np.array([triages[i].proposals[field].confidence for i in known])
    predicted = np.array([triages[i].proposals[field].label for i in known])
    return fit_threshold(confidence, right[known] == 1.0, predicted, taxonomy.fields[field].target_precision)


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
    answers = np.column_stack([right[f] for f in judged])
    complete = ~np.isnan(answers).any(axis=1)
    vouched = undoubted_fields(np.column_stack(list(probability.values())))
    all_right = ((answers == 1.0) | ~vouched).all(axis=1)
    whole = fit_logistic(whole_features(probability)[complete], all_right[complete])
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
        known = gold >= 0
        accuracy = {name: float((said[field].argmax(axis=1) == gold)[known].mean()) for name, said in oof.opinions.items()}
        quality[field] = {"n": float(known.sum()), "fusion": float(np.nanmean(right[field])), **accuracy}
    return quality
