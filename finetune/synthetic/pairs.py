"""The same incident told in Spanish and in English: what an embedder learns from that languages do not matter."""

import random
from collections.abc import Iterator

from finetune.synthetic.deal import Split
from finetune.synthetic.grammar import rendered
from finetune.synthetic.incident import build_world, draw
from finetune.synthetic.lexicon import LANGUAGES, lexicon
from finetune.synthetic.noise import noisy

INTENSITY = 0.5
"""Noise of the pairs: most of them are clean."""


def pairs(n: int, seed: int, split: Split = "train") -> Iterator[tuple[str, str]]:
    """`n` pairs of texts (Spanish, English). Wordings, registers and lengths differ within a pair; what happened does not."""
    words = lexicon(split)
    for number in range(n):
        rng = random.Random(f"pairs/{seed}/{split}/{number}")
        incident = draw(rng, build_world(rng, words, rng.choice(LANGUAGES)))
        told = {}
        for language in LANGUAGES:
            text = rendered(incident, words, rng, language)
            told[language] = "\n".join(noisy(text.subject, text.body, language, rng, INTENSITY)).strip()
        yield told["es"], told["en"]
