"""The dashboards as Grafana will read them: names, numbers, places, sources, variables, queries, links."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from observability.checks.finding import Finding, shown
from observability.checks.promql import check_promql
from observability.checks.queries import BUILT_IN, Fault, check_logql, unknown_variables, variables
from observability.dashboards import FOLDER, files

COLUMNS = 24
LINKS = {"__url_time_range", "__all_variables", "__value", "__data", "__field"}
"""What Grafana fills into links."""
Panel = Mapping[str, Any]


def check_dashboards(root: Path) -> list[Finding]:
    """Everything that is wrong with the committed dashboards under `root`."""
    found = list(_stale(root))
    read = {path: _read(path) for path in sorted((root / FOLDER / "dashboards").glob("*.json"))}
    uids = Counter(str(one.get("uid", "")) for one in read.values())
    for path, one in read.items():
        name = shown(path, root)
        if not one.get("uid") or uids[one["uid"]] > 1:
            found.append(Finding(name, "uid", "It is missing or another dashboard has it.", "Give each dashboard its own uid."))
        found += [Finding(name, place, *fault) for place, fault in dashboard_faults(one, _sources(root), set(uids))]
    return found


def dashboard_faults(one: Mapping[str, Any], sources: Mapping[str, str], uids: set[str]) -> Iterator[tuple[str, Fault]]:
    """(place, what is wrong with it). `sources` are the types of data sources by uid, `uids` those of all dashboards."""
    panels = list(_panels(one))
    defined = [str(variable.get("name")) for variable in one.get("templating", {}).get("list", ())]
    numbers = Counter(panel.get("id") for panel in panels)
    for panel in panels:
        place = f"panel {panel.get('id')} ({panel.get('title')})"
        if not isinstance(panel.get("id"), int) or numbers[panel["id"]] > 1:
            yield place, ("Its id is missing or another panel has it.", "Number the panels.")
        for fault in (*_place(panel), *_targets(panel, sources, defined), *_links(panel, defined, uids)):
            yield place, fault
    for name in sorted(set(defined) - set(_mentioned(panels))):
        yield f"variable {name}", ("Nothing uses it.", "Remove it, or use it in a query.")
    for variable in one.get("templating", {}).get("list", ()):
        if variable.get("type") == "query":
            yield from ((f"variable {variable['name']}", fault) for fault in _values(variable, sources))


def _stale(root: Path) -> Iterator[Finding]:
    for name, text in files().items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield Finding(name, "file", "It is not what the code makes.", "Run `python -m batch observe dashboards`.")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sources(root: Path) -> dict[str, str]:
    import yaml

    read = yaml.safe_load((root / FOLDER / "provisioning" / "datasources" / "tamiz.yaml").read_text(encoding="utf-8"))
    return {str(one["uid"]): str(one["type"]) for one in read["datasources"]}


def _panels(one: Mapping[str, Any]) -> Iterator[Panel]:
    for panel in one.get("panels", ()):
        yield panel
        yield from panel.get("panels", ())


def _place(panel: Panel) -> Iterator[Fault]:
    grid = panel.get("gridPos", {})
    if grid.get("x", 0) + grid.get("w", COLUMNS + 1) > COLUMNS or not grid.get("h"):
        yield "It does not fit into the grid.", f"Give it a width that ends within {COLUMNS} columns, and a height."


def _targets(panel: Panel, sources: Mapping[str, str], defined: list[str]) -> Iterator[Fault]:
    targets = panel.get("targets", ())
    if panel.get("type") != "row" and not targets:
        yield "It asks for nothing.", "Give it a query."
    if len({target.get("refId") for target in targets}) < len(targets):
        yield "Two of its queries have the same letter.", "Give each its own refId."
    for target in targets:
        kind = sources.get(target.get("datasource", {}).get("uid", ""))
        query = str(target.get("expr", ""))
        yield from unknown_variables(query, defined)
        if kind is None:
            yield "Its data source is not provisioned.", f"Take one of {', '.join(sorted(sources))}."
        else:
            yield from check_logql(query) if kind == "loki" else check_promql(query)


def _links(panel: Panel, defined: list[str], uids: set[str]) -> Iterator[Fault]:
    for url in _urls(panel):
        for name in sorted(
            variables(url.replace("__data.fields", "__data").replace("__value.raw", "__value")) - LINKS - set(defined)
        ):
            yield f"Its link uses ${name}, which is nothing.", "Correct the link."
        if url.startswith("/d/") and url[3:].split("?")[0] not in uids:
            yield f"Its link leads to {url.split('?')[0]}, which there is not.", "Correct the uid."
        if not url.startswith(("/d/", "http://127.0.0.1:")):
            yield f"Its link leads away, to {url}.", "Lead to this machine only."


def _urls(panel: Panel) -> Iterator[str]:
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        for one in override.get("properties", ()):
            if one.get("id") == "links":
                yield from (str(link["url"]) for link in one["value"])


def _mentioned(panels: list[Panel]) -> Iterator[str]:
    for panel in panels:
        for text in (*(str(target.get("expr", "")) for target in panel.get("targets", ())), *_urls(panel)):
            yield from variables(text) - BUILT_IN.keys()


def _values(variable: Mapping[str, Any], sources: Mapping[str, str]) -> Iterator[Fault]:
    """`label_values(metric, label)` of a variable."""
    query = variable.get("query")
    asked = str(query.get("query", "") if isinstance(query, Mapping) else query)
    inner = asked.removeprefix("label_values(").removesuffix(")")
    metric, _, label = (part.strip() for part in inner.rpartition(","))
    if variable.get("datasource", {}).get("uid") not in sources:
        yield "Its data source is not provisioned.", f"Take one of {', '.join(sorted(sources))}."
    yield from check_promql(
        f"count by ({label}) (increase({metric}[1h]))" if metric.endswith("_total") else f"count by ({label}) ({metric})"
    )
