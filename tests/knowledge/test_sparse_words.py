"""BM25 vectors: stemming in two languages, and tickets of one that meet exemplars of the other."""

import time

import pytest

from knowledge.sparse import Bm25Words, Sparse

WORDS = Bm25Words(average_words=10)


def score(query: str, document: str, language: str) -> float:
    asked = set(WORDS.query(query).indices)
    return sum(value for index, value in zip(*WORDS.document(document, language), strict=True) if index in asked)


@pytest.mark.parametrize(
    ("query", "document", "language"),
    [
        ("impresiones", "La impresión falla", "es"),
        ("printing", "it does not print", "en"),
        ("conexion", "Conexión perdida", "es"),
        ("Teams no abre", "teams crashes at start", "en"),
        ("the SAP transactions", "transacción de SAP bloqueada", "es"),
        ("error 0x80070005", "me sale el error 0x80070005", ""),
        ("contraseñas", "olvidé mi contraseña", ""),
        ("impresión", "fallan las impresiones", ""),
        ("passwords", "forgot my password", "pt"),
    ],
)
def test_these_meet(query: str, document: str, language: str) -> None:
    assert score(query, document, language) > 0


@pytest.mark.parametrize(
    ("query", "document", "language"),
    [
        ("de la los las para con", "the report de la oficina los lunes", "en"),
        ("the and with from", "el informe the and with", "es"),
        ("printer", "the monitor is black", "en"),
    ],
)
def test_these_do_not(query: str, document: str, language: str) -> None:
    assert score(query, document, language) == 0


def test_a_word_counts_once_in_a_query_and_saturates_in_a_document() -> None:
    assert set(WORDS.query("outlook outlook OUTLOOK").values) == {1.0}
    once, often = (WORDS.document(text, "en").values[0] for text in ("outlook", "outlook " * 5))
    assert once < often < 5 * once


def test_a_long_document_counts_less_than_a_short_one() -> None:
    short = score("outlook", "outlook broken", "en")
    assert score("outlook", "outlook broken " + " ".join(f"word{n}" for n in range(50)), "en") < short


def test_indices_ascend_and_are_unsigned_32_bit() -> None:
    indices = WORDS.document("many different words in this text about printers and networks", "").indices
    assert indices == sorted(set(indices))
    assert 0 <= indices[0] <= indices[-1] < 2**32


def test_nothing_but_stop_words_is_empty() -> None:
    assert WORDS.query("the de la and") == WORDS.query("") == WORDS.document("", "es") == Sparse([], [])


def test_a_ten_megabyte_text_takes_no_time() -> None:
    started = time.perf_counter()
    WORDS.document("logline " * 1_250_000, "en")
    assert time.perf_counter() - started < 0.5
