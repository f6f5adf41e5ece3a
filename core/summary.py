"""A one-line summary in the ticket's own words: extracted, or written by a model and then checked word by word."""

import re

from core.text import fold

MAX_LENGTH = 120
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_MIN_SUBJECT_WORDS = 3
FOREIGN = 0.15
"""Share of a summary's content words that may be missing from its ticket."""
_STEM = 5
_SHORT = 3
_WORD = re.compile(r"[^\W_]+")


def extract_summary(subject: str, body: str) -> str:
    """The subject where it says something (three words or more), else the first telling sentence; at most 120 characters."""
    if len(subject.split()) >= _MIN_SUBJECT_WORDS:
        return _shorten(subject)
    sentences = [s.strip() for s in _SENTENCE_END.split(body) if len(s.split()) >= _MIN_SUBJECT_WORDS]
    return _shorten(sentences[0] if sentences else f"{subject} {body}")


def grounded(summary: str, text: str) -> bool:
    """Whether a written summary is one line of two words or more, not too long, and says nothing that its ticket does not.

    Words are compared by their first five letters, without case and accents; words of three letters and fewer don't count,
    but every number must be the ticket's.
    """
    words = _WORD.findall(fold(summary))
    if len(words) < 2 or len(summary) > MAX_LENGTH or "\n" in summary:
        return False
    known = {word[:_STEM] for word in _WORD.findall(fold(text))}
    content = [word for word in words if len(word) > _SHORT or word.isdigit()]
    foreign = [word for word in content if word[:_STEM] not in known]
    return not any(word.isdigit() for word in foreign) and len(foreign) <= FOREIGN * len(content)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 1].rsplit(" ", 1)[0] + "…"
