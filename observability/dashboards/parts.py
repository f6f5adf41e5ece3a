"""The panels that the dashboards are made of, each one call: what it shows in two languages, its queries, its size.

The grid is 24 columns wide; heights are in its rows of about 30 pixels. Titles are English, descriptions English and Spanish.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, logs, loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphDrawStyle,
    LogsSortOrder,
    StackingMode,
    TableCellHeight,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.loki import Dataquery as LokiQuery
from grafana_foundation_sdk.models.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

LOKI_UID = "tamiz-loki"
PROMETHEUS_UID = "tamiz-prometheus"
LOKI = DataSourceRef("loki", LOKI_UID)
PROMETHEUS = DataSourceRef("prometheus", PROMETHEUS_UID)
WIDE, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4
Built: TypeAlias = Builder[Panel]


@dataclass(frozen=True, slots=True)
class Said:
    """A panel's title and what it shows."""

    title: str
    en: str
    es: str

    @property
    def description(self) -> str:
        """Both languages, one paragraph each."""
        return f"{self.en}\n\n{self.es}"


@dataclass(frozen=True, slots=True)
class Lines:
    """One query of a panel and how its lines are named, such as `{{field}}`."""

    query: str
    legend: str = ""


def trend(
    said: Said,
    *queries: Lines,
    unit: str = "short",
    width: int = HALF,
    height: int = 8,
    source: DataSourceRef = PROMETHEUS,
    bars: bool = False,
) -> Built:
    """Lines over time, or stacked bars."""
    panel = timeseries.Panel().title(said.title).description(said.description).datasource(source)
    panel = panel.unit(unit).span(width).height(height).min(0).fill_opacity(60 if bars else 8)
    panel = panel.legend(common.VizLegendOptions().show_legend(True).calcs(["lastNotNull", "max"]))
    if bars:
        panel = panel.draw_style(GraphDrawStyle.BARS).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    return panel.targets([_query(one, source, place) for place, one in enumerate(queries)])


def number(
    said: Said,
    query: str,
    *,
    unit: str = "short",
    width: int = SIXTH,
    height: int = 4,
    limits: Sequence[tuple[float, str]] = (),
    decimals: int | None = None,
) -> Built:
    """The latest value, large; `limits` are (from, colour) over green."""
    steps = [Threshold(None, "green"), *(Threshold(value, colour) for value, colour in limits)]
    panel = stat.Panel().title(said.title).description(said.description).datasource(PROMETHEUS).unit(unit)
    panel = panel.span(width).height(height).graph_mode(BigValueGraphMode.AREA)
    panel = panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    panel = panel if decimals is None else panel.decimals(decimals)
    return panel.targets([_query(Lines(query), PROMETHEUS, 0)])


def figures(
    said: Said,
    *queries: Lines,
    columns: Mapping[str, str],
    counts: Sequence[str] = (),
    unit: str = "percentunit",
    width: int = HALF,
    height: int = 8,
) -> Built:
    """A table of the latest values: one row a combination of labels, one column a query; `columns` renames what comes;
    `counts` are the headings of those that have no unit."""
    targets = [
        prometheus.Dataquery().expr(one.query).instant().format(PromQueryFormat.TABLE).ref_id(_ref(place)).datasource(PROMETHEUS)
        for place, one in enumerate(queries)
    ]
    panel = table.Panel().title(said.title).description(said.description).datasource(PROMETHEUS).unit(unit)
    panel = panel.span(width).height(height).filterable(True).targets(list(targets))
    hidden = {"Time": True, "__name__": True, "instance": True, "job": True}
    order = {name: place for place, name in enumerate(columns)}
    merged = DataTransformerConfig("merge", options={})
    organized = DataTransformerConfig(
        "organize", options={"excludeByName": hidden, "indexByName": order, "renameByName": dict(columns)}
    )
    for heading in counts:
        panel = panel.override_by_name(heading, [DynamicConfigValue("unit", "none")])
    return panel.transformations([merged, organized])


def worklist(
    said: Said,
    query: str,
    *,
    columns: Mapping[str, str],
    links: Mapping[str, Sequence[tuple[str, str]]],
    height: int = 14,
    most: int = 500,
) -> Built:
    """A table of Loki's records, newest first: one row a record, `columns` (label to heading) of its labels, links by label."""
    panel = table.Panel().title(said.title).description(said.description).datasource(LOKI)
    panel = panel.span(WIDE).height(height).filterable(True).cell_height(TableCellHeight.SM)
    panel = panel.targets([loki.Dataquery().expr(query).query_type("range").max_lines(most).ref_id("A").datasource(LOKI)])
    panel = panel.transformations(_as_columns(columns))
    for label, to in links.items():
        targets = [{"title": title, "url": url, "targetBlank": url.startswith("http")} for title, url in to]
        panel = panel.override_by_name(columns[label], [DynamicConfigValue("links", targets)])
    return panel


def records(said: Said, query: str, *, height: int = 16, most: int = 50) -> Built:
    """Records as they are, newest first; each opens to show every part of it."""
    panel = logs.Panel().title(said.title).description(said.description).datasource(LOKI).span(WIDE).height(height)
    panel = panel.show_time(True).wrap_log_message(True).prettify_log_message(True).enable_log_details(True)
    panel = panel.sort_order(LogsSortOrder.DESCENDING)
    return panel.targets([loki.Dataquery().expr(query).query_type("range").max_lines(most).ref_id("A").datasource(LOKI)])


def _as_columns(columns: Mapping[str, str]) -> list[DataTransformerConfig]:
    """The labels of each line as columns of their own; everything else that Loki's answer holds is left out."""
    shown = ["Time", *columns]
    return [
        DataTransformerConfig(
            "extractFields", options={"source": "labels", "format": "json", "replace": False, "keepTime": True}
        ),
        DataTransformerConfig("filterFieldsByName", options={"include": {"names": shown}}),
        DataTransformerConfig(
            "organize",
            options={
                "indexByName": {name: place for place, name in enumerate(shown)},
                "renameByName": dict(columns),
                "excludeByName": {},
            },
        ),
    ]


def _query(one: Lines, source: DataSourceRef, place: int) -> Builder[LokiQuery] | Builder[PrometheusQuery]:
    if source is LOKI:
        return loki.Dataquery().expr(one.query).legend_format(one.legend).query_type("range").ref_id(_ref(place)).datasource(LOKI)
    return prometheus.Dataquery().expr(one.query).legend_format(one.legend).range().ref_id(_ref(place)).datasource(PROMETHEUS)


def _ref(place: int) -> str:
    return chr(ord("A") + place)
