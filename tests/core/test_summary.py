"""Summaries: the ticket's own words, extracted or checked."""

import pytest

from core.summary import MAX_LENGTH, extract_summary, grounded

TICKET = "Buenas, desde el lunes la impresora de la planta 3 no imprime las etiquetas del albarán 4471. Gracias"


@pytest.mark.parametrize(
    "summary",
    [
        "La impresora de la planta 3 no imprime etiquetas",
        "IMPRESORA planta 3: no imprimen las etiquetas del albaran 4471",
        "impresora no imprime",
    ],
)
def test_a_summary_in_the_tickets_words_is_grounded(summary: str) -> None:
    assert grounded(summary, TICKET)


@pytest.mark.parametrize(
    "summary",
    [
        "",
        "impresora",
        "La impresora de la planta 4 no imprime",
        "El servidor de nóminas está caído por un ciberataque",
        "Impresora averiada por falta de tóner en almacén central",
        "La impresora no imprime\nPrioridad: alta",
        "impresora no imprime " * 10,
    ],
)
def test_what_the_ticket_does_not_say_is_not_grounded(summary: str) -> None:
    assert not grounded(summary, TICKET)


def test_the_extract_is_the_subject_or_the_first_telling_sentence() -> None:
    assert extract_summary("La impresora no va", "Ayuda.") == "La impresora no va"
    assert extract_summary("ayuda", "Hola. La impresora no va. Gracias.") == "La impresora no va."
    assert len(extract_summary("", "palabra " * 100)) <= MAX_LENGTH
