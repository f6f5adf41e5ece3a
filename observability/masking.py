"""Secrets never reach the journal nor a log: masked by the name they go under, and by the form they have inside a text."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

MASK = "***"
_SECRET_WORDS = frozenset(
    ("token", "secret", "password", "passwd", "pwd", "key", "apikey", "authorization", "credential", "credentials", "cookie")
)
_WORD_BREAK = re.compile(r"[^0-9a-zA-Z]+|(?<=[a-z])(?=[A-Z])")
_FORMS = (
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{MASK}@"),
    (re.compile(r"\b(bearer|basic|zoho-oauthtoken)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\b(\w*(?:token|secret|password|api_?key)=)[^&\s]+", re.IGNORECASE), rf"\1{MASK}"),
)


def mask_text(text: str) -> str:
    """A text without the credentials of URLs, authorisation headers and query strings."""
    for form, replacement in _FORMS:
        text = form.sub(replacement, text)
    return text


def mask_settings(settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Settings in which every value under a secret's name (`api_token`, `pseudonym_key`) is masked, at any depth."""
    return {name: MASK if is_secret(name) and _tells(value) else _mask(value) for name, value in settings.items()}


def is_secret(name: str) -> bool:
    """Whether a setting of this name is a secret: one of its words says so (`max_tokens` and `tokenizer` do not)."""
    return any(word.lower() in _SECRET_WORDS for word in _WORD_BREAK.split(name))


def _mask(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return mask_settings(value)
    return [_mask(item) for item in value] if isinstance(value, list) else value


def _tells(value: JsonValue) -> bool:
    """Whether a value gives anything away; that a secret is not set is worth knowing."""
    return value not in (None, "", False, True)
