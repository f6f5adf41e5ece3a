"""What a finder of personal data hands back."""

import re
from typing import NamedTuple

FIRST_MASK = 0xF0000
MASK = re.compile("[\U000f0000-\U000ffffd]")
"""A private-use character stands for what has already been replaced; a sender's own were taken out before."""


class Found(NamedTuple):
    """`text[start:end]` is personal: of which `kind`, and its normalised `value`, equal however it was written."""

    kind: str
    start: int
    end: int
    value: str
