"""The neighbours' vote: priors, nearness, several votes, wording."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor
from experts.vote import PRIOR_VOTES, Grams, NeighborVote, label_priors
from tests.experts.expert_examples import TAXONOMY, evidence, past

PRIORS = label_priors([{"category": "Red"}, {"category": "Red", "urgency": "Alta"}, {}], TAXONOMY, ("category", "urgency"))
VOTE = NeighborVote(TAXONOMY, PRIORS)
RED, CORREO, ACCESO, IMPRESORA, TELEFONIA = range(5)


def near(similarity: float, text: str = "texto", **labels: str) -> Neighbor:
    return Neighbor(Exemplar(f"{text}-{similarity}", text, "", labels=labels), similarity)


def said(*neighbors: Neighbor, vote: NeighborVote = VOTE, text: str = "texto", field: str = "category") -> NDArray[np.float64]:
    """Probabilities for one ticket with these neighbours."""
    seen = Evidence([CleanTicket("t", text, "")], np.zeros((1, 4), np.float32), [neighbors])
    row: NDArray[np.float64] = np.exp(vote.log_probs(seen)[field][0])
    return row


def test_priors_are_frequencies_in_which_no_label_is_impossible() -> None:
    np.testing.assert_allclose(PRIORS["category"], np.array([2.5, 0.5, 0.5, 0.5, 0.5]) / 4.5)
    np.testing.assert_allclose(PRIORS["urgency"], [0.75, 0.25])


@pytest.mark.parametrize("wording", [False, True], ids=["vote", "wording"])
def test_without_neighbours_the_prior_speaks(wording: bool) -> None:
    vote = NeighborVote(TAXONOMY, PRIORS, wording)
    np.testing.assert_allclose(said(vote=vote), PRIORS["category"])
    np.testing.assert_allclose(said(near(0.9, category="Correo"), vote=vote, field="urgency"), PRIORS["urgency"])


def test_one_neighbour_weighs_one_vote_against_the_prior() -> None:
    expected = PRIOR_VOTES * PRIORS["category"] + np.eye(5)[CORREO]
    np.testing.assert_allclose(said(near(0.3, category="Correo")), expected / expected.sum())


def test_each_further_vote_moves_it_away_from_the_prior() -> None:
    shares = [said(*[near(0.8, category="Correo")] * count)[CORREO] for count in (1, 2, 4, 8)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.94
    together = said(near(0.8, category="Acceso"), near(0.8, category="Correo"), near(0.8, category="Correo"))
    assert together[CORREO] - together[ACCESO] == pytest.approx(1 / (3 + PRIOR_VOTES))


def test_the_nearer_is_the_louder() -> None:
    row = said(near(0.9, category="Correo"), near(0.6, category="Acceso"))
    assert row[CORREO] > 5 * row[ACCESO]
    swapped = said(near(0.6, category="Correo"), near(0.9, category="Acceso"))
    assert swapped[ACCESO] == pytest.approx(row[CORREO])
    alike = said(near(0.9, category="Correo"), near(0.89, category="Acceso"))
    assert alike[CORREO] < 1.2 * alike[ACCESO]


def test_many_far_neighbours_outvote_one_that_is_hardly_nearer() -> None:
    row = said(near(0.72, category="Correo"), *[near(0.7, category="Acceso")] * 4)
    assert row.argmax() == ACCESO


def test_only_distances_between_neighbours_count() -> None:
    """The embedder's general level of cosines says nothing about how sure the vote is."""
    low = said(near(0.3, category="Correo"), near(0.1, category="Acceso"))
    np.testing.assert_allclose(low, said(near(0.9, category="Correo"), near(0.7, category="Acceso")))


def test_neighbours_without_the_field_or_with_a_label_gone_from_the_taxonomy_are_not_heard() -> None:
    others = (near(0.99, urgency="Alta"), near(0.99, category="Fax"), near(0.99))
    np.testing.assert_allclose(said(near(0.5, category="Correo"), *others), said(near(0.5, category="Correo")))


def test_every_row_is_a_distribution() -> None:
    known = past(60)
    seen = evidence(past(20, seed=1), known)
    mixed = Evidence(seen.tickets, seen.vectors, [n if i % 3 else [] for i, n in enumerate(seen.neighbors)])
    for wording in (False, True):
        for log_p in NeighborVote(TAXONOMY, PRIORS, wording).log_probs(mixed).values():
            assert log_p.shape[0] == 20
            assert np.isfinite(log_p).all()
            np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)


def test_it_finds_the_category_of_new_tickets() -> None:
    known, fresh = past(200), past(100, seed=1)
    vote = NeighborVote(TAXONOMY, label_priors([e.labels for e in known], TAXONOMY, ("category",)))
    guessed = vote.log_probs(evidence(fresh, known))["category"].argmax(axis=1)
    gold = [TAXONOMY.labels("category").index(e.labels["category"]) for e in fresh]
    assert (guessed == gold).mean() > 0.7


# --- wording -----------------------------------------------------------------------------------------------------------


def test_overlap_of_words_is_between_none_and_all_and_ignores_accents_and_case() -> None:
    texts = ("error 0x8007 al abrir", "ERROR 0X8007 AL ABRIR", "érror 0x8007 ál abrír", "zzzz yyyy", "error 0x8007")
    seen = Evidence([CleanTicket("t", texts[0], "")], np.zeros((1, 4), np.float32), [[near(0.5, text) for text in texts]])
    (overlap,) = Grams().overlap(seen)
    np.testing.assert_allclose(overlap[:4], [1.0, 1.0, 1.0, 0.0], atol=1e-6)
    assert 0.3 < overlap[4] < 1.0


def test_wording_hears_the_error_code_that_the_vectors_do_not() -> None:
    """Equal cosines; the shared code decides."""
    neighbors = (near(0.5, "falla con 0xc0000142", category="Correo"), near(0.5, "falla sin más", category="Acceso"))
    wording = NeighborVote(TAXONOMY, PRIORS, wording=True)
    plain, worded = (said(*neighbors, vote=v, text="no arranca 0xc0000142") for v in (VOTE, wording))
    assert plain[CORREO] == pytest.approx(plain[ACCESO])
    assert worded[CORREO] > 3 * worded[ACCESO]


def test_both_kinds_have_names_of_their_own() -> None:
    assert (VOTE.name, NeighborVote(TAXONOMY, PRIORS, wording=True).name) == ("vote", "wording")
