"""The critic without a language model: a model of correctness, trained on the errors that the experts made out of fold.

First each field's probability of being right, from how the experts and the neighbours stand to it; then, over the fields it
does not doubt, the probability that all of them are right. That probability is the score, 0..100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.metrics import Bools, Floats
from core.taxonomy import Mode, Taxonomy
from core.ticket import CleanTicket, Evidence, Neighbor
from core.triage import LogProbs, Opinions, Proposal, Reason, Review, Triage, Verdict

DOUBT = 0.5
"""A field less likely right than this is doubted."""
NEAR = 5
"""Neighbours that are looked at closely."""
FAR, FEW_WORDS, NARROW, SPLIT = 0.45, 6, 0.15, 0.6
"""Below these a similarity is far, a text short, a margin narrow, an agreement split: for the reasons only."""
_LANGUAGES = ("es", "en")


@dataclass(frozen=True, slots=True)
class Logistic:
    """Standardised logistic regression: p = sigmoid(((x - mean) / scale) @ coef + intercept)."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coef: tuple[float, ...]
    intercept: float

    def probability(self, x: Floats) -> Floats:
        """(rows, features) -> (rows,)."""
        z = (x - np.asarray(self.mean)) / np.asarray(self.scale) @ np.asarray(self.coef) + self.intercept
        p: Floats = 1.0 / (1.0 + np.exp(-np.clip(z, -30, 30)))
        return p


def fit_logistic(x: Floats, right: Bools) -> Logistic:
    """Fit on (rows, features) and (rows,). Where all are right, or all wrong, the smoothed rate is the answer; of no row, 0.5."""
    if not len(x):
        return Logistic((0.0,) * x.shape[1], (1.0,) * x.shape[1], (0.0,) * x.shape[1], 0.0)
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    coef = np.zeros(x.shape[1])
    rate = (right.sum() + 1.0) / (len(right) + 2.0)
    intercept = float(np.log(rate / (1.0 - rate)))
    if 0 < right.sum() < len(right):
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=0.3, max_iter=1000).fit((x - mean) / scale, right)
        coef, intercept = model.coef_[0], float(model.intercept_[0])
    return Logistic(tuple(map(float, mean)), tuple(map(float, scale)), tuple(map(float, coef)), intercept)


@dataclass(frozen=True, slots=True)
class StatisticalCritic:
    """Judges by `fields` (probability that the field is right) and `whole` (that all undoubted ones are).

    `reviewed` joins a field's probability with a language model's (see `joint_features`); empty where that does not pay.
    `suspects` are ids of exemplars that their own peers contradict: when one was retrieved for a triage that is rejected,
    the revision leaves it out.
    """

    taxonomy: Taxonomy
    experts: tuple[str, ...]
    fields: Mapping[str, Logistic]
    whole: Logistic
    suspects: frozenset[str]
    approve_at: float = 65.0
    reviewed: Mapping[str, Logistic] = field(default_factory=dict)

    def judge(
        self,
        evidence: Evidence,
        opinions: Opinions,
        fused: Mapping[str, LogProbs],
        triages: Sequence[Triage],
        reviews: Sequence[Review] = (),
    ) -> list[Verdict]:
        """One verdict a triage. With `reviews` the fields in `reviewed` are judged by both critics."""
        right = self.field_probabilities(evidence, opinions, fused, triages)
        if reviews:
            right = joined(self.reviewed, right, reviews)
        score = 100.0 * self.whole.probability(whole_features(right))
        verdicts = [
            self._verdict(evidence, opinions, row, triage, {f: float(p[row]) for f, p in right.items()}, float(score[row]))
            for row, triage in enumerate(triages)
        ]
        words = [review.reason for review in reviews] or [""] * len(triages)
        return [told(verdict, said) for verdict, said in zip(verdicts, words, strict=True)]

    def field_probabilities(
        self, evidence: Evidence, opinions: Opinions, fused: Mapping[str, LogProbs], triages: Sequence[Triage]
    ) -> dict[str, Floats]:
        """field -> probability that its proposed label is right, shape (tickets,)."""
        return {
            field: model.probability(field_features(self.taxonomy, self.experts, evidence, opinions, fused, triages, field))
            for field, model in self.fields.items()
        }

    def _verdict(
        self, evidence: Evidence, opinions: Opinions, row: int, triage: Triage, right: Mapping[str, float], score: float
    ) -> Verdict:
        ticket, near = evidence.tickets[row], evidence.neighbors[row]
        # Written so that nan, which compares with nothing, is doubted and rejected.
        doubts = tuple(field for field, p in right.items() if not p >= DOUBT)
        rejected = not score >= self.approve_at
        avoid = frozenset(n.exemplar.id for n in near if n.exemplar.id in self.suspects) if rejected else frozenset()
        looked_at = doubts or (tuple(right) if rejected else ())
        reasons = [
            *_about_ticket(ticket, near, triage, self.taxonomy),
            *(reason for field in looked_at for reason in _about_field(triage.proposals[field], opinions, self.taxonomy, row)),
        ]
        if rejected and not reasons:
            worst = min(right, key=lambda field: right[field])
            reasons.append(Reason("uncertain", {"field": worst, "label": triage.proposals[worst].label}))
        advice = [Reason("avoid_exemplars", {"count": str(len(avoid))})] if avoid else []
        if rejected:
            advice.append(Reason("ask_user" if len(ticket.text.split()) < FEW_WORDS else "label_more"))
        if not reasons and not rejected:
            reasons.append(Reason("likely_right"))
        return Verdict(score, tuple(reasons), doubts, avoid, tuple(advice))


