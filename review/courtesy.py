"""Whether a comment is nothing but thanks: "Muchas gracias, saludos, Ana" asks for nothing, "gracias pero sigue igual" does.

The text is taken phrase by phrase (`courtesy_words`); a word that belongs to no phrase and is no name is content. In doubt it is
content: a ticket that is looked at for nothing costs less than a complaint that nobody hears.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from core.text import fold
from review.courtesy_words import (
    BAD_SIGNS,
    BESIDE,
    CORRECTED,
    GIVEN_NAMES,
    GOOD_SIGNS,
    NO_SLIPS,
    NOT_NAMES,
    SAID,
    SIGN_OFFS,
)

LONGEST = 600
"""Characters: whoever writes more says something."""
_ASKS = re.compile(r"[?¿]|[:;]-?[(/|]")
_PSEUDONYM = re.compile(r"<[a-z]+(?::[0-9a-f]{8})?>")
_WORD = re.compile(r"[^\W_]+")
_AGAIN = re.compile(r"([^\W\d])\1{2,}|([aiu])\2")
_TITLE = re.compile(r"\b(sra?|dra?|d|mrs?|ms)\.", re.IGNORECASE)
_STOP = re.compile(r"[.!\n]")


class _Word(NamedTuple):
    plain: str
    capital: bool
    starts: bool
    """Whether it starts a sentence or a line."""


def only_courtesy(text: str, names: Collection[str] = ()) -> bool:
    """Whether `text` thanks, acknowledges or says that it works, and nothing else. `names`: of people, as the desk has them.

    A text without any word or sign is none: it acknowledges nothing.
    """
    if len(text) > LONGEST or _ASKS.search(text) or any(sign in text for sign in BAD_SIGNS):
        return False
    words = _words(_PSEUDONYM.sub(" ", text))
    known = GIVEN_NAMES | {part for name in names for part in fold(name).replace(".", " ").split()} - NOT_NAMES
    said = _taken(words, known)
    return said or (said is not None and any(sign in text for sign in GOOD_SIGNS))


def _taken(words: list[_Word], names: Collection[str]) -> bool | None:
    """Whether something was acknowledged; None where a word belongs to nothing."""
    joined = " ".join(word.plain for word in words)
    starts = _starts(words)
    at, said, after_phrase, signed = 0, False, False, False
    while at < len(words):
        phrase, well = _phrase(joined, starts[at])
        if phrase:
            said = said or well
            signed = phrase.split()[-1] in SIGN_OFFS
            at += len(phrase.split())
        elif not _is_name(words[at], names, after_phrase, signed):
            return None
        else:
            at += 1
        after_phrase = True
    return said


def _is_name(word: _Word, names: Collection[str], after_phrase: bool, signed: bool) -> bool:
    """Known names; behind a phrase also an unknown capitalised word, which must not begin a sentence unless one signs with it."""
    if word.plain in names:
        return True
    may = word.capital and after_phrase and word.plain not in NOT_NAMES and word.plain.isalpha()
    return may and (signed or not word.starts)


def _words(text: str) -> list[_Word]:
    found, end = [], 0
    text = _TITLE.sub(r"\1", unicodedata.normalize("NFC", text))
    for match in _WORD.finditer(text):
        starts = end == 0 or _STOP.search(text, end, match.start()) is not None
        plain = _corrected(_AGAIN.sub(lambda m: m[1] or m[2], fold(match[0])))
        found.append(_Word(plain, match[0][0].isupper() and not _is_code(match[0]), starts))
        end = match.end()
    return found


def _is_code(word: str) -> bool:
    """VPN, SAP: capitals throughout, as no name is written among small letters."""
    return len(word) > 1 and word.isupper() and len(word) < 5


def _starts(words: list[_Word]) -> list[int]:
    places, at = [], 0
    for word in words:
        places.append(at)
        at += len(word.plain) + 1
    return places


def _phrase(joined: str, at: int) -> tuple[str, bool]:
    """The longest phrase that starts at a place, "" where there is none, and whether it says that all is well."""
    found = [(match[0], said) for pattern, said in _phrases() if (match := pattern.match(joined, at))]
    return max(found, key=lambda one: (len(one[0]), one[1]), default=("", False))


@lru_cache(maxsize=1)
def _phrases() -> tuple[tuple[re.Pattern[str], bool], ...]:
    pairs = [(phrase, True) for phrase in SAID] + [(phrase, False) for phrase in BESIDE]
    return tuple((re.compile(rf"(?:{phrase})(?= |$)"), said) for phrase, said in pairs)


@lru_cache(maxsize=4_096)
def _corrected(word: str) -> str:
    """The word, or the one that it is with one slip: a letter too many, too few, another, or two swapped."""
    if len(word) < 5 or word in NO_SLIPS:
        return word
    return next((right for right in CORRECTED if word[0] == right[0] and _one_slip(word, right)), word)


def _one_slip(word: str, right: str) -> bool:
    if len(word) > len(right):
        return len(word) == len(right) + 1 and any(word[:i] + word[i + 1 :] == right for i in range(len(word)))
    if len(word) < len(right):
        return _one_slip(right, word)
    other = [i for i, (a, b) in enumerate(zip(word, right, strict=True)) if a != b]
    swapped = len(other) == 2 and other[1] == other[0] + 1 and word[other[0]] == right[other[1]]
    return len(other) == 1 or (swapped and word[other[1]] == right[other[0]])
