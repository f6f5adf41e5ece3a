"""Pages from templates, and forms read: what every page of the review server has in common."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from batch.review_words import spoken

if TYPE_CHECKING:
    from fastapi import Request
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
LONGEST_FORM = 64_000
"""Bytes of a form that is read."""


def page(template: str, language: str, **values: object) -> str:
    """A page in a language; `w` in it is the word of a key."""

    def word(key: str, **inner: object) -> str:
        return spoken(key, language, **inner)

    return _environment().get_template(f"{template}.html.jinja").render(w=word, language=language, **values)


def reader_language(request: "Request", usual: str) -> str:
    """What the page is to speak: es or en."""
    asked = request.query_params.get("lang", "")
    return asked if asked in {"es", "en"} else usual


async def read_form(request: "Request") -> dict[str, str] | None:
    """The fields of a form, or None where it is too long or none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            return None
    try:
        found: Mapping[str, list[str]] = parse_qs(body.decode(), max_num_fields=200)
    except ValueError:
        return None
    return {key: values[-1] for key, values in found.items()}


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True, trim_blocks=True)
