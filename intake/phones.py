"""Finder for telephone numbers: the shapes people write, confirmed by the numbering plans of phonenumbers."""

import re
from collections.abc import Iterator

from intake import context
from intake.found import Found

REGIONS = ("ES", "MX", "CO", "IE", "GB", "US")
_MAYBE = re.compile(r"\d[\d ().\-–/]{5,}\d")
_START = r"(?:(?<![\w.\-/\\=#@$€£+,])|(?<=\D,)|(?<=\d{9}/))"
_END = (
    r"(?!\w|/(?!\d{9}\b)|[\\=@%]|[-–.,:]\d| ?(?:€|\$|£|eur\b|euros?\b|usd\b|mxn\b|cop\b|gbp\b|pesos?\b|%|kg\b|uds?\b"
    r"|unidades\b|units\b|bytes\b|[kmg]b\b|ms\b))"
)
_INTERNATIONAL = re.compile(r"(?:(?<!\+)\+|(?<!\w)00(?=[1-9]))[ (]{0,2}\d{1,3}(?:[ ().\-–/]{0,3}\d){6,14}")
_S = r"[ .\-–]"
_SHAPES = {
    "ES": re.compile(
        rf"{_START}[6-9](?:\d{{8}}|\d\d[ \-–]\d{{3}}[ \-–]\d{{3}}|\d\d(?:{_S}\d\d){{3}}|\d[ \-–]\d{{3}}[ \-–]\d\d[ \-–]\d\d"
        rf"|\d\d[ \-–]\d{{6}}){_END}"
    ),
    "CO": re.compile(rf"{_START}(?:3\d\d{_S}?\d{{3}}{_S}?\d\d{_S}?\d\d|\(?60\d\)?[ \-–]\d{{3}}[ \-–]?\d\d[ \-–]?\d\d){_END}"),
    "MX": re.compile(rf"{_START}(?:\(?\d{{3}}\)?[ \-–]\d{{3}}[ \-–]\d\d[ \-–]?\d\d|\(?\d\d\)?[ \-–]\d{{4}}[ \-–]\d{{4}}){_END}"),
    "IE": re.compile(rf"{_START}\(?0\d{{1,2}}\)?{_S}?\d{{3}}{_S}?\d{{4}}{_END}"),
    "GB": re.compile(rf"{_START}\(?0(?:\d{{9,10}}|\d{{2,4}}\)?[ \-–]\d{{3,4}}[ \-–]?\d{{3,4}}|\d{{4}}\)?[ \-–]\d{{6}}){_END}"),
    "US": re.compile(rf"{_START}(?:1[ \-–.])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[\-–. ])\d{{3}}[\-–. ]\d{{4}}{_END}"),
}
_LABELLED = re.compile(rf"{_START}[(\d](?:[ ().\-–/]{{0,2}}\d){{6,13}}(?![\w@]|[-–.,:]\d)")
_DATE = re.compile(r"(?:19|20)\d\d[-./ ]?\d\d[-./ ]?\d\d|\d\d?[-./]\d\d?[-./](?:19|20)\d\d")


def find(text: str) -> Iterator[Found]:
    """Telephone numbers: international ones, national ones of `REGIONS`, and any number that a word like "tel." announces.

    A number announced as something else (invoice, ticket, error, serial number...) is none, nor is an amount or a date.
    """
    if not _MAYBE.search(text):
        return
    yield from _international(text)
    for region, shape in _SHAPES.items():
        for match in shape.finditer(text):
            lead = context.before(text, match.start())
            if not context.names_code(lead) and (number := _number(match[0], region, strict=True)):
                yield Found("phone", match.start(), match.end(), number)
    yield from _labelled(text)


def _international(text: str) -> Iterator[Found]:
    """From the longest start of the match to the shortest: in running text a time or an extension may follow."""
    for match in _INTERNATIONAL.finditer(text):
        ends = [n for n in range(len(match[0]), 7, -1) if match[0][n - 1].isdigit() and not match[0][n : n + 1].isdigit()]
        if match[0][0] == "0" and context.names_code(context.before(text, match.start())):
            continue
        written = "+" + match[0].lstrip("0") if match[0].startswith("00") else match[0]
        offset = len(written) - len(match[0])
        for strict in (True,) if match[0][0] == "0" else (True, False):
            found = next(((n, number) for n in ends if (number := _number(written[: n + offset], None, strict))), None)
            if found:
                yield Found("phone", match.start(), match.start() + found[0], found[1])
                break


def _labelled(text: str) -> Iterator[Found]:
    for match in _LABELLED.finditer(text):
        lead = context.before(text, match.start())
        if context.names_phone(lead) and not context.names_code(lead) and not _DATE.match(match[0]):
            digits = re.sub(r"\D", "", match[0])
            number = next((n for region in REGIONS if (n := _number(match[0], region, strict=True))), digits)
            yield Found("phone", match.start(), match.end(), number)


def _number(written: str, region: str | None, strict: bool) -> str:
    """The number in E.164, or "" where it is none; `strict`: of a range that is in use, else of a possible length."""
    import phonenumbers

    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return ""
    good = phonenumbers.is_valid_number(number) if strict else phonenumbers.is_possible_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if good else ""
