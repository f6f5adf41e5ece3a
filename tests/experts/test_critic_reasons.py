"""What the critic says of a ticket, and what it advises, in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from core.fusion import normalise
from core.taxonomy import Rule
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor
from core.triage import Generation, LogProbs, Proposal, Resolution, Review, Triage, Verdict
from core.words import REASONS, say
from experts.critic import Logistic, StatisticalCritic, fit_logistic
from tests.experts.expert_examples import TAXONOMY

RULED = TAXONOMY.model_copy(update={"rules": (Rule(when={"category": "Red"}, allow={"urgency": ("Alta",)}),)})
FEATURES = 15
"""Of a field that three experts judge."""


@dataclass(frozen=True)
class Case:
    """A ticket of category Red about which everything is well unless told otherwise; the votes are on its category."""

    text: str = "una frase con bastantes más palabras que seis"
    removed: Mapping[str, int] = field(default_factory=dict)
    similarity: float | None = 0.9
    category: Mapping[str, float] = field(default_factory=lambda: {"Red": 0.9, "Correo": 0.1})
    urgency: str = "Alta"
    evidence: tuple[str, ...] = ("e1",)
    votes: tuple[str, ...] = ("Red", "Red", "Red")
    doubted: bool = False
    approved: bool = True
    suspects: tuple[str, ...] = ()
    said: str = ""

    def verdict(self) -> Verdict:
        near = [] if self.similarity is None else [Neighbor(Exemplar("e1", "", "", labels={"category": "Red"}), self.similarity)]
        seen = Evidence([CleanTicket("t", "", self.text, removed=self.removed)], np.zeros((1, 2), np.float32), [near])
        urgency = certain("urgency", self.urgency)
        opinions = {str(i): {"category": certain("category", vote), "urgency": urgency} for i, vote in enumerate(self.votes)}
        proposals = {
            "category": Proposal("category", "Red", 0.9, self.category, self.evidence),
            "urgency": Proposal("urgency", self.urgency, 0.9, {self.urgency: 0.9}, self.evidence),
        }
        triage = Triage("t", "", proposals, Resolution("manual"))
        fused = {"category": certain("category", "Red"), "urgency": urgency}
        reviews = [Review({}, self.said, Generation("critic", "m", "c.v1", "", "{}", 1, 1, 1))] if self.said else []
        (verdict,) = self._critic().judge(seen, opinions, fused, [triage], reviews)
        return verdict

    def _critic(self) -> StatisticalCritic:
        fields = {"category": always(not self.doubted, FEATURES), "urgency": always(True, FEATURES)}
        return StatisticalCritic(RULED, ("0", "1", "2"), fields, always(self.approved, 3), frozenset(self.suspects))


def always(right: bool, features: int) -> Logistic:
    """Sure that everything is right, or wrong."""
    return fit_logistic(np.zeros((100, features)), np.full(100, right))


def certain(field: str, label: str) -> LogProbs:
    return normalise(4.0 * np.array([[name == label for name in TAXONOMY.labels(field)]], dtype=np.float64))


SPLIT = ("Red", "Correo", "Acceso")
CLOSE = {"Red": 0.5, "Correo": 0.45}
GIVEN = {
    "likely_right": Case(),
    "far_from_known": Case(similarity=0.2),
    "little_text": Case(text="no va"),
    "hostile": Case(removed={"instruction": 1}),
    "breaks_rule": Case(urgency="Baja"),
    "experts_disagree": Case(votes=SPLIT, doubted=True),
    "narrow_margin": Case(category=CLOSE, doubted=True),
    "unsupported": Case(evidence=(), doubted=True),
    "uncertain": Case(approved=False),
}
ADVISED = {
    "": Case(suspects=("e1",)),
    "label_more": Case(approved=False),
    "ask_user": Case(approved=False, text="no va"),
    "avoid_exemplars, label_more": Case(approved=False, suspects=("e1", "e2")),
}


@pytest.mark.parametrize("code", GIVEN)
def test_each_reason_is_given_when_it_holds_and_only_then(code: str) -> None:
    assert [r.code for r in GIVEN[code].verdict().reasons] == [code]


def test_of_a_field_that_is_not_doubted_nothing_is_said() -> None:
    verdict = Case(votes=SPLIT, category=CLOSE, evidence=()).verdict()
    assert [r.code for r in verdict.reasons] == ["likely_right"]


def test_a_rejection_without_doubts_tells_of_every_field() -> None:
    verdict = Case(votes=SPLIT, category=CLOSE, evidence=(), approved=False).verdict()
    assert [(r.code, r.values["field"]) for r in verdict.reasons] == [
        ("experts_disagree", "category"),
        ("narrow_margin", "category"),
        ("unsupported", "category"),
        ("unsupported", "urgency"),
    ]


def test_a_rejection_that_nothing_else_explains_names_the_field_that_is_least_sure() -> None:
    (reason,) = Case(approved=False).verdict().reasons
    assert reason.values == {"field": "category", "label": "Red"}


@pytest.mark.parametrize("codes", ADVISED)
def test_advice_is_given_with_a_rejection_only(codes: str) -> None:
    assert ", ".join(r.code for r in ADVISED[codes].verdict().advice) == codes


def test_without_neighbours_it_says_that_nothing_like_it_is_known() -> None:
    (reason,) = Case(similarity=None).verdict().reasons
    assert say(reason) == "the nearest past ticket is far (0.00)"


def test_everything_that_it_says_can_be_said_in_both_languages() -> None:
    verdicts = [case.verdict() for case in (*GIVEN.values(), *ADVISED.values())]
    said = {r.code: r for v in verdicts for r in (*v.reasons, *v.advice)}
    assert set(said) == {*GIVEN, "avoid_exemplars", "ask_user", "label_more"}
    for reason in said.values():
        english, spanish = say(reason, "en"), say(reason, "es")
        assert english != spanish
        assert "{" not in english + spanish
        assert set(REASONS[reason.code]) == {"en", "es"}
    assert say(said["narrow_margin"], "es") == "category: Red y Correo son casi igual de probables"


def test_a_language_models_words_stand_after_the_reasons() -> None:
    words = "Los dos casos más cercanos son de Correo."
    *usual, last = Case(said=words).verdict().reasons
    assert tuple(usual) == Case().verdict().reasons
    assert say(last, "es") == f"en palabras del crítico: {words}"
