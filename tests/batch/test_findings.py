"""What a night finds: a proposal that the taxonomy does not allow is none."""

from batch.findings import lawful
from core.ticket import Exemplar
from knowledge.upkeep import contradictions
from tests.batch.commands_examples import example_taxonomy


def exemplar(number: int, **labels: str) -> Exemplar:
    return Exemplar(f"{number}", "vpn", "no conecta", labels=labels, duplicate_group="g")


def test_labels_that_do_not_go_together_are_not_proposed() -> None:
    question = exemplar(3, category="Consultas", subcategory="Cómo se hace")
    (proposal,) = contradictions([exemplar(1, category="Red"), exemplar(2, category="Red"), question], frozenset())
    assert proposal.new is not None
    assert proposal.new.labels == {"category": "Red", "subcategory": "Cómo se hace"}
    assert lawful(example_taxonomy(), [proposal]) == []
    allowed = contradictions(
        [exemplar(1, category="Red"), exemplar(2, category="Red"), exemplar(3, category="Consultas")], frozenset()
    )
    assert len(allowed) == 1
    assert lawful(example_taxonomy(), allowed) == allowed
