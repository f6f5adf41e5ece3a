"""Sentences of a paragraph."""

import re
from itertools import pairwise

END = re.compile(
    r"(?<=[.!?…])(?<!\d\.)(?<!\b[MSD]r\.)\s+(?=\S)"  # white space after a full stop
    r"|(?<=[.!?])(?=[\"'»”)]?\s?[A-ZÁÉÍÓÚÑ][a-zñáéíóú]+\s)"  # no white space: "done.Then we"
    r"|(?<=\n)"
)


def split(paragraph: str) -> list[str]:
    """The sentences with their white space and line ends, so that joining them gives the paragraph back."""
    marks = sorted({0, len(paragraph), *(match.end() for match in END.finditer(paragraph))})
    return [paragraph[start:end] for start, end in pairwise(marks)]
