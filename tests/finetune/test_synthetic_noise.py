"""Noise: mostly none, and what each operator does."""

import random

from finetune.synthetic import noise

TEXT = "No puedo entrar en la VPN porque la contraseña ha caducado. ¿Podéis mirarlo?"


def test_at_least_four_in_ten_stay_clean_at_any_intensity() -> None:
    for intensity, least in ((0.0, 1.0), (1.0, 0.4), (3.0, 0.35)):
        rng = random.Random(1)
        clean = sum(noise.noisy("Asunto", TEXT, "es", rng, intensity) == ("Asunto", TEXT) for _ in range(600))
        assert clean / 600 >= least


def test_some_noise_there_is() -> None:
    rng = random.Random(2)
    assert sum(noise.noisy("Asunto", TEXT, "es", rng)[1] != TEXT for _ in range(300)) > 100


def test_operators() -> None:
    rng = random.Random(3)
    assert noise.no_accents("¿Está aquí?", rng, "es") == "Esta aqui?"
    assert noise.mojibake("contraseña", random.Random(4), "es") in {"contraseÃ±a", "contrase?a", "contraseña"}
    assert noise.capitals("hola", rng, "es") == "HOLA"
    assert "\n" in noise.threaded(TEXT, rng, "es")
    assert noise.logged(TEXT, rng, "en").startswith(TEXT)
    assert not set(noise.unpunctuated(TEXT, rng, "es")) & set(".,¿")
    slipped = noise.slips(TEXT, rng, "es")
    assert slipped != TEXT
    assert abs(len(slipped) - len(TEXT)) < 6


def test_text_message_spelling() -> None:
    changed = {noise.short("porque no puedo, por favor", random.Random(i), "es") for i in range(20)}
    assert any("xq" in text for text in changed)
    assert any("pf" in text for text in changed)


def test_empty_text_stays_empty() -> None:
    for operator in (noise.slips, noise.spelling, noise.short, noise.unpunctuated, noise.capitals, noise.mojibake):
        assert operator("", random.Random(0), "en") == ""
