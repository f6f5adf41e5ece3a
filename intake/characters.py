"""Characters: what can't be seen goes out, odd spaces and line ends become plain ones, and everything is NFC."""

import re
import unicodedata
from functools import lru_cache

_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_NONCHARACTERS = "".join(chr(plane + low) for plane in range(0, 0x100000, 0x10000) for low in (0xFFFE, 0xFFFF))
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1f\x7f-\x9f"  # controls, NUL among them
    "\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidi, byte order mark
    "\ufe00-\ufe0f\U000e0000-\U000e0fff"  # variation selectors and tags, which can carry hidden text
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff\ufdd0-\ufdef"  # lone surrogates, private use, noncharacters
    f"{_NONCHARACTERS}]"
)
_LONG_NON_LATIN = re.compile("[\u0300-\U0010ffff]{5,}")
_MARKS_KEPT = 4
_SPACED_ACCENTS = str.maketrans("¨¯´¸", "    ")
_LOOKALIKES = str.maketrans("аеорсухіјѕԁ", "aeopcyxijsd")
_PROBE = re.compile("[^\n -~¡-¬®-ÿĀ-ſ–—‘’“”•…€™]")


def visible(text: str) -> tuple[str, int]:
    """`text` in NFC with `\\n` line ends and plain spaces only, and how many invisible characters were dropped."""
    if not _PROBE.search(text):
        return text, 0
    text = _SPACES.sub(" ", _BREAKS.sub("\n", text))
    text, dropped = _INVISIBLE.subn("", text)
    text = unicodedata.normalize("NFC", _LONG_NON_LATIN.sub(_thin, text))
    return _SPACES.sub(" ", text), dropped


def _thin(match: re.Match[str]) -> str:
    """At most four combining marks in a row: thousands of them make normalisation quadratic and mean nothing."""
    kept, run = [], 0
    for char in match[0]:
        run = run + 1 if unicodedata.combining(char) else 0
        if run <= _MARKS_KEPT:
            kept.append(char)
    return "".join(kept)


def aligned(text: str) -> str:
    """Like `plain`, but character for character: what is found at a place in it stands at the same place in `text`."""
    return text.lower() if text.isascii() else "".join(map(_base, text))


@lru_cache(maxsize=4_096)
def _base(char: str) -> str:
    folded = unicodedata.normalize("NFKD", char)[0].lower()
    return folded if len(folded) == 1 else char


def plain(text: str) -> str:
    """`text` for matching: lower case, no accents, no full-width or look-alike letters; words stay one to one."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.translate(_SPACED_ACCENTS))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold().translate(_LOOKALIKES)
