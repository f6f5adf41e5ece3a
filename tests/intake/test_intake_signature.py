"""Signatures: only at the end, only what follows the sign-off."""

import pytest

from intake.signature import strip

BODY = "No puedo abrir la carpeta de tarifas desde ayer."
SIGNED = [
    "Saludos,\nMarta Pérez\nCompras · ext. 2214\nmarta@a.example",
    "Un saludo\nMarta",
    "Atentamente,\n\nMarta Pérez Gil\nJefa de compras\nC/ Industria 12, 41015 Sevilla\n+34 600 555 012",
    "Muchas gracias y un cordial saludo,\nMarta",
    "Gracias,\nMarta Pérez\nAtención al cliente",
    "Gracias. Saludos",
    "Kind regards,\nTove Lindqvist-Moran\nKey accounts | +353 21 555 0131",
    "Thank you!\nWilhelmina Oke\nExecutive assistant",
    "Best, Gunvor",
    "Cheers, Fintan",
    "-- \nMarta Pérez\nAlbéniz Distribución",
    "--\nMarta",
    "Sent from my iPhone",
    "Un saludo,\nMarta\n\nEnviado desde mi Samsung Galaxy",
    "Get Outlook for Android",
    "Saludos,\nMarta\n\nAVISO LEGAL: Este mensaje es confidencial y para su destinatario. Si llegó por error, bórrelo.",
    "This e-mail is confidential and intended only for the addressee. If you received it in error, delete it.",
    "Regards\nDr. Emeka Strand\n\nPlease consider the environment before printing this e-mail.",
]


@pytest.mark.parametrize("signature", SIGNED)
def test_the_signature_goes(signature: str) -> None:
    kept, count = strip(f"{BODY}\n\n{signature}\n")
    assert kept == BODY
    assert count > 0


@pytest.mark.parametrize("ending", ["Un saludo, Marta", "Saludos", "Kind regards, Tove", "Gracias, Marta Pérez"])
def test_a_sign_off_on_the_last_line_goes(ending: str) -> None:
    assert strip(f"{BODY} {ending}") == (BODY, 1)


@pytest.mark.parametrize(
    "text",
    [
        "gracias",
        "no va el wifi\ngracias",
        "no va el wifi\ngracias\nahora tampoco va el correo",
        "no va el wifi\nGracias\nAhora tampoco va el correo de Marta",
        "Saludos,\nno imprime la zebra del muelle 4",
        "Hola\nSaludos\nNo imprime la zebra",
        "Un saludo,\nMarta",
        "Quiero enviar saludos de Navidad desde el buzón y no me deja",
        "No va la VPN.\nUn saludo,\nMarta\nPD: la impresora tampoco imprime desde ayer.",
        "No va.\n\nSaludos,\nMarta\n\nY además, como decía, el portátil se apaga solo cuando lo desenchufo de la base.",
        "He recibido por error datos confidenciales de otro destinatario, ¿qué hago?",
        "Pasos:\n--\nabrir Sigma y darle a guardar, que entonces sale el error de siempre. PS no guarda\nnota: igual en otro PC",
        "best before date is wrong on the label",
        "Regards field is empty in the mail template",
    ],
)
def test_a_message_stays(text: str) -> None:
    assert strip(text) == (text, 0)
