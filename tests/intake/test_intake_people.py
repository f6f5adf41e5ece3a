"""Names of people whom the desk knows never stay in a text that is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.people import NAME, without_names

TEAM = ("Ana Pérez", "Gómez Ruiz, Luis", "j.o'neill@empresa.example", "mark", "Íñigo Etxeberria", "rrubio", "Rosa del Río")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Lo arregló Ana Pérez.", "Lo arregló <name>."),
        ("lo arreglo ana perez", "lo arreglo <name>"),
        ("LO ARREGLÓ ANA PÉREZ", "LO ARREGLÓ <name>"),
        ("Ana lo reinició; Pérez confirmó", "<name> lo reinició; <name> confirmó"),
        ("Pérez, Ana: reiniciado", "<name>: reiniciado"),
        ("A. Pérez reinstaló", "<name> reinstaló"),
        ("Asignado a aperez y a ana.perez", "Asignado a <name> y a <name>"),
        ("C:\\Users\\ana\\Desktop", "C:\\Users\\<name>\\Desktop"),
        ("Ana's laptop", "<name>'s laptop"),
        ("llamó Luis Gómez Ruiz", "llamó <name>"),
        ("llamó Luis Ruiz", "llamó <name>"),
        ("Iñigo y Etxeberría", "<name> y <name>"),
        ("Íñigo Etxeberria lo vio", "<name> lo vio"),
        ("O'Neill says", "O'<name> says"),
        ("neill", NAME),
        ("RRubio lo vio", "<name> lo vio"),
        ("Mark fixed it, mark the box", "<name> fixed it, mark the box"),
        ("habló Rosa del Río", "habló <name>"),
        ("la pantalla rosa", "la pantalla rosa"),
        ("la cuenta de mañana, banana, analista, aluísio", "la cuenta de mañana, banana, analista, aluísio"),
        ("<email:0123abcd> de Ana", "<email:0123abcd> de <name>"),
        ("nada que ver", "nada que ver"),
        ("", ""),
    ],
)
def test_every_spelling_of_a_known_name_goes(text: str, kept: str) -> None:
    assert without_names(text, TEAM) == kept


def test_roles_are_no_names_and_pseudonyms_stay() -> None:
    text = "El soporte de nivel 2 y el admin del sistema miraron <iban:0123abcd> con iban y el bot."
    assert without_names(text, ("Soporte N2", "admin", "system", "bot", "", "x", "Mesa de ayuda")) == text
    assert without_names(text, ("Iban Soto",)) == text.replace("con iban", "con <name>")


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=3))
def test_whatever_the_text_nothing_breaks_and_pseudonyms_stay(text: str, names: list[str]) -> None:
    kept = without_names(f"{text} <phone:0123abcd>", names)
    assert kept.endswith("<phone:0123abcd>")
    assert without_names(text, ()) == text
