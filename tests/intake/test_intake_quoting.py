"""Quoted mail off; a mail that only forwards keeps what it forwards."""

import pytest

from intake.quoting import newest

OWN = "La VPN se corta cada diez minutos."
OLD = "Pruebe a reiniciar el router, por favor, y díganos qué ve."
HEADERS = [
    "El lun, 3 mar 2025 a las 10:11, Mesa de ayuda (<mesa@a.example>) escribió:",
    "On Mon, 3 Mar 2025 at 10:11, Service Desk <desk@a.example> wrote:",
    "On Mon, 3 Mar 2025 at 10:11, Service Desk\n<desk@a.example>\nwrote:",
    "-----Mensaje original-----\nDe: Mesa <mesa@a.example>\nEnviado el: lunes, 3 de marzo\nPara: Marta\nAsunto: VPN",
    "-----Original Message-----\nFrom: Desk\nSent: Monday\nTo: Marta\nSubject: VPN",
    "De: Mesa\nEnviado: lunes\nPara: Marta\nCC: Luis\nAsunto: VPN",
    "*From:* Desk <desk@a.example>\n*Sent:* Monday\n*To:* Marta\n*Subject:* VPN",
    "________________________________\nFrom: Desk\nSent: Monday\n\nTo: Marta\nSubject: VPN",
    "---------- Forwarded message ---------\nDe: Mesa <mesa@a.example>\nDate: lun, 3 mar 2025\nSubject: VPN\nTo: <m@a.example>",
    "Begin forwarded message:\n\nFrom: Desk\nSubject: VPN\nDate: 3 March 2025\nTo: Marta",
    "From: Desk Sent: Monday 3 March To: Marta Subject: VPN",
]


@pytest.mark.parametrize("header", HEADERS)
def test_the_quoted_message_goes(header: str) -> None:
    kept, lines = newest(f"{OWN}\n\n{header}\n\n{OLD}\n")
    assert kept == OWN
    assert lines > 2


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(
    "own",
    [
        "",
        "FYI",
        "Os lo reenvío, gracias",
        "pls see below",
        "Me piden reenviarles esto.",
        "Hola, ¿podéis mirarlo?\n\nUn saludo,\nMarta Pérez\nCompras",
        "RV:\nMarta Pérez\nCompras",
    ],
)
def test_a_forward_keeps_what_it_forwards(own: str, header: str) -> None:
    kept, _ = newest(f"{own}\n\n{header}\n\n{OLD}\n")
    assert kept == OLD


def test_of_a_chain_the_newest_that_says_something_is_kept() -> None:
    inner = "From: A\nSent: Monday\nTo: B\nSubject: x\n\nThe label printer of dock four prints all labels twice, even "
    inner += (
        "after a restart of the queue, and the operators throw half of the paper away while the lorries wait at the gate outside."
    )
    chain = f"FYI\n\nFrom: B\nSent: Tuesday\nSubject: x\n\nSee below.\n\n{inner}\n\nFrom: C\nSent: Sunday\nSubject: x\n\nOld."
    assert newest(chain)[0].startswith("The label printer")
    assert "Old." not in newest(chain)[0]
    assert "FYI" not in newest(chain)[0]


def test_replies_between_quoted_lines_are_kept() -> None:
    kept, lines = newest(
        "Gracias por contestar.\n> Pruebe el router.\nYa lo he reiniciado tres veces.\n> ¿Y el cable?\nEs nuevo."
    )
    assert kept == "Gracias por contestar.\nYa lo he reiniciado tres veces.\nEs nuevo."
    assert lines == 2


def test_an_answer_under_the_quotation_is_kept() -> None:
    kept, _ = newest("On Mon, 3 Mar 2025, Desk wrote:\n> Which error do you see?\n\nIt says 4471, period not open.")
    assert kept == "It says 4471, period not open."


def test_a_ticket_that_is_all_quotation_is_read() -> None:
    assert newest("> la zebra no imprime\n> desde ayer por la tarde")[0] == "la zebra no imprime\ndesde ayer por la tarde"


@pytest.mark.parametrize(
    "text",
    [
        "Traslado de equipo\nDe: Sevilla\nPara: Zaragoza\n\nSon dos portátiles y una pantalla.",
        "El proveedor escribió:\nque no hay existencias",
        "Log:\nfrom: 10.0.0.1\nto: 10.0.0.2\nno llega nada",
        "Notas:\n-- uno\n-- dos\n---\nno son firmas",
    ],
)
def test_what_is_no_quotation_stays(text: str) -> None:
    assert newest(text) == (text, 0)
