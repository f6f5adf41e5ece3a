"""A model that was fine-tuned on exemplars is weighed by those that are new to it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from core.ticket import Evidence, Exemplar
from core.triage import LogProbs
from experts.fit import fit
from experts.fitted import Fitted
from experts.vote import NeighborVote
from tests.experts.expert_examples import TAXONOMY, ExactSearch, encode, past

LABELS = TAXONOMY.labels("category")
URGENCIES = TAXONOMY.labels("urgency")
KNOWN = past(500, 5, clarity=0.4)


class Parrot:
    """Knows by heart what it was taught, and of anything else nothing."""

    name = "language"

    def __init__(self, taught: Sequence[Exemplar]) -> None:
        self.taught = {e.text: e.labels["category"] for e in taught}
        self.asked: list[str] = []

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        self.asked += [ticket.text for ticket in evidence.tickets]
        said = np.full((len(evidence.tickets), len(LABELS)), 0.1 / (len(LABELS) - 1))
        rng = np.random.default_rng(3)
        for row, ticket in zip(said, evidence.tickets, strict=True):
            known = self.taught.get(ticket.text)
            row[LABELS.index(known) if known else rng.integers(len(LABELS))] = 0.9
        nothing = np.log(np.full((len(said), len(URGENCIES)), 1.0 / len(URGENCIES)))
        return {"category": np.log(said / said.sum(axis=1, keepdims=True)), "urgency": nothing}


class Echo(NeighborVote):
    """Says what the vote says, under the language model's name."""

    @property
    def name(self) -> str:
        return "language"


def weight(parrot: Parrot, learned: Mapping[str, str]) -> tuple[float, Fitted]:
    texts = [e.text for e in KNOWN]
    fitted = fit(
        TAXONOMY, KNOWN, encode(texts), ExactSearch(KNOWN), encode, author=lambda priors: parrot, learned=learned.__contains__
    )
    return fitted.fusion["category"].weights.get("language", 0.0), fitted


def test_what_it_knows_by_heart_gives_it_no_weight() -> None:
    fooled, honest = Parrot(KNOWN[:250]), Parrot(KNOWN[:250])
    assert weight(fooled, {})[0] > 0.2
    assert weight(honest, honest.taught)[0] < 0.02
    assert honest.asked
    assert not set(honest.asked) & set(honest.taught)


def test_with_too_little_that_is_new_to_it_it_has_no_say_and_the_rest_is_fitted_on_everything() -> None:
    parrot = Parrot(KNOWN[:450])
    share, fitted = weight(parrot, parrot.taught)
    assert share == 0.0
    assert not parrot.asked
    assert len(fitted.held_out["category"].right) == len(KNOWN)


def test_a_near_duplicate_of_what_it_learned_is_not_new_to_it() -> None:
    parrot = Parrot(KNOWN[:1])
    twins = {e.text for e in KNOWN if e.duplicate_group and e.duplicate_group == KNOWN[0].duplicate_group}
    weight(parrot, parrot.taught)
    assert not set(parrot.asked) & (twins | set(parrot.taught))


@pytest.mark.parametrize(("taught", "heard"), [(0, False), (250, True)])
def test_it_is_heard_where_that_pays_and_else_all_is_fitted_on_everything(
    monkeypatch: pytest.MonkeyPatch, taught: int, heard: bool
) -> None:
    monkeypatch.setattr("experts.fit.READ_BY_AUTHOR", 200)
    share, fitted = weight(Parrot(KNOWN[:taught]), {})
    assert (share > 0.0) == heard
    assert len(fitted.held_out["category"].right) == (200 if heard else len(KNOWN))


def test_what_repeats_the_vote_costs_more_exemplars_than_it_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experts.fit.READ_BY_AUTHOR", 60)
    texts = [e.text for e in KNOWN]
    fitted = fit(TAXONOMY, KNOWN, encode(texts), ExactSearch(KNOWN), encode, author=lambda priors: Echo(TAXONOMY, priors))
    assert {pool.weights.get("language", 0.0) for pool in fitted.fusion.values()} == {0.0}
    assert len(fitted.held_out["category"].right) == len(KNOWN)
