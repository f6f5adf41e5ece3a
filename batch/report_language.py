"""How a report speaks: the catalogue's words in one language, and numbers and dates as that language writes them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from batch.report_models import Said
from batch.report_words import NAMES, PLURALS, WORDS
from core.errors import InputError

Language: TypeAlias = Literal["es", "en"]

UNKNOWN = "–"
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}


def known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Writes numbers in a language; what is unknown is a dash."""

    language: Language

    def decimal(self, value: float | None, digits: int = 0) -> str:
        """A number with thousands grouped (in Spanish from five digits on, by a space) and so many decimals."""
        if value is None or not math.isfinite(value):
            return UNKNOWN
        text = f"{value:,.{digits}f}"
        if self.language == "en":
            return text
        text = text.replace(",", "\u202f" if abs(value) >= 10_000 else "")
        return text.replace(".", ",")

    def floor(self, value: float | None) -> str:
        """A score as a whole number, rounded down: 64.9 is never shown as a 65 that was rejected."""
        return self.decimal(None if value is None else math.floor(value)) if known(value) else UNKNOWN

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share (0..1) in percent; never rounded up to certainty or down to impossibility: `>99%`, `<1%`."""
        if share is None or not math.isfinite(share):
            return UNKNOWN
        step = 10.0 ** -(digits + 2)
        sign, shown = "", share
        if 0.0 < share < step / 2:
            sign, shown = "<", step
        elif 1.0 - step / 2 <= share < 1.0:
            sign, shown = ">", 1.0 - step
        return f"{sign}{self.decimal(100 * shown, digits)}{self._percent_sign}"

    def interval(self, ends: Sequence[float | None] | None, digits: int = 1) -> str:
        """An interval of shares: `84.0–88.2%`."""
        if ends is None or not all(known(end) for end in ends):
            return UNKNOWN
        low, high = (self.decimal(100 * (end or 0.0), digits) for end in ends)
        return f"{low}–{high}{self._percent_sign}"

    def p_value(self, p: float | None) -> str:
        """A p-value with its relation: `= 0.013`, `< 0.001`."""
        if p is not None and p < 0.001:
            return f"< {self.decimal(0.001, 3)}"
        return f"= {self.decimal(p, 3)}"

    def seconds(self, seconds: float | None) -> str:
        """A duration: `0.84 s`, `38 s`, `12 min 5 s`, `2 h 4 min`."""
        if seconds is None or not math.isfinite(seconds):
            return UNKNOWN
        if seconds < 10:
            return f"{self.decimal(seconds, 2 if seconds < 1 else 1)}\u00a0s"
        whole = round(seconds)
        if whole < 60:
            return f"{whole}\u00a0s"
        if whole < 3600:
            return f"{whole // 60}\u00a0min {whole % 60}\u00a0s"
        return f"{self.decimal(whole // 3600)}\u00a0h {whole % 3600 // 60}\u00a0min"

    def moment(self, iso: str) -> str:
        """An ISO 8601 moment as `14 Sep 2026, 09:12 UTC`; what is no such moment, as it is."""
        moment = parse_moment(iso)
        if moment is None:
            return iso or UNKNOWN
        zone = "" if moment.tzinfo is None else " UTC"
        moment = moment if moment.tzinfo is None else moment.astimezone(UTC)
        return f"{moment.day} {_MONTHS[self.language][moment.month - 1]} {moment.year}, {moment:%H:%M}{zone}"

    @property
    def _percent_sign(self) -> str:
        return "%" if self.language == "en" else "\u00a0%"


def parse_moment(iso: str) -> datetime | None:
    """An ISO 8601 moment, or None."""
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Words:
    """The catalogue in one language; also writes that language's numbers.

    Raises:
        InputError: the language is neither "es" nor "en".
    """

    language: Language

    def __post_init__(self) -> None:
        if self.language not in ("es", "en"):
            raise InputError(f"There are no reports in {self.language!r}.", remedy='Ask for "es" or "en".')

    def __call__(self, key: str, **values: object) -> str:
        """A fixed text with its values."""
        return WORDS[key][self._column].format_map(values)

    def count(self, key: str, n: int, **values: object) -> str:
        """A text that depends on a number, in the singular or the plural."""
        one, many = PLURALS[key][self._column]
        return (one if n == 1 else many).format_map({"n": self.numbers.decimal(n), **values})

    def name(self, family: str, code: str) -> str:
        """What a code is called; a code outside the catalogue (a user's field) is called by itself, without underscores."""
        known = NAMES[family].get(code)
        return known[self._column] if known else code.replace("_", " ")

    def said(self, text: Said) -> str:
        """A sentence that came in both languages."""
        return text.in_language(self.language)

    @property
    def numbers(self) -> Numbers:
        """How numbers are written."""
        return Numbers(self.language)

    @property
    def _column(self) -> int:
        return ("es", "en").index(self.language)
