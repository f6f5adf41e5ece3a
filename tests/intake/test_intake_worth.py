"""Tickets that say nothing are refused as what they are; tickets that say anything are worked on."""

import json
from pathlib import Path

import pytest

from core.ticket import CleanTicket, Ticket
from intake import Intake
from intake.worth import refuse

EXAMPLES = Path(__file__).resolve().parents[2] / "mocks" / "examples"
INTAKE = Intake(b"a key for the tests")


def cause(subject: str, body: str = "") -> str:
    reason = refuse(INTAKE.clean(Ticket("t", subject, body)))
    return reason.code if reason else ""


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("", ""),
        ("  ", "\n \t"),
        ("(no subject)", ""),
        ("Sin asunto", " "),
        ("Nueva incidencia", ""),
        ("Incidencia", "\u200b\u200b"),
        ("Re:", ""),
        ("hola", ""),
    ],
)
def test_empty(subject: str, body: str) -> None:
    assert cause(subject, body) == "empty"


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("hi", "anyone there??"),
        ("", "holaaaa, ¿hay alguien ahí?"),
        ("", "buenas tardes"),
        ("", "Muchas gracias a todo el equipo, un saludo"),
        ("", "thanks lads!"),
        ("Problema", "ayuda urgente por favor"),
        ("test", "testing 123"),
        ("", "asdasdasd asdf"),
        ("", "jajajaja"),
        ("", "..."),
        ("", "👍👍"),
        ("?", "???"),
        ("", "esto es una prueba, ignorad"),
        ("ok", "vale, perfecto, gracias"),
    ],
)
def test_pointless(subject: str, body: str) -> None:
    assert cause(subject, body) == "pointless"


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Automatic reply: Your request T-2001", "I'm at a trade fair this week."),
        ("Respuesta automática: Re: factura", "Le responderé a mi regreso."),
        ("Undeliverable: Offer 2291", "Your message to x could not be delivered."),
        ("Out of Office: holidays", ""),
        ("Re: your ticket", "Hello, I am on annual leave until Monday. In case of urgent matters contact the switchboard."),
        ("Ticket 4411", "Estaré de vacaciones hasta el 31 de agosto y responderé a mi vuelta."),
    ],
)
def test_automatic_replies(subject: str, body: str) -> None:
    assert cause(subject, body) == "auto_reply"


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("VPN", ""),
        ("no imprime", ""),
        ("", "wifi"),
        ("Ayuda", "no puedo entrar"),
        ("", "sigue igual"),
        ("", "teclado"),
        ("", "hola, ¿me pasáis la guía de la VPN?"),
        ("Fuera de la oficina", "¿Cómo pongo la respuesta automática en el correo?"),
        ("Automatic reply", "How do I set one for a shared mailbox?"),
        ("RV: Delivery failed", "Me vienen rechazados todos los correos que mando a ese cliente"),
        ("My out of office message", "People still get last year's out of office from me, please delete it."),
        ("Sin correo", "Estoy de vacaciones hasta el lunes y el móvil no me descarga el correo."),
        ("", "I am away from my desk but the laptop shuts down whenever I unplug it."),
        ("RE: ticket", "sigue sin funcionar"),
        ("", "印刷できません"),
    ],
)
def test_what_says_anything_is_worked_on(subject: str, body: str) -> None:
    assert cause(subject, body) == ""


@pytest.mark.parametrize("name", ["resolved.jsonl", "open.jsonl"])
def test_no_example_with_something_to_do_is_refused(name: str) -> None:
    gold = {row["id"]: row["tag"] for row in _rows("open_gold.jsonl")}
    for row in _rows(name):
        nothing = gold.get(row["id"]) in ("empty", "pointless")
        assert bool(cause(row["subject"], row["description"])) == nothing, row["id"]


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").split("\n") if line]


def test_a_long_text_with_such_a_reply_in_it_is_worked_on() -> None:
    reply = "I am out of the office until Tuesday. For urgent matters call the switchboard. "
    assert refuse(CleanTicket("t", "", reply)) is not None
    assert refuse(CleanTicket("t", "", reply + "The accounts import fails with error 4012 every night. " * 20)) is None