def told(verdict: Verdict, words: str) -> Verdict:
    """With what the language model says of it in a line, if it says anything."""
    return replace(verdict, reasons=(*verdict.reasons, Reason("critic_says", {"words": words}))) if words else verdict


def joined(models: Mapping[str, Logistic], right: Mapping[str, Floats], reviews: Sequence[Review]) -> dict[str, Floats]:
    """field -> probability of being right by both critics where there is a model for that, else by the statistical one."""
    return {
        field: models[field].probability(joint_features(p, reviews, field)) if field in models else p
        for field, p in right.items()
    }


def joint_features(p: Floats, reviews: Sequence[Review], field: str) -> Floats:
    """Log-odds of the statistical critic and of the language model, shape (tickets, 2)."""
    return np.column_stack([_logit(p), _logit(np.array([review.right[field] for review in reviews]))])


def judged_fields(taxonomy: Taxonomy, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields a verdict is about: those that may be filled in, or all where none may."""
    return tuple(f for f in fields if taxonomy.fields[f].mode is Mode.AUTOFILL) or tuple(fields)


def field_features(
    taxonomy: Taxonomy,
    experts: Sequence[str],
    evidence: Evidence,
    opinions: Opinions,
    fused: Mapping[str, LogProbs],
    triages: Sequence[Triage],
    field: str,
) -> Floats:
    """How experts, neighbours and text stand to each proposed label, shape (tickets, features)."""
    names = taxonomy.labels(field)
    chosen = np.array([names.index(t.proposals[field].label) for t in triages], dtype=np.intp)
    rows = np.arange(len(chosen))
    p = np.exp(fused[field])
    ranked = np.sort(p, axis=1)
    margin = ranked[:, -1] - ranked[:, -2] if p.shape[1] > 1 else ranked[:, -1]
    said = [opinions[name][field] for name in experts if field in opinions[name]]
    agreement = np.mean([opinion.argmax(axis=1) == chosen for opinion in said], axis=0)
    return np.column_stack(
        [
            _logit(p[rows, chosen]),
            margin,
            -(p * fused[field]).sum(axis=1) / max(np.log(p.shape[1]), 1e-9),
            agreement,
            p.argmax(axis=1) != chosen,
            *(np.maximum(opinion[rows, chosen], -8.0) for opinion in said),
            *_near_features(evidence.neighbors, triages, field).T,
            *_text_features(evidence.tickets).T,
        ]
    ).astype(np.float64)


def _near_features(neighbors: Sequence[Sequence[Neighbor]], triages: Sequence[Triage], field: str) -> Floats:
    rows = []
    for near, triage in zip(neighbors, triages, strict=True):
        top = near[:NEAR]
        label = triage.proposals[field].label
        similarities = [n.similarity for n in top] or [0.0]
        support = sum(n.exemplar.labels.get(field) == label for n in top) / NEAR
        rows.append((max(similarities), float(np.mean(similarities)), support))
    return np.asarray(rows)


def _text_features(tickets: Sequence[CleanTicket]) -> Floats:
    return np.array(
        [
            (np.log1p(len(t.text.split())), *(t.language == code for code in _LANGUAGES), bool(t.removed.get("instruction")))
            for t in tickets
        ],
        dtype=np.float64,
    )


def whole_features(right: Mapping[str, Floats]) -> Floats:
    """Of the undoubted fields the worst probability, the sum of logs and the share of all fields: shape (tickets, 3)."""
    p = np.column_stack(list(right.values()))
    undoubted = undoubted_fields(p)
    logs = np.log(np.clip(p, 1e-6, 1.0))
    worst = np.where(undoubted, p, 1.0).min(axis=1)
    return np.column_stack([_logit(worst), np.where(undoubted, logs, 0.0).sum(axis=1), undoubted.mean(axis=1)])


def undoubted_fields(p: Floats) -> Bools:
    """Which fields a verdict vouches for, shape (tickets, fields): the undoubted ones, or all where every field is doubted."""
    sure: Bools = p >= DOUBT
    return sure | ~sure.any(axis=1, keepdims=True)


def fit_whole(judged: Mapping[str, Floats], answers: Floats) -> Logistic:
    """That all undoubted fields are right, learnt from the triages whose labels are all known; `answers` (n, fields)."""
    complete = ~np.isnan(answers).any(axis=1)
    vouched = undoubted_fields(np.column_stack(list(judged.values())))
    all_right = ((answers == 1.0) | ~vouched).all(axis=1)
    return fit_logistic(whole_features(judged)[complete], all_right[complete])


def _logit(p: NDArray[np.float64]) -> Floats:
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    logit: Floats = np.log(clipped / (1 - clipped))
    return logit


def _about_ticket(ticket: CleanTicket, near: Sequence[Neighbor], triage: Triage, taxonomy: Taxonomy) -> list[Reason]:
    reasons = []
    nearest = max((n.similarity for n in near), default=0.0)
    if nearest < FAR:
        reasons.append(Reason("far_from_known", {"similarity": f"{nearest:.2f}"}))
    if len(ticket.text.split()) < FEW_WORDS:
        reasons.append(Reason("little_text"))
    if ticket.removed.get("instruction"):
        reasons.append(Reason("hostile"))
    likeliest = {f: next(iter(p.distribution)) for f, p in triage.proposals.items()}
    if broken := taxonomy.violations(likeliest):
        fields = sorted({f for rule in broken for f in (*rule.when, *rule.allow)})
        reasons.append(Reason("breaks_rule", {"fields": ", ".join(fields)}))
    return reasons


def _about_field(proposal: Proposal, opinions: Opinions, taxonomy: Taxonomy, row: int) -> list[Reason]:
    field, names = proposal.field, taxonomy.labels(proposal.field)
    votes = [names[int(said[field][row].argmax())] == proposal.label for said in opinions.values() if field in said]
    ranked = list(proposal.distribution.items())
    reasons = []
    if np.mean(votes) < SPLIT:
        reasons.append(Reason("experts_disagree", {"field": field}))
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < NARROW:
        reasons.append(Reason("narrow_margin", {"field": field, "first": ranked[0][0], "second": ranked[1][0]}))
    if not proposal.evidence:
        reasons.append(Reason("unsupported", {"field": field, "label": proposal.label}))
    return reasons
