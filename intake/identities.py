"""Finders for e-mail addresses, bank accounts, cards and national identity numbers, all but the first with their checksums."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from intake import context
from intake.found import Found

_EMAIL = re.compile(
    r"[^\W_][\w.+%'-]{0,63}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}|[^\W_]@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{1,4}){3,9}", re.IGNORECASE | re.ASCII)
_DIGIT_RUN = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,}(?![\w-])")
_CARD_KIND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|6(?:011|5\d\d"
    r"|4[4-9]\d)\d{12}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|(?:50|5[6-9]|6\d)\d{14}"
)
_SHORTEST_IBAN, _LONGEST_IBAN, _FEWEST_IBAN_DIGITS = 15, 34, 8
_LONGEST_CARD = 19


class Identity(NamedTuple):
    """A national number: its shape, the label that must or may announce it, and the check of python-stdnum that it passes.

    `label` alone (with `check` empty) finds numbers that have no checksum; `strict` numbers are common enough as codes that
    they need their label.
    """

    shape: re.Pattern[str]
    check: str = ""
    label: str = ""
    strict: bool = False


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-])(?:{pattern})(?![\w-]|\.\d)", re.IGNORECASE)


_IDENTITIES = (
    Identity(_shape(r"\d{8}[ -]?[A-Z]|\d{2}\.\d{3}\.\d{3}[ -]?[A-Z]"), "es.dni", r"dni|nif|d\.n\.i|identidad"),
    Identity(_shape(r"[XYZ][ -]?\d{7}[ -]?[A-Z]"), "es.nie", r"nie|nif|identidad"),
    Identity(_shape(r"[ABCDEFGHJNPQRSUVW]-?\d{7}-?[0-9A-J]"), "es.cif", r"cif|nif"),
    Identity(_shape(r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"), "mx.curp", r"curp"),
    Identity(_shape(r"[A-ZÑ&]{3,4}[ -]?\d{6}[ -]?[A-Z0-9]{3}"), "mx.rfc", r"rfc"),
    Identity(_shape(r"\d{1,3}(?:\.?\d{3}){2}[ -]?-[ -]?\d|\d{9,10}"), "co.nit", r"nit", True),
    Identity(_shape(r"\d{1,2}(?:\.\d{3}){2}-[\dK]|\d{7,8}-[\dK]"), "cl.rut", r"rut"),
    Identity(_shape(r"(?:20|23|24|25|26|27|30|33|34)-\d{8}-\d"), "ar.cuit", r"cuit|cuil"),
    Identity(_shape(r"\d{11}"), "ar.cuit", r"cuit|cuil", True),
    Identity(_shape(r"\d{7}[A-W][A-IW]?"), "ie.pps", r"pps|ppsn"),
    Identity(_shape(r"\d{3}-\d{2}-\d{4}"), "us.ssn", r"ssn|social security"),
    Identity(
        _shape(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
        "",
        r"nino"
        r"|national insurance"
        r"|ni",
    ),
    Identity(_shape(r"\d{1,3}(?:\.?\d{3}){1,3}"), "", r"cedula|c\.?c|dni|nif|rut|documento de identidad|identificacion", True),
    Identity(_shape(r"[A-Z]{1,3}\d{6,9}|\d{9}[A-Z]?"), "", r"pasaporte|passport", True),
)
_ANY_CASE = ("es.dni", "es.nie")
_ANY = re.compile(r"\d{6}|\d{2,3}\.\d{3}|\d{3}-\d{2}-\d{4}|\d\d \d\d \d\d")
_AFTER_LABEL = r"(?:(?: (?:es|is|num|numero|number|no|del?|the|of|his|her|su|mi|usuario|cliente|titular))|[\W_]|n[ºo°.])*$"


def emails(text: str) -> Iterator[Found]:
    """E-mail addresses, whatever their case."""
    if "@" in text:
        yield from (Found("email", match.start(), match.end(), match[0].lower()) for match in _EMAIL.finditer(text))


def accounts(text: str) -> Iterator[Found]:
    """IBANs and payment cards with a right checksum; an unbroken number that an invoice announces is no card."""
    at = 0
    while match := _IBAN.search(text, at):
        found = _iban(match)
        at = found.end if found else match.start() + 1
        if found:
            yield found
    for match in _DIGIT_RUN.finditer(text):
        if not match[0].isdigit() or not context.names_code(context.before(text, match.start())):
            yield from _cards(match)


def _cards(match: re.Match[str]) -> Iterator[Found]:
    """Cards among the groups of a run of digits: a date or a code may stand before or after one."""
    groups = list(re.finditer(r"\d+", match[0]))
    first = 0
    while first < len(groups):
        last, digits = first, ""
        for here in range(first, min(first + _LONGEST_CARD, len(groups))):
            digits += groups[here][0]
            if len(digits) > _LONGEST_CARD:
                break
            if _CARD_KIND.fullmatch(digits) and _valid("luhn", digits):
                last = here + 1
                yield Found("card", match.start() + groups[first].start(), match.start() + groups[here].end(), digits)
        first = max(first + 1, last)


def _iban(match: re.Match[str]) -> Found | None:
    """The longest start of the match that is an IBAN: in running text the next word looks like one more group."""
    kept = [n for n, char in enumerate(match[0]) if char not in " -"]
    compact = "".join(match[0][n] for n in kept).upper()
    if sum(map(str.isdigit, compact)) < _FEWEST_IBAN_DIGITS:
        return None
    for size in range(min(len(kept), _LONGEST_IBAN), _SHORTEST_IBAN - 1, -1):
        if size < len(kept) and kept[size] == kept[size - 1] + 1:
            continue
        if _remainder(compact[4:size] + compact[:4]) == 1 and _valid("iban", compact[:size]):
            return Found("iban", match.start(), match.start() + kept[size - 1] + 1, compact[:size])
    return None


def _remainder(rearranged: str) -> int:
    """Modulo 97 with letters as 10 to 35: 1 for an IBAN. Asked before python-stdnum, which also knows each country's form."""
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97


def national(text: str) -> Iterator[Found]:
    """National identity numbers: by checksum where there is one and nothing announces a code, else by their label."""
    if not _ANY.search(text):
        return
    for identity in _IDENTITIES:
        for match in identity.shape.finditer(text):
            if _is_identity(identity, match, text):
                yield Found("id", match.start(), match.end(), re.sub(r"[\W_]", "", match[0]).upper())


def _is_identity(identity: Identity, match: re.Match[str], text: str) -> bool:
    lead = context.before(text, match.start())
    labelled = re.search(rf"\b(?:{identity.label}){_AFTER_LABEL}", lead) is not None
    if identity.strict or (context.names_code(lead) and not labelled):
        return labelled
    if not identity.check or labelled:
        return labelled or match[0].isupper()
    return (match[0] == match[0].upper() or identity.check in _ANY_CASE) and _valid(identity.check, match[0])


def _valid(module: str, number: str) -> bool:
    return bool(_checker(module)(number))


@lru_cache(maxsize=32)
def _checker(module: str) -> Callable[[str], bool]:
    check: Callable[..., bool] = import_module(f"stdnum.{module}").is_valid
    if module == "mx.rfc":
        return lambda number: check(number, validate_check_digits=True)
    return check
