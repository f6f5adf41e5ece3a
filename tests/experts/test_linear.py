"""The linear heads: words to labels, in two languages, over terms or in the span of the texts."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from core.fusion import normalise
from experts import heads
from experts.linear import Vocabulary, fit_linear
from experts.probe import fit_probe
from tests.experts.expert_examples import CATEGORIES, TAXONOMY, WORDS, encode, past

NAMES = TAXONOMY.labels("category")
FIELDS = ("category", "urgency")
TELEFONIA = NAMES.index("Telefonía")

CLEAR = [
    (f"{a} {b} de la oficina" if language == "es" else f"the {a} and the {b}", {"category": category})
    for category, texts in WORDS.items()
    for language, words in texts.items()
    for a, b in zip(words, [*words[1:], words[0]], strict=True)
]
TEXTS, LABELS = [text for text, _ in CLEAR], [labels for _, labels in CLEAR]


def gold(labels: Sequence[Mapping[str, str]]) -> NDArray[np.intp]:
    return np.array([NAMES.index(row["category"]) for row in labels])


# --- learning ----------------------------------------------------------------------------------------------------------


def test_learns_a_small_separable_set_in_two_languages() -> None:
    head = fit_linear(TEXTS, LABELS, TAXONOMY, ("category",))
    assert (head.read(TEXTS)["category"].argmax(axis=1) == gold(LABELS)).all()
    fresh = [" ".join(words[:3]) for texts in WORDS.values() for words in texts.values()]
    expected = np.repeat([NAMES.index(c) for c in CATEGORIES], 2)
    assert (head.read(fresh)["category"].argmax(axis=1) == expected).all()


def test_reads_inflected_and_unaccented_forms_by_their_characters() -> None:
    head = fit_linear(TEXTS, LABELS, TAXONOMY, ("category",))
    log_p = head.read(["IMPRIMIENDO en las bandejas", "conexion y antenas", "contrasenas bloqueadas"])["category"]
    assert [NAMES[i] for i in log_p.argmax(axis=1)] == ["Impresora", "Red", "Acceso"]


def test_new_tickets_are_read_well_and_every_row_is_a_distribution() -> None:
    known, fresh = past(240), past(120, seed=1)
    head = fit_linear([e.text for e in known], [e.labels for e in known], TAXONOMY, FIELDS)
    read = head.read([e.text for e in fresh])
    assert (read["category"].argmax(axis=1) == gold([e.labels for e in fresh])).mean() > 0.8
    for field, log_p in read.items():
        assert log_p.shape == (120, len(TAXONOMY.labels(field)))
        assert log_p.dtype == np.float64
        np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)


def test_a_row_without_the_fields_label_is_not_used_for_it() -> None:
    known = past(80)
    texts, labelled = [e.text for e in known], [e for e in known if "urgency" in e.labels]
    assert 20 < len(labelled) < len(known)
    before = fit_linear(texts, [e.labels for e in known], TAXONOMY, FIELDS)
    others = [e.labels if "urgency" in e.labels else {"category": "Red"} for e in known]
    after = fit_linear(texts, others, TAXONOMY, FIELDS)
    np.testing.assert_array_equal(before.heads["urgency"].coef, after.heads["urgency"].coef)
    assert not np.array_equal(before.heads["category"].coef, after.heads["category"].coef)


def test_nor_by_the_probe() -> None:
    part, whole = (
        fit_probe(encode([e.text for e in rows]), [e.labels for e in rows], TAXONOMY, ("urgency",))
        for rows in ([e for e in past(80) if "urgency" in e.labels], past(80))
    )
    np.testing.assert_array_equal(part.heads["urgency"].coef, whole.heads["urgency"].coef)


# --- labels without examples, few classes ------------------------------------------------------------------------------


def test_a_label_without_example_keeps_a_small_probability() -> None:
    log_p = fit_linear(TEXTS, LABELS, TAXONOMY, ("category",)).read(["papel tóner", "nada"])["category"]
    share = np.exp(log_p[:, TELEFONIA])
    half_a_count = 0.5 / (len(TEXTS) + 0.5 * len(NAMES))
    np.testing.assert_allclose(share, half_a_count / (1 + half_a_count))


def test_it_shrinks_as_examples_of_the_others_come_in() -> None:
    few, many = (fit_linear(TEXTS[::s], LABELS[::s], TAXONOMY, ("category",)).read(["papel"])["category"] for s in (4, 1))
    assert few[0, TELEFONIA] > many[0, TELEFONIA] + 1


def test_one_class_takes_all_but_what_the_unseen_keep() -> None:
    head = fit_linear(["papel", "tóner"], [{"category": "Impresora"}] * 2, TAXONOMY, ("category",))
    row = np.exp(head.read(["lo que sea"])["category"][0])
    unseen = 0.5 / (2 + 2.5)
    np.testing.assert_allclose(row[NAMES.index("Impresora")], 1 / (1 + 4 * unseen))
    np.testing.assert_allclose(np.delete(row, NAMES.index("Impresora")), unseen / (1 + 4 * unseen))


def test_no_class_at_all_is_knowing_nothing() -> None:
    head = fit_linear(["papel", "tóner"], [{}, {}], TAXONOMY, ("category",))
    np.testing.assert_allclose(np.exp(head.read(["papel"])["category"]), 0.2)


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes_are_told_apart_each_way_round(classes: int) -> None:
    chosen = CATEGORIES[:classes]
    rows = [i for i, row in enumerate(LABELS) if row["category"] in chosen]
    head = fit_linear([TEXTS[i] for i in rows], [LABELS[i] for i in rows], TAXONOMY, ("category",))
    assert head.heads["category"].coef.shape[0] == classes
    log_p = head.read([TEXTS[i] for i in rows])["category"]
    assert (log_p.argmax(axis=1) == gold([LABELS[i] for i in rows])).all()
    assert np.exp(log_p.max(axis=1)).min() > 0.6


def test_a_text_with_no_known_term_is_left_to_the_intercept() -> None:
    head = fit_linear(TEXTS, LABELS, TAXONOMY, ("category",))
    unknown, empty, known = head.read(["xqzw jjkk", "", TEXTS[0]])["category"]
    intercept = head.heads["category"].intercept.astype(np.float64)
    np.testing.assert_allclose(normalise(unknown[: len(CATEGORIES)]), normalise(intercept), atol=1e-6)
    np.testing.assert_array_equal(unknown, empty)
    assert np.exp(unknown.max()) < 0.5 < np.exp(known.max())


# --- the span of the texts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 4])
def test_in_the_span_of_the_texts_the_answer_is_the_same(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "TOLERANCE", 1e-6)
    known = [e for e in past(160) if e.labels["category"] in CATEGORIES[:classes]]
    texts, labels, fresh = [e.text for e in known], [e.labels for e in known], [e.text for e in past(60, seed=1)]
    spanned = fit_linear(texts, labels, TAXONOMY, FIELDS)
    assert spanned.heads["category"].coef.shape[1] > len(texts)
    monkeypatch.setattr(heads, "FEW", 0)
    direct = fit_linear(texts, labels, TAXONOMY, FIELDS)
    for field in FIELDS:
        assert not np.array_equal(spanned.heads[field].coef, direct.heads[field].coef)
        one, other = (np.exp(head.read(fresh)[field]) for head in (spanned, direct))
        np.testing.assert_allclose(one, other, atol=0.002)


def test_more_texts_than_terms_and_repeated_texts_are_no_trouble() -> None:
    """Repeated rows make the Gram matrix singular."""
    repeated = fit_linear(TEXTS * 5, LABELS * 5, TAXONOMY, ("category",))
    assert np.isfinite(repeated.heads["category"].coef).all()
    assert (repeated.read(TEXTS)["category"].argmax(axis=1) == gold(LABELS)).all()
    vectors = np.tile(encode(TEXTS), (8, 1))
    assert vectors.shape[0] > vectors.shape[1]
    probe = fit_probe(vectors, LABELS * 8, TAXONOMY, ("category",))
    assert (probe.read(encode(TEXTS))["category"].argmax(axis=1) == gold(LABELS)).all()


def test_a_vocabulary_made_of_its_own_numbers_reads_the_same() -> None:
    head = fit_linear(TEXTS, LABELS, TAXONOMY, ("category",))
    copy = Vocabulary(head.vocabulary.terms, head.vocabulary.idf)
    assert (copy.transform(TEXTS) != head.vocabulary.transform(TEXTS)).nnz == 0
    assert head.vocabulary.transform(TEXTS).dtype == np.float32
