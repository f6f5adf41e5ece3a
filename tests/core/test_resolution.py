"""Resolutions come from exemplars, word for word, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resolution import PRECEDENT_FLOOR, propose_resolution
from core.taxonomy import API_PREFIX
from core.ticket import Exemplar, Neighbor
from core.triage import Resolution
from tests.core.core_examples import neighbor, small_taxonomy

TAXONOMY = small_taxonomy()
KINDS = ("manual", "close", "reassign", "wait", "api|directorio", "api|nominas", "api|", "fixed", "")


def proposed(*neighbors: Neighbor, **labels: str) -> Resolution:
    return propose_resolution(neighbors, labels, TAXONOMY)


NEIGHBORS = st.lists(
    st.builds(
        lambda kind, group, text, similarity: (kind, group, text, similarity),
        st.sampled_from(KINDS),
        st.sampled_from(["", "Telecom"]),
        st.text(max_size=20),
        st.floats(-1, 1),
    ),
    max_size=8,
)


@given(NEIGHBORS, st.sampled_from(KINDS))
def test_whatever_the_neighbours_nothing_is_invented(drawn: list[tuple[str, str, str, float]], kind: str) -> None:
    near = [
        Neighbor(
            Exemplar(
                f"e{i}",
                "",
                "",
                labels={k: v for k, v in (("resolution_kind", kind), ("assignment_group", group)) if v},
                resolution=text,
            ),
            similarity,
        )
        for i, (kind, group, text, similarity) in enumerate(drawn)
    ]
    found = propose_resolution(near, {"resolution_kind": kind}, TAXONOMY)
    if not found.exemplar_id:
        assert found == Resolution("manual", reason="no_precedent")
        return
    source = next(n for n in near if n.exemplar.id == found.exemplar_id)
    assert found.text == source.exemplar.resolution != ""
    assert source.similarity >= PRECEDENT_FLOOR
    assert found.kind == source.exemplar.labels.get("resolution_kind", "manual")
    assert found.kind in TAXONOMY.labels("resolution_kind")
    assert found.system == (found.kind.removeprefix(API_PREFIX) if found.kind.startswith(API_PREFIX) else "")
    assert bool(found.group) == (found.kind == "reassign")
    assert 0.0 < found.confidence <= 1.0 + 1e-12


def test_nothing_near_means_manual_with_that_reason() -> None:
    none = Resolution("manual", reason="no_precedent")
    assert proposed() == none
    assert proposed(neighbor("far", PRECEDENT_FLOOR - 0.01, resolution_kind="close")) == none
    assert proposed(neighbor("silent", 0.99, resolution="", resolution_kind="close")) == none
    assert proposed(neighbor("nan", float("nan"), resolution_kind="close")) == none


def test_the_text_is_the_exemplars_verbatim() -> None:
    text = "  Se reinició\n\tel servicio «X» {a}  "
    found = proposed(neighbor("e1", 0.8, text, resolution_kind="close"))
    assert (found.text, found.exemplar_id, found.kind, found.reason) == (text, "e1", "close", "")


@pytest.mark.parametrize("kind", ["api|nominas", "api|", "api|Directorio", "fixed"])
def test_an_unregistered_system_or_unknown_kind_is_never_proposed(kind: str) -> None:
    assert proposed(neighbor("e1", 0.99, resolution_kind=kind), resolution_kind=kind).reason == "no_precedent"
    found = proposed(neighbor("e1", 0.99, resolution_kind=kind), neighbor("e2", 0.5, resolution_kind="wait"))
    assert (found.kind, found.exemplar_id, found.system, found.confidence) == ("wait", "e2", "", 1.0)


def test_a_registered_system_is_named() -> None:
    found = proposed(neighbor("e1", 0.9, resolution_kind="api|directorio"))
    assert (found.kind, found.system) == ("api|directorio", "directorio")


def test_reassign_carries_the_group_and_without_one_is_no_precedent() -> None:
    found = proposed(neighbor("e1", 0.9, resolution_kind="reassign", assignment_group="Telecom"))
    assert (found.kind, found.group) == ("reassign", "Telecom")
    assert proposed(neighbor("e1", 0.9, resolution_kind="reassign")).reason == "no_precedent"
    other = proposed(neighbor("e1", 0.9, resolution_kind="close", assignment_group="Telecom"))
    assert other.group == ""


def test_the_proposed_kind_wins_where_a_precedent_has_it_else_the_weightiest() -> None:
    near = (
        neighbor("m1", 0.9, resolution_kind="manual"),
        neighbor("m2", 0.8, resolution_kind="manual"),
        neighbor("w", 0.5, resolution_kind="wait"),
    )
    assert proposed(*near).exemplar_id == "m1"
    assert proposed(*near).confidence == pytest.approx(1.7 / 2.2)
    found = proposed(*near, resolution_kind="wait")
    assert found.exemplar_id == "w"
    assert found.confidence == pytest.approx(0.5 / 2.2)
    assert proposed(*near, resolution_kind="close").kind == "manual"


def test_the_exemplar_that_shares_most_labels_is_quoted_then_the_nearest() -> None:
    near = (
        neighbor("nearest", 0.95, resolution_kind="close", category="Correo"),
        neighbor("alike", 0.6, resolution_kind="close", category="Red", group="Telecom"),
        neighbor("alike but nearer", 0.7, resolution_kind="close", category="Red", group="Telecom"),
    )
    assert proposed(*near, category="Red", group="Telecom").exemplar_id == "alike but nearer"
    assert proposed(*near).exemplar_id == "nearest"


def test_an_exemplar_without_a_kind_was_done_by_hand() -> None:
    found = proposed(neighbor("e1", 0.9, "Se cambió el cable."))
    assert (found.kind, found.text) == ("manual", "Se cambió el cable.")
