"""White space and length."""

import re

_TRAILING = re.compile(r" +(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}")
_SPACES = re.compile(r" {2,}")
_LAST_WORDS = 100


def tidy(text: str) -> str:
    """Single spaces, no space at line ends, at most one blank line in a row, nothing around."""
    if "  " in text:
        text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text))
    return text.strip()


def clip(text: str, most: int) -> str:
    """At most `most` characters, cut at white space where there is any near the end: half a card number is no card number."""
    if len(text) <= most:
        return text
    head = text[:most]
    cut = max(head.rfind(" ", most - _LAST_WORDS), head.rfind("\n", most - _LAST_WORDS))
    return head[:cut] if cut > 0 else head
