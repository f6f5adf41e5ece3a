"""Grafana's dashboards and where it finds its data, as code; `files` gives what is committed under deploy/grafana."""

from collections.abc import Mapping

from core.errors import InputError

FOLDER = "deploy/grafana"


def files() -> Mapping[str, str]:
    """Text by path under the project's root. Raises InputError where the dashboard kit is not installed."""
    try:
        from observability.dashboards.generated import generated
    except ImportError as error:
        remedy = 'Install it: pip install "tamiz[dashboards]".'
        raise InputError("The package grafana-foundation-sdk is not installed.", remedy=remedy) from error
    return {f"{FOLDER}/{name}": text for name, text in generated().items()}
