"""The words of LogQL: its tokens, its functions and how strongly its operators bind."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import InputError

LINE_RANGES = {"count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"}
"""Range aggregations that count lines or bytes."""
GROUPING_RANGES = {
    "avg_over_time", "min_over_time", "max_over_time", "first_over_time", "last_over_time", "stdvar_over_time",
    "stddev_over_time", "quantile_over_time",
}  # fmt: skip
"""Range aggregations that may be grouped with `by` themselves."""
VALUE_RANGES = GROUPING_RANGES | {"sum_over_time", "rate", "rate_counter", "absent_over_time"}
"""Range aggregations of unwrapped values; `rate` and `absent_over_time` take both."""
RANGES = LINE_RANGES | VALUE_RANGES
WITH_PARAMETER = {"topk", "bottomk", "approx_topk"}
VECTORS = WITH_PARAMETER | {"sum", "avg", "min", "max", "count", "stddev", "stdvar", "sort", "sort_desc"}
CONVERSIONS = {"duration", "duration_seconds", "bytes"}
PRECEDENCE = {
    "or": 0, "and": 1, "unless": 1, "==": 2, "!=": 2, ">": 2, ">=": 2, "<": 2, "<=": 2, "+": 3, "-": 3, "*": 4, "/": 4, "%": 4,
    "^": 5,
}  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<duration>(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|[smhdwy]))+(?![\w.]))
    |(?P<bytes>\d+(?:\.\d+)?(?:[KMGTP]i?)?B(?![\w.]))
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<flag>--[a-z-]+)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<op>\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[-{}()\[\],|=<>+*/%^])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the query; `position` counts characters from 0; `value` is what a string says."""

    kind: str
    text: str
    position: int
    value: str = ""


def tokens(text: str) -> tuple[Token, ...]:
    """The words of a query, with an `end` behind them. Raises InputError where a character begins none."""
    return (*_tokens(text), Token("end", "", len(text)))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            remedy = "Close the quotes or remove the character."
            raise InputError(f"LogQL {text!r}: nothing can begin at character {at + 1} ({text[at]!r}).", remedy=remedy)
        at = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token(kind, match[0], match.start(), _value(match[0], text) if kind == "string" else "")


def _value(quoted: str, text: str) -> str:
    if quoted.startswith("`"):
        return quoted[1:-1]
    try:
        value: str = json.loads(re.sub(r"\\([^\"\\/bfnrtu])", _no_escape, quoted), strict=False)
    except ValueError as error:
        raise InputError(f"LogQL {text!r}: {quoted} has an unknown escape.", remedy="Write \\\\ for a backslash.") from error
    return value


def _no_escape(match: re.Match[str]) -> str:
    raise InputError(f"LogQL: {match[0]} is no escape.", remedy="Write \\\\ for a backslash, or use `backticks`.")
