"""What a query may name: the labels of Loki's streams, the parts of a journal record, the metrics of Prometheus."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from observability.loki_entry import APP
from observability.records import SCHEMA_FILE


@dataclass(frozen=True, slots=True)
class Stream:
    """One app's streams: the labels, and the structured metadata beside each line."""

    labels: frozenset[str]
    metadata: frozenset[str]


STREAMS: Mapping[str, Stream] = {
    APP: Stream(frozenset({"app", "journal", "kind", "state"}), frozenset({"seq", "run", "ticket_id", "revision"})),
    "tamiz-log": Stream(frozenset({"app", "level", "event"}), frozenset({"run", "ticket_id"})),
}
"""By `app`: what `observability.loki_entry` sends, and what deploy/alloy/tamiz.alloy makes of the log."""
ADDED = frozenset({"__error__", "__error_details__", "detected_level"})
"""Labels that Loki itself adds."""


@cache
def schema() -> Mapping[str, Any]:
    """The published schema of a journal record."""
    read: Mapping[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return read


def kinds() -> frozenset[str]:
    """The kinds of records."""
    return frozenset(schema()["discriminator"]["mapping"])


def holds(path: str) -> bool:
    """Whether some record can have a value at a path such as `generations[0].model`."""
    steps = path.replace("[", ".[").split(".")
    found = [schema()]
    for step in steps:
        found = [inner for one in found for plain in _plain(one) for inner in _below(plain, step)]
    return bool(found)


def _plain(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The node without references and choices."""
    if "$ref" in node:
        yield from _plain(schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]])
        return
    yield node
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _plain(choice)


def _below(node: Mapping[str, Any], step: str) -> Iterator[Mapping[str, Any]]:
    if step.startswith("["):
        if isinstance(node.get("items"), Mapping):
            yield node["items"]
    elif step in node.get("properties", ()):
        yield node["properties"][step]
    elif isinstance(node.get("additionalProperties"), Mapping):
        yield node["additionalProperties"]
    elif node.get("additionalProperties") is True:
        yield {"additionalProperties": True}
