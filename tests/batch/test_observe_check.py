"""`observe check` and `observe dashboards`, and that everything under deploy/ calls commands and settings that exist."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from batch.cli import app
from batch.settings import load_settings
from mocks.cli import app as mocks_app

Looping = Callable[..., "subprocess.Popen[bytes]"]
ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
OURS = {name: one for name, one in COMPOSE.items() if one["image"].startswith("tamiz/tamiz:")}
CRONJOB = yaml.safe_load((ROOT / "deploy/kubernetes/maintain-cronjob.yaml").read_text(encoding="utf-8"))
DAG = ast.parse((ROOT / "deploy/airflow/tamiz_nightly.py").read_text(encoding="utf-8"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def observe(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["observe", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_project_is_right_and_what_is_wrong_is_named(project: Path) -> None:
    assert observe("check", "--root", str(ROOT)) == (0, "The compose file, the dashboards and the alerts are right.\n")
    operations = project / "deploy/grafana/dashboards/tamiz-operations.json"
    operations.write_text(
        operations.read_text(encoding="utf-8").replace("tamiz_loki_dead_letters", "tamiz_dead"), encoding="utf-8"
    )
    rules = project / "deploy/prometheus/alerts.yml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("tamiz_disk_free_bytes", "disk_free"), encoding="utf-8")
    code, said = observe("check", "--json", "--root", str(project))
    found = {(one["file"], one["place"]) for one in json.loads(said)}
    assert code == 1
    assert ("deploy/grafana/dashboards/tamiz-operations.json", "panel 7 (Dead letters)") in found
    assert ("deploy/prometheus/alerts.yml", "alert TamizDiskFull") in found


def test_the_dashboards_are_written_again(project: Path) -> None:
    written = project / "deploy/grafana/dashboards/tamiz-quality.json"
    written.unlink()
    assert json.loads(observe("dashboards", "--json", "--root", str(project))[1])["written"] == [
        "deploy/grafana/dashboards/tamiz-quality.json"
    ]
    assert written.read_bytes() == (ROOT / written.relative_to(project)).read_bytes()
    assert observe("dashboards", "--root", str(project))[1] == "Everything is as the code makes it.\n"


def test_elsewhere_it_says_where_to_run_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["observe", "check", "--root", str(tmp_path)])
    assert result.exit_code == 1
    assert "--root" in str(result.exception)


def commands() -> Iterator[list[str]]:
    """Every call of ours under deploy/ and in the compose file, from `batch` or `mocks` on."""
    called = [one["command"] for one in OURS.values()]
    called += [one["command"] for one in CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]]
    for service in (ROOT / "deploy/systemd").glob("*.service"):
        called += [line.split("=", 1)[1].split() for line in service.read_text().splitlines() if line.startswith("ExecStart=")]
    head = next(n.value.value for n in DAG.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant))
    for call in (node for node in ast.walk(DAG) if isinstance(node, ast.Call)):
        for keyword in call.keywords:
            if keyword.arg == "bash_command" and isinstance(keyword.value, ast.BinOp):
                assert isinstance(keyword.value.right, ast.Constant)
                called.append([*str(head).split(), str(keyword.value.right.value)])
    for words in called:
        assert "-m" in words, words
        yield words[words.index("-m") + 1 :]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_that_is_called_exists_with_its_options(words: list[str]) -> None:
    command: Any = typer.main.get_command({"batch": app, "mocks": mocks_app}[words[0]])
    rest = words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    assert command.name == next(word for word in reversed(words[: len(words) - len(rest)]) if not word.startswith("-"))
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= options


def variables(one: Mapping[str, Any]) -> dict[str, str]:
    """Its settings of ours, with something in the place of what .env gives."""
    return {k: re.sub(r"\$\{\w+:?[^}]*\}", "filled", str(v)) for k, v in one["environment"].items() if k.startswith("TAMIZ_")}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_of_a_service_is_one(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for key, value in variables(OURS[name]).items():
        monkeypatch.setenv(key, value)
    assert str(load_settings().home) == "/app/var"


def test_the_nights_of_kubernetes_are_sealed_as_those_of_docker_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pod = CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (one,) = pod["containers"]
    assert CRONJOB["spec"]["concurrencyPolicy"] == "Forbid"
    assert one["image"] == OURS["maintain"]["image"]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == OURS["maintain"]["user"]
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} <= one["resources"]["limits"].keys()
    monkeypatch.chdir(tmp_path)
    for variable in one["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "secret"))
    assert load_settings().desk.token.get_secret_value() == "secret"


def test_the_dag_holds_no_logic_and_imports_airflow_only() -> None:
    modules = {node.module.split(".")[0] for node in DAG.body if isinstance(node, ast.ImportFrom) and node.module}
    assert modules == {"airflow", "datetime"}
    assert not [node for node in ast.walk(DAG) if isinstance(node, ast.If | ast.For | ast.While | ast.FunctionDef | ast.Lambda)]


def test_the_image_takes_every_package_along_and_nothing_of_yours() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    taken = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name.split('.')[0]}" for name in packages} <= set(taken)
    assert taken[1] == "*"
    assert not {"!var", "!.env", "!.git", "!tests"} & set(taken)


@pytest.fixture
def looping(tmp_path: Path) -> Iterator[Looping]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, codes: str = "0") -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "DONE_FILE": str(tmp_path / "done"), "DONE_CODES": codes}
        process = subprocess.Popen(
            [str(ROOT / "deploy/every.sh"), *words], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(path: Path, text: str) -> None:
    end = time.monotonic() + 30
    while not path.exists() or text not in path.read_text(encoding="utf-8"):
        assert time.monotonic() < end, f"{path.name} does not say {text!r}"
        time.sleep(0.02)


@pytest.mark.parametrize(("code", "codes", "well"), [(0, "0", True), (3, "0 3", True), (3, "0", False), (1, "0 3", False)])
def test_the_loop_goes_on_and_marks_only_what_ended_well(
    looping: Looping, tmp_path: Path, code: int, codes: str, well: bool
) -> None:
    process = looping("0.01", "sh", "-c", f"echo run >> log; exit {code}", codes=codes)
    until(tmp_path / "log", "run\nrun\nrun\n")
    assert (tmp_path / "done").exists() is well
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_the_loop_ends_after_its_command_has_ended_itself(looping: Looping, tmp_path: Path) -> None:
    process = looping("60", "sh", "-c", "trap 'echo ended >> log; exit 0' TERM; echo begun >> log; while :; do sleep 0.01; done")
    until(tmp_path / "log", "begun")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert (tmp_path / "log").read_text() == "begun\nended\n"


def test_the_loop_waits_for_its_hour(looping: Looping, tmp_path: Path) -> None:
    hour = (time.gmtime().tm_hour + 12) % 24
    process = looping(f"{hour:02}:00", "sh", "-c", "echo run >> log")
    time.sleep(0.3)
    assert process.poll() is None
    assert not (tmp_path / "log").exists()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
