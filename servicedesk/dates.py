"""Dates of a table's column: ISO first, then day/month/year unless the column as a whole proves month/day.

A date without a zone is taken to be in `zone`; every result is aware, in UTC.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from dateutil import parser

_UTC_OFFSET = re.compile(r"\b(?:GMT|UTC)\s?(?=[+\-]\d)")  # "GMT+2" would be read the POSIX way, with the sign turned
_SPACES = re.compile(r"\s+")
_HALF_DAY = re.compile(r"\b([ap])\.?\s?m\b\.?", re.IGNORECASE)
_DAY_MONTH = re.compile(r"^(\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)(.*)$")
_YEAR_FIRST = re.compile(r"^(\d{4})([/.\-])(\d{1,2})\2(\d{1,2})(?!\d)(.*)$")
_EPOCH = re.compile(r"^\d{10}(\d{3})?$")
_NOTHING = frozenset(("", "-", "--", "n/a", "na", "nan", "nat", "null", "none", "not assigned", "sin fecha", "0000-00-00"))
# Spanish words of dates in the words that dateutil knows; "mar" is March in both languages, never martes.
_MONTHS = {"ene": "jan", "feb": "feb", "mar": "mar", "abr": "apr", "may": "may", "jun": "jun", "jul": "jul", "ago": "aug"} | {
    "sep": "sep",
    "set": "sep",
    "oct": "oct",
    "nov": "nov",
    "dic": "dec",
}
_MONTH = re.compile(
    r"\b(ene|feb|mar|abr|may|jun|jul|ago|set|sep|oct|nov|dic)(ro|rero|zo|il|o|io|sto|t|iembre|tiembre|ubre)?\b\.?",
    re.IGNORECASE,
)
_FILLERS = re.compile(r"\b(de|del|a las|lunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bado|domingo)\b", re.IGNORECASE)
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
_DEFAULTS = (datetime(2000, 1, 1), datetime(2004, 2, 2))


def is_no_date(text: str) -> bool:
    """True for a blank and for what exports write instead of one: `-`, `N/A`, `null`."""
    return text.strip().casefold() in _NOTHING


def month_first(texts: Iterable[str]) -> bool:
    """True where a column proves month/day: some value has a second part over 12, and none has a first part over 12."""
    found = [match for match in map(_DAY_MONTH.match, map(str.strip, texts)) if match]
    return any(int(m[3]) > 12 for m in found) and not any(int(m[1]) > 12 for m in found)


def parse_date(text: str, *, month_first: bool = False, zone: tzinfo = UTC) -> datetime:
    """The moment that a text names, in UTC.

    Raises:
        ValueError: it names none, only part of one, or one outside 1970-2100.
    """
    try:
        found = _parsed(_SPACES.sub(" ", _HALF_DAY.sub(r"\1m", text.strip())), month_first)
        moment = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"{text!r} is not between {_FIRST_YEAR} and {_LAST_YEAR}")
    return moment


def _parsed(text: str, month_first: bool) -> datetime:
    if epoch := _EPOCH.match(text):
        return datetime.fromtimestamp(int(text) / (1000 if epoch[1] else 1), UTC)
    year_first = _rewritten(text, month_first)
    try:
        return datetime.fromisoformat(year_first)
    except ValueError:
        return _with_names(year_first)


def _rewritten(text: str, month_first: bool) -> str:
    """The same date with the year first, where it is one of numbers; a month over 12 is never swapped with the day."""
    if match := _YEAR_FIRST.match(text):
        year, month, day, rest = match[1], match[3], match[4], match[5]
    elif match := _DAY_MONTH.match(text):
        day, month = (match[3], match[1]) if month_first else (match[1], match[3])
        year, rest = _century(match[4]), match[5]
    else:
        return text
    if not 1 <= int(month) <= 12:
        raise ValueError(f"{month} is not a month")
    return f"{year}-{int(month):02}-{int(day):02}{rest}"


def _century(year: str) -> str:
    return year if len(year) == 4 else f"{'20' if int(year) < _FIRST_YEAR % 100 else '19'}{year}"


def _with_names(text: str) -> datetime:
    """Read by dateutil; twice with other defaults, because it fills what is missing from the default instead of refusing."""
    if not (_YEAR_FIRST.match(text) or any(c.isalpha() for c in text)):
        raise ValueError(f"{text!r} is not a date")
    words = _MONTH.sub(lambda match: _MONTHS[match[1].lower()], _FILLERS.sub(" ", _UTC_OFFSET.sub("", text)))
    first, second = (parser.parse(words, default=default, tzinfos=_zone) for default in _DEFAULTS)
    if first != second:
        raise ValueError(f"{text!r} is only part of a date")
    return first


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    """The zone of an offset in seconds; a bare zone name other than UTC means different things in different places."""
    if name is None and offset is None:
        return None
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name in ("UTC", "GMT", "Z"):
        return UTC
    raise ValueError(f"{name!r} is not a time zone")
