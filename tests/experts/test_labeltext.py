"""Label texts: what the taxonomy says of a label, against a ticket."""

from collections.abc import Sequence

import numpy as np
import pytest

from core.pipeline import fuse
from core.taxonomy import FieldSpec, Label, Taxonomy
from core.ticket import Exemplar, Vectors
from experts.labeltext import embed_labels
from tests.experts.expert_examples import TAXONOMY, WordEmbedder, company, encode, evidence

NAMES = TAXONOMY.labels("category")


@pytest.mark.parametrize("text", ["la centralita no suena, ni el auricular", "my phone headset is broken"])
def test_a_label_without_any_example_can_win(text: str) -> None:
    exemplars, fitted = company()
    assert "Telefonía" not in {e.labels["category"] for e in exemplars}
    seen = evidence([Exemplar("t", text, "")], exemplars)
    winners = {e.name: NAMES[int(e.log_probs(seen)["category"][0].argmax())] for e in fitted.experts}
    assert winners.pop("label_text") == "Telefonía"
    assert "Telefonía" not in winners.values()


def test_the_fusion_hears_of_a_label_without_any_example() -> None:
    exemplars, fitted = company()
    assert fitted.fusion["category"].weights["label_text"] > 0.0
    seen = evidence([Exemplar("a", "centralita auricular", "phone headset"), Exemplar("b", "nada que ver", "")], exemplars)
    named, other = fuse(fitted.fusion, {e.name: e.log_probs(seen) for e in fitted.experts})["category"][:, -1]
    assert named > other + 0.3


def test_the_best_of_a_labels_languages_counts() -> None:
    texts = {"en": "broken printer tray", "es": "bandeja de impresora rota"}
    labels = (Label(name="A", definition=texts), Label(name="B", definition={"en": "mailbox"}))
    expert = embed_labels(Taxonomy(version="1", fields={"f": FieldSpec(labels=labels)}), ("f",), encode)
    assert expert.texts["f"].shape == (2, 2, WordEmbedder.dimension)
    np.testing.assert_array_equal(expert.texts["f"][1, 0], expert.texts["f"][1, 1])
    log_p = expert.log_probs(evidence([Exemplar(text, text, "") for text in texts.values()]))["f"]
    assert (np.exp(log_p[:, 0]) > 0.99).all()


def test_every_row_is_a_distribution_and_sharper_where_the_text_says_the_name() -> None:
    expert = embed_labels(TAXONOMY, ("category", "urgency"), encode)
    seen = evidence([Exemplar("a", "impresora papel tóner", ""), Exemplar("b", "zzz", "")])
    for field, log_p in expert.log_probs(seen).items():
        assert log_p.shape == (2, len(TAXONOMY.labels(field)))
        np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)
    clear, vague = expert.log_probs(seen)["category"].max(axis=1)
    assert clear > vague


def test_labels_are_embedded_one_text_a_language() -> None:
    asked: list[str] = []

    def recording(texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return encode(texts)

    embed_labels(TAXONOMY, ("category", "urgency"), recording)
    assert asked[:2] == ["Red, network, router", "Red, wifi, conexión"]
    assert asked[-2:] == ["Alta", "Baja"]
    assert len(asked) == 2 * len(NAMES) + 2


def test_the_operators_words_for_a_label_count() -> None:
    fields = FieldSpec(labels=(Label(name="A", definition={"en": "mailbox"}), Label(name="B", definition={"en": "monitor"})))
    taxonomy = Taxonomy(version="1", fields={"f": fields})
    seen = evidence([Exemplar("a", "the tunnel to Faro", "")])
    assert embed_labels(taxonomy, ("f",), encode).log_probs(seen)["f"][0, 1] < np.log(0.9)
    told = embed_labels(taxonomy, ("f",), encode, {"B": "the tunnel to Faro"})
    assert np.exp(told.log_probs(seen)["f"][0, 1]) > 0.99
