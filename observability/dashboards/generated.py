"""The files that Grafana reads: dashboards as JSON, provisioning as YAML."""

import json
from collections.abc import Iterator, Mapping

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from observability.dashboards.operations import operations
from observability.dashboards.parts import LOKI_UID, PROMETHEUS_UID
from observability.dashboards.quality import quality
from observability.dashboards.rejected import rejected

HEAD = "# Written by `python -m batch observe dashboards`; a test compares it with the code.\n"
SOURCES = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Tamiz: journal",
            "uid": LOKI_UID,
            "type": "loki",
            "access": "proxy",
            "url": "http://loki:3100",
            "editable": False,
            "jsonData": {"maxLines": 5000},
        },
        {
            "name": "Tamiz: figures",
            "uid": PROMETHEUS_UID,
            "type": "prometheus",
            "access": "proxy",
            "url": "http://prometheus:9090",
            "isDefault": True,
            "editable": False,
            "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
        },
    ],
}
PROVIDERS = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "tamiz",
            "folder": "Tamiz",
            "type": "file",
            "disableDeletion": True,
            "allowUiUpdates": False,
            "options": {"path": "/etc/grafana/dashboards"},
        }
    ],
}


def generated() -> Mapping[str, str]:
    """Text by path under deploy/grafana."""
    return dict(_files())


def _files() -> Iterator[tuple[str, str]]:
    for built in (rejected(), operations(), quality()):
        yield f"dashboards/{built.uid}.json", _json(built)
    yield "provisioning/datasources/tamiz.yaml", HEAD + yaml.safe_dump(SOURCES, sort_keys=False)
    yield "provisioning/dashboards/tamiz.yaml", HEAD + yaml.safe_dump(PROVIDERS, sort_keys=False)


def _json(built: Dashboard) -> str:
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
