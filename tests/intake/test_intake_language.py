"""The language, or none."""

import pytest

from intake.language import PLAUSIBLE, detect


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("No me deja entrar en el portal, dice que la cuenta está bloqueada", "es"),
        ("I cannot open the invoice because the viewer crashes every time", "en"),
        ("O computador não liga desde ontem e preciso de trabalhar", "pt"),
        ("Je ne peux plus ouvrir ma session depuis ce matin, merci de votre aide", "fr"),
        ("Der Drucker im Lager druckt seit heute Morgen keine Etiketten mehr", "de"),
        ("EL PORTÁTIL SE APAGA SOLO CUANDO LO DESENCHUFO DE LA BASE", "es"),
        ("<email:12ab34cd> <phone:12ab34cd> cannot open the shared folder on \\\\srv\\tarifas", "en"),
    ],
)
def test_tells_the_language(text: str, code: str) -> None:
    assert detect(text) == code
    assert code in PLAUSIBLE


@pytest.mark.parametrize(
    "text",
    ["", "VPN", "ok gracias", "INC-20871 0x80070005 10.0.19041", "???", "a b c d", "<email:12ab34cd> <iban:12ab34cd> hola"],
)
def test_does_not_guess(text: str) -> None:
    assert detect(text) == ""
