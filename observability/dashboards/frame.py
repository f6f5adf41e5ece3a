"""What every dashboard has around its panels: its name, its variables, its rows, the links to the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from observability.dashboards.parts import PROMETHEUS, Built

TAG = "tamiz"
ANYTHING = ".*"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; they take the places from left to right."""

    title: str
    panels: Sequence[Built]


def framed(
    uid: str, title: str, rows: Sequence[Row], variables: Sequence[Builder[VariableModel]] = (), *, since: str
) -> Dashboard:
    """The dashboard; `since` is what it shows at first, such as now-7d. Panels are numbered in their order."""
    links = dashboard.DashboardLink("Tamiz").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(False).keep_time(True)
    built = dashboard.Dashboard(title).uid(uid).tags([TAG]).readonly().timezone("browser").time(since, "now").refresh("5m")
    built = built.tooltip(DashboardCursorSync.CROSSHAIR).link(links.icon("external link")).variables(list(variables))
    number = 0
    for row in rows:
        if row.title:
            number += 1
            built = built.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built = built.with_panel(_Numbered(panel, number))
    return built.build()


def choice(name: str, label: str, values: Sequence[str], everything: str = "") -> Builder[VariableModel]:
    """Some of a fixed list, all at first; `everything` is the pattern for all where it is not the list."""
    built = dashboard.CustomVariable(name).label(label).values(",".join(values)).multi(True).include_all(True)
    built = built.current(VariableOption(True, ["All"], ["$__all"]))
    return built.all_value(everything) if everything else built


def known(name: str, label: str, metric: str) -> Builder[VariableModel]:
    """Some of the values that the label `name` of a metric has, all at first."""
    query: dict[str, object] = {"query": f"label_values({metric}, {name})", "refId": name}
    built = dashboard.QueryVariable(name).label(label).query(query).datasource(PROMETHEUS).multi(True).include_all(True)
    built = built.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC).all_value(ANYTHING)
    return built.current(VariableOption(True, ["All"], ["$__all"]))


def typed(name: str, label: str, start: str) -> Builder[VariableModel]:
    """A value that the reader types."""
    return dashboard.TextBoxVariable(name).label(label).default_value(start).current(VariableOption(True, start, start))


def pattern(name: str, label: str, start: str = ANYTHING) -> Builder[VariableModel]:
    """A regular expression that the reader types."""
    return typed(name, label, start)


class _Numbered(Builder[Panel]):
    """A panel with its id: the kit's builders do not number them."""

    def __init__(self, panel: Built, number: int) -> None:
        self._panel = panel
        self._number = number

    def build(self) -> Panel:
        panel = self._panel.build()
        panel.id_val = self._number
        return panel
