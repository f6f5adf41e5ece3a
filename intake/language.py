"""Which language a ticket is in, or that it can't be told."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

PLAUSIBLE = ("es", "en", "pt", "fr", "de", "it", "ca")
_FEWEST_WORDS = 3
_FEWEST_LETTERS = 12
_SURE = 0.5
_READ = 500
_WORD = re.compile(r"[^\W\d_]+")
_NOT_PROSE = re.compile(r"<[a-z]+:[0-9a-f]{8}>|\S*[/\\@=]\S*|\b\w*\d\w*\b")


def detect(text: str) -> str:
    """The ISO 639-1 code of `text`, one of `PLAUSIBLE`, or "" where it is too short or no language is likely enough.

    Pseudonyms, paths, addresses and codes are left out; the first five hundred characters decide.
    """
    prose = _NOT_PROSE.sub(" ", text[:_READ])
    words = _WORD.findall(prose)
    if len(words) < _FEWEST_WORDS or sum(map(len, words)) < _FEWEST_LETTERS:
        return ""
    code, probability = _identifier().classify(prose.lower())
    return str(code) if probability >= _SURE else ""


@lru_cache(maxsize=1)
def _identifier() -> "LanguageIdentifier":
    """The identifier over the plausible languages, with probabilities that sum to one; takes a second to load, once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(PLAUSIBLE))
    return identifier
