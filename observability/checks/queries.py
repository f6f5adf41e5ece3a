"""One query of a dashboard or an alert: whether it can be read, and whether all that it names is there."""

import re
from collections.abc import Collection, Iterator

from core.errors import InputError
from observability.checks.names import ADDED, STREAMS, holds, kinds
from observability.logql import parse_logql
from observability.logql.cursor import LogQuery, Matcher

Fault = tuple[str, str]
"""(what is wrong, what to do)."""
BUILT_IN = {"__interval": "5m", "__interval_ms": "300000", "__rate_interval": "5m", "__range": "1d", "__auto": "5m"}
"""Grafana's own variables, each with a value that fits where it is used."""
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


def variables(text: str) -> set[str]:
    """The variables that a text names, as `$name` or `${name:format}`."""
    return {braced or plain for braced, plain in _VARIABLE.findall(text)}


def filled(query: str) -> str:
    """The query with a value in the place of each variable."""
    return _VARIABLE.sub(lambda match: BUILT_IN.get(match[1] or match[2], "1"), query)


def unknown_variables(query: str, defined: Collection[str]) -> Iterator[Fault]:
    """The variables of a query that its dashboard does not define."""
    for name in sorted(variables(query) - set(defined) - BUILT_IN.keys()):
        yield f"It uses ${name}, which the dashboard does not define.", "Add the variable, or correct its name."


def check_logql(query: str) -> Iterator[Fault]:
    """What is wrong with a query of Loki."""
    try:
        read = parse_logql(filled(query))
    except InputError as error:
        yield error.message, error.remedy
        return
    for stream in read.streams:
        yield from _stream(stream, read)
    for path in sorted(read.paths):
        if not holds(path):
            yield f"No journal record has {path}.", "Look into observability/journal.schema.json."


def _stream(stream: tuple[Matcher, ...], read: LogQuery) -> Iterator[Fault]:
    said = {one.label: one for one in stream}
    app = said.get("app")
    if app is None or app.op != "=" or app.value not in STREAMS:
        yield "Its selector does not say which app's streams it reads.", f"Begin it with app=, one of {', '.join(STREAMS)}."
        return
    known = STREAMS[app.value]
    for label in sorted(said.keys() - known.labels):
        yield f"{label} is no label of these streams.", f"They have {', '.join(sorted(known.labels))}; filter the rest after a |."
    if "kind" in said and said["kind"].op == "=" and said["kind"].value not in kinds():
        yield f"There is no kind of record {said['kind'].value}.", f"There are {', '.join(sorted(kinds()))}."
    if not read.extracts:
        for label in sorted(read.uses - known.labels - known.metadata - read.makes - ADDED):
            yield f"Nothing makes the label {label}.", f'Take it out of the line: | json {label}="path".'
