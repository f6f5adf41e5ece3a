"""An extractive one-line summary: the ticket's own words."""

import re

MAX_LENGTH = 120
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_MIN_SUBJECT_WORDS = 3


def extract_summary(subject: str, body: str) -> str:
    """The subject where it says something (three words or more), else the first telling sentence; at most 120 characters."""
    if len(subject.split()) >= _MIN_SUBJECT_WORDS:
        return _shorten(subject)
    sentences = [s.strip() for s in _SENTENCE_END.split(body) if len(s.split()) >= _MIN_SUBJECT_WORDS]
    return _shorten(sentences[0] if sentences else f"{subject} {body}")


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 1].rsplit(" ", 1)[0] + "…"
