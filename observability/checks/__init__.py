"""What would go wrong on a server, found without one: the compose file, dashboards, alert rules and every query in them."""

from pathlib import Path

from observability.checks.alerts import check_alerts
from observability.checks.compose import check_compose
from observability.checks.dashboards import check_dashboards
from observability.checks.finding import Finding


def check_all(root: Path) -> list[Finding]:
    """Everything that is wrong under `root`. Raises InputError where a parser is not installed."""
    root = root.absolute()
    return [*check_compose(root), *check_dashboards(root), *check_alerts(root)]
