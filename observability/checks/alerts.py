"""The alert rules and what Prometheus scrapes, as Prometheus will read them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from observability.checks.finding import Finding
from observability.checks.promql import check_promql
from observability.checks.queries import Fault

RULES = "deploy/prometheus/alerts.yml"
CONFIG = "deploy/prometheus/prometheus.yml"
SEVERITIES = ("page", "ticket")
"""What somebody has to do: at once, or in working hours."""
_DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")


def check_alerts(root: Path) -> list[Finding]:
    """Everything that is wrong with the rules and the configuration of Prometheus under `root`."""
    try:
        read = yaml.safe_load((root / RULES).read_text(encoding="utf-8"))
        rules = [rule for group in read["groups"] for rule in group["rules"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        return [
            Finding(RULES, "file", f"It can't be read ({error}).", "Correct it after Prometheus's reference of alerting rules.")
        ]
    names = Counter(str(rule.get("alert")) for rule in rules)
    found = [
        Finding(RULES, f"alert {name}", "There are several.", "Give each its own name.") for name, n in names.items() if n > 1
    ]
    found += [Finding(RULES, f"alert {rule.get('alert')}", *fault) for rule in rules for fault in rule_faults(rule)]
    return found + list(_config(root))


def rule_faults(rule: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with one rule."""
    if unknown := sorted(rule.keys() - {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}):
        yield f"Prometheus knows no {', '.join(unknown)}.", "Remove it."
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield "It does not say how urgent it is.", f"Set labels.severity to one of {', '.join(SEVERITIES)}."
    for note in ("summary", "summary_es", "remedy", "remedy_es"):
        if not rule.get("annotations", {}).get(note):
            yield f"It has no {note}.", "Say what happened and what to do, in English and Spanish."
    if "for" in rule and not _DURATION.fullmatch(str(rule["for"])):
        yield f"{rule['for']} is no duration.", "Write it as 10m."
    yield from check_promql(str(rule.get("expr", "")))


def _config(root: Path) -> Iterator[Finding]:
    """Rule files are there, and what is scraped are services of the compose file."""
    try:
        read = yaml.safe_load((root / CONFIG).read_text(encoding="utf-8"))
        services = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        yield Finding(CONFIG, "file", f"It can't be read ({error}).", "Correct it.")
        return
    for name in read.get("rule_files", ()):
        if not (root / CONFIG).parent.joinpath(name).exists():
            yield Finding(CONFIG, "rule_files", f"There is no {name}.", "Correct the name.")
    for job in read.get("scrape_configs", ()):
        for target in (target for some in job.get("static_configs", ()) for target in some["targets"]):
            host = str(target).split(":")[0]
            if host not in services and host not in ("localhost", "127.0.0.1"):
                yield Finding(
                    CONFIG, f"job {job['job_name']}", f"There is no service {host}.", "Name a service of the compose file."
                )
