"""The compose file and the alerts: they are right as they are, and each mistake is found and named with its remedy."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.checks.alerts import check_alerts, rule_faults
from observability.checks.compose import check_compose
from observability.loki_entry import LINE_BYTES, OLDEST

ROOT = Path(__file__).parents[2]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the checks read."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def said(project: Path) -> str:
    return "\n".join(map(str, check_compose(project)))


def test_the_compose_file_and_the_alerts_are_right() -> None:
    assert check_compose(ROOT) == []
    assert check_alerts(ROOT) == []


def test_everything_that_was_asked_for_is_a_service() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {
        "qdrant", "postgres", "loki", "grafana", "alloy", "prometheus", "mlflow", "ollama", "desk", "triage", "maintain", "ship",
        "metrics", "web",
    }  # fmt: skip
    assert [name for name, one in services.items() if "x-root-because" in one] == ["ollama"]


BROKEN: dict[str, Change] = {
    "service web: tamiz/tamiz:latest is no exact version.": lambda s: s["web"].update(image="tamiz/tamiz:latest"),
    "service loki: Its health check lacks interval, timeout, retries.": lambda s: s["loki"].update(
        healthcheck={"test": ["CMD", "x"]}
    ),
    "service grafana: Port 3000:3000 is open to the network.": lambda s: s["grafana"].update(ports=["3000:3000"]),
    "service grafana: Port 0.0.0.0:3000:3000 is open": lambda s: s["grafana"].update(ports=["0.0.0.0:3000:3000"]),
    "service qdrant: It runs as root.": lambda s: s["qdrant"].update(user="0:0"),
    "service ollama: It runs as root.": lambda s: s["ollama"].pop("x-root-because"),
    "service loki: Its root can be written.": lambda s: s["loki"].update(read_only=False),
    "service loki: It keeps capabilities.": lambda s: s["loki"].pop("cap_drop"),
    "service loki: It may gain privileges.": lambda s: s["loki"].pop("security_opt"),
    "service loki: It shares the host's rights": lambda s: s["loki"].update(privileged=True),
    "service web: It has no mem_limit nor pids_limit.": lambda s: [s["web"].pop("mem_limit"), s["web"].pop("pids_limit")],
    "service alloy: It mounts /var/run/docker.sock of the host.": lambda s: s["alloy"]["volumes"].append(
        "/var/run/docker.sock:/x:ro"
    ),
    "service alloy: It mounts ./nowhere, which there is not.": lambda s: s["alloy"]["volumes"].append("./nowhere:/x:ro"),
    "service alloy: It may write ./deploy/alloy.": lambda s: s["alloy"]["volumes"].append("./deploy/alloy:/x"),
    "service web: It waits for database, which there is not.": lambda s: s["web"].update(
        depends_on={"database": {"condition": "service_started"}}
    ),
    "service web: It waits for desk, which starts only with profile demo.": lambda s: s["web"].update(
        depends_on={"desk": {"condition": "service_healthy"}}
    ),
    "service grafana: Its port can't be reached": lambda s: s["grafana"].update(networks=["inside"]),
    "Docker would not take it: extension key `portz`": lambda s: s["web"].update(portz=1),
    "Docker would not take it: volume `gone`": lambda s: s["web"]["volumes"].append("gone:/x"),
    "variable POSTGRES_PASSWORD: A secret may be empty": lambda s: s["postgres"]["environment"].update(
        POSTGRES_PASSWORD="${POSTGRES_PASSWORD:-secret}"
    ),
    "variable COLOUR: The compose file uses it": lambda s: s["web"].update(command=["${COLOUR}"]),
}


@pytest.mark.parametrize("wanted", BROKEN)
def test_each_mistake_in_the_compose_file_is_found(project: Path, wanted: str) -> None:
    file = yaml.safe_load((project / "docker-compose.yml").read_text(encoding="utf-8"))
    BROKEN[wanted](file["services"])
    (project / "docker-compose.yml").write_text(yaml.dump(file), encoding="utf-8")
    assert wanted in said(project)


def test_files_that_can_not_be_read_are_findings(project: Path) -> None:
    (project / ".env.example").write_text("GRAFANA_ADMIN_PASSWORD=admin\nSPARE=1\n", encoding="utf-8")
    assert "variable GRAFANA_ADMIN_PASSWORD: A secret has a value." in said(project)
    assert "variable SPARE: Nothing uses it." in said(project)
    (project / ".env.example").unlink()
    assert ".env.example: file: It can't be read" in said(project)
    (project / "docker-compose.yml").write_text("services: [", encoding="utf-8")
    assert "It is no compose file" in said(project)
    (project / "docker-compose.yml").unlink()
    assert "It can't be read" in said(project)
    (project / "deploy/prometheus/alerts.yml").write_text("groups: 1", encoding="utf-8")
    assert "It can't be read" in str(check_alerts(project)[0])


def test_loki_takes_what_the_shipper_sends() -> None:
    """Its limits are those of DESIGN.md, point 9, by which records are trimmed and timed."""
    limits = yaml.safe_load((ROOT / "deploy/loki/loki.yaml").read_text(encoding="utf-8"))["limits_config"]
    assert limits["allow_structured_metadata"] is True
    assert limits["max_structured_metadata_size"] == "64KB"
    assert limits["max_line_size"] == f"{LINE_BYTES // 1024}KB"
    assert limits["max_label_names_per_series"] == 15
    assert limits["creation_grace_period"] == "10m"
    assert int(limits["reject_old_samples_max_age"].removesuffix("h")) * 3600 * 10**9 > OLDEST


GOOD_RULE: dict[str, Any] = {
    "alert": "X",
    "expr": "tamiz_up == 0",
    "for": "5m",
    "labels": {"severity": "page"},
    "annotations": {"summary": "a", "summary_es": "b", "remedy": "c", "remedy_es": "d"},
}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"expr": "tamiz_down > 0"}, "no metric tamiz_down"),
        ({"expr": "tamiz_up >"}, "can't be read"),
        ({"for": "soon"}, "no duration"),
        ({"labels": {"severity": "mild"}}, "how urgent"),
        ({"annotations": {"summary": "a", "summary_es": "b", "remedy": "c"}}, "no remedy_es"),
        ({"fro": "5m"}, "knows no fro"),
    ],
)
def test_each_mistake_in_a_rule_is_found(change: dict[str, Any], wanted: str) -> None:
    assert list(rule_faults(GOOD_RULE)) == []
    assert wanted in " ".join(problem for problem, _ in rule_faults({**GOOD_RULE, **change}))


def test_rules_with_one_name_and_targets_that_are_no_service_are_found(project: Path) -> None:
    rules = yaml.safe_load((project / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    rules["groups"][0]["rules"].append(rules["groups"][0]["rules"][0])
    (project / "deploy/prometheus/alerts.yml").write_text(yaml.dump(rules), encoding="utf-8")
    config = project / "deploy/prometheus/prometheus.yml"
    config.write_text(config.read_text(encoding="utf-8").replace("alloy:12345", "agent:1"), encoding="utf-8")
    found = "\n".join(map(str, check_alerts(project)))
    assert "alert TamizFiguresMissing: There are several." in found
    assert "job tamiz: There is no service agent." in found


def test_what_must_be_watched_has_an_alert_and_every_alert_a_test() -> None:
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
    names = set(re.findall(r"alert: (\w+)", rules))
    assert {
        "TamizDeadLetters", "TamizNoGoodRun", "TamizHeldBackMore", "TamizDrift", "TamizBackupOld", "TamizShipperBehind",
        "TamizDiskFull",
    } <= names  # fmt: skip
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy/prometheus").glob("*.test.yml"))
    assert {name for name in names if name not in tests} == set()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_agrees(project: Path) -> None:
    def promtool(*words: str) -> subprocess.CompletedProcess[str]:
        folder = project / "deploy" / "prometheus"
        return subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    tests = ("test", "rules", "alerts.test.yml")
    for words in (("check", "config", "prometheus.yml"), (*tests, "alerts.days.test.yml")):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    rules = project / "deploy/prometheus/alerts.yml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("tamiz_loki_dead_letters > 0", "tamiz_loki_dead_letters > 9"))
    assert promtool(*tests).returncode != 0
