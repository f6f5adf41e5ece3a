"""The command line itself: help, exit codes, JSON alone on standard output, and what no argument means."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch import console
from mocks.faults import FaultRule, Faults
from observability.journal import Journal
from tests.batch.commands_examples import OPEN, Desk, copy_home, decisions, rows_of, running_desk, some_open, tamiz, write_rows

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "transformers", "sklearn", "scipy", "numpy", "qdrant_edge", "httpx", "fastapi", "matplotlib", "openpyxl"}
COMMANDS = ("run", "ingest", "fit", "search", "evaluate", "report", "settings", "taxonomy infer", "taxonomy check")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, blank: Path) -> None:
    result = tamiz(*command.split(), "--help")
    assert result.code == 0
    assert f"Example: python -m batch {command}" in " ".join(result.out.split()) or "Example: TAMIZ_" in result.out
    assert result.out.count("Example:") == 1


def test_the_overview_names_every_command_and_exit_code(blank: Path) -> None:
    result = tamiz("--help")
    assert result.code == 0
    assert all(command.split()[0] in result.out for command in COMMANDS)
    assert "Exit codes: 0 done, 1 error, 2 usage, 3 done but some rows could not be read." in " ".join(result.out.split())


def test_help_and_settings_load_nothing_heavy() -> None:
    """The packages that take seconds to import stay out of what has to answer at once."""
    script = (
        "import sys; sys.argv = ['batch', *sys.argv[1:]]\n"
        "try:\n    from batch.cli import main; main()\n"
        "except SystemExit: pass\n"
        f"print(sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--limit", "0"),
        ("run", "--limit", "many"),
        ("run", "--colour"),
        ("fly",),
        ("ingest",),
        ("search",),
        ("search", "x", "-k", "0"),
        ("evaluate", "--kb", "x.csv"),
        ("taxonomy", "grow"),
        ("fit", "--epochs", "0"),
        ("run", "a.csv", "b.csv"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], blank: Path) -> None:
    result = tamiz(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage:" in result.err
    assert not blank.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "none.csv"), "There is no file none.csv"),
        (("ingest", "none.jsonl"), "There is no file none.jsonl"),
        (("ingest", "notes.docx"), "in no format that can be read"),
        (("run", "."), "in no format that can be read"),
        (("run", "a.jsonl", "--map", "body"), "--map 'body' is not of the form left=right"),
        (("run", "a.jsonl", "--map", "=body"), "is not of the form left=right"),
        (("run", "a.jsonl", "--map", "Texto=cuerpo"), "there is no field 'cuerpo'"),
        (("run", "a.jsonl", "--map", "Nada=body"), "there is no column 'Nada'"),
        (("run", "a.jsonl", "--config", "none.toml"), "There is no settings file none.toml"),
        (("report", "last"), "There is no run"),
    ],
)
def test_an_error_is_one_message_with_a_remedy_and_exit_code_1(arguments: tuple[str, ...], says: str, blank: Path) -> None:
    write_rows(Path("a.jsonl"), [{"description": "x"}])
    result = tamiz(*arguments)
    assert (result.code, result.out) == (1, "")
    assert says in result.err
    assert result.err.startswith("error: ")
    assert result.err.count(" do: ") == 1


def test_a_message_is_not_broken_into_lines_for_a_pipe(blank: Path) -> None:
    folder = Path("a-folder-with-a-long-name" * 4)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "batch", "ingest", folder / "history.csv"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"error: There is no file {folder}/history.csv.\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_the_bundled_desk_is_run_and_a_second_time_nothing_is_left(blank: Path, prepared: Path) -> None:
    # The example company's index and fit are there, as a first run leaves them: making them is `prepared`'s work.
    copy_home(prepared, blank / "demo")
    first = tamiz()
    assert first.code == 0, first.err
    assert (
        "No service desk is configured: the bundled mock desk serves an example company's tickets at http://127.0.0.1:"
        in first.err
    )
    assert "T-2001" in first.out
    assert "120 tickets, " in first.out
    for name in ("report:", "review:", "journal:"):
        assert name in first.out
    again = tamiz("run")
    assert again.code == 0
    assert "Nothing is left to do: 120 open tickets were triaged before" in again.out
    assert not (blank / "kb").exists(), "the demo's data are apart from the user's"


def test_the_table_shows_summary_fields_evidence_and_why_a_person(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PIPED_WIDTH", 600)  # so that nothing is broken into lines
    result = tamiz("run", write_rows(tmp_path / "open.jsonl", rows_of(OPEN)[:12]))
    shown = " ".join(result.out.split())
    told = [decision.summary for decision in decisions(home) if decision.summary]
    assert len(told) > 5
    assert [summary for summary in told if " ".join(summary.split()) not in shown] == []
    assert "the ticket is empty" in shown
    assert "under 65" in shown
    assert "●" in shown
    assert "results: " in shown
    assert "tickets/s" in shown


def test_reasons_are_told_in_the_language_of_the_terminal(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "es_ES.UTF-8")
    result = tamiz("run", write_rows(tmp_path / "open.jsonl", [{"id": "E", "subject": "", "description": ""}]))
    assert "el ticket está vacío" in " ".join(result.out.split())


def test_ctrl_c_stops_a_run_that_the_next_one_completes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Faults(rules=(FaultRule(kind="latency", route="/tickets/*", seconds=0.2),))
    with running_desk(tmp_path / "desk", some_open(tmp_path / "open.jsonl", 8), slow) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        presser = threading.Thread(target=press_ctrl_c_after_a_write, args=(desk,))
        with listening_to_ctrl_c():
            presser.start()
            result = tamiz("run")
            presser.join()
        assert result.code == 130
        assert "Stopped." in result.err
        assert 0 < sum(desk.writes().values()) < 8
        with Journal(home / "journal.sqlite") as journal:
            (run,) = journal.runs()
        assert run.finished is not None
        assert run.finished.state == "stopped"
        assert tamiz("run").code == 0
        assert set(desk.writes().values()) == {1}


@contextmanager
def listening_to_ctrl_c() -> Iterator[None]:
    """Ctrl+C as at a terminal: a shell's background jobs, these tests among them, are started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def press_ctrl_c_after_a_write(desk: Desk) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not sum(desk.writes().values()):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def test_two_commands_on_one_home_do_not_disturb_each_other(home: Path, tmp_path: Path) -> None:
    """While one process has the index open, a second one says so and goes, and the first is not harmed."""
    script = "import sys, time; from pathlib import Path; from knowledge.edge_shelf import EdgeShelf\n"
    script += "opened = EdgeShelf(Path(sys.argv[1])).open(); print('open', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", script, home], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    try:
        result = tamiz("search", "VPN")
        assert result.code == 1
        assert "in use by another process" in result.err
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert tamiz("search", "VPN").code == 0
