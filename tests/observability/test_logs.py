"""The logs: what is in them, and above all what is not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError, StorageError
from observability.logs import FILE, configure_logs

ROOT = Path(__file__).parents[2]
START = """
import sys; sys.path.insert(0, 'tests/observability')
from pathlib import Path
from tests.observability.journal_examples import Example
from observability.logs import configure_logs, log_decision, log_event, log_run, log_writeback
example = Example()
configure_logs(Path(sys.argv[1]), level=sys.argv[2])
"""


def run(home: Path, code: str, level: str = "WARNING") -> tuple[list[dict[str, Any]], str]:
    """The events of the log file and what was on stderr, after running `code` in a process of its own."""
    command = [sys.executable, "-c", START + code, str(home), level]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return [json.loads(line) for line in (home / FILE).read_text(encoding="utf-8").splitlines()], done.stderr


def test_one_event_a_ticket_and_stage_outcome_without_its_text(tmp_path: Path) -> None:
    code = """
record = example.record(outcome="escalated")
log_run(example.started())
log_decision(record)
log_writeback(example.write(record, "failed").model_copy(update={"error": "no conecta desde Málaga"}))
log_run(example.finished())
"""
    events, stderr = run(tmp_path, code)
    assert [event["event"] for event in events] == ["run_started", "decision", "writeback", "run_finished"]
    decision = events[1]
    assert (decision["ticket_id"], decision["outcome"], decision["causes"]) == ("T-1", "escalated", ["rejected"])
    assert decision["seconds"] == {"clean": 0.001, "embed": 0.01, "judge": 0.002}
    assert decision["at"].endswith("+00:00")
    told = (tmp_path / FILE).read_text(encoding="utf-8") + stderr
    assert not any(word in told for word in ("VPN", "laga", "conecta", "túnel"))
    assert len(stderr.splitlines()) == 1, "stderr has the warning only"
    assert "writeback" in stderr
    assert "state=failed" in stderr


def test_a_decision_that_failed_is_a_warning_without_the_error_s_words(tmp_path: Path) -> None:
    code = """
from core.ticket import CleanTicket
from core.triage import Decision, Escalated, Reason
cause = Reason("failed", {"stage": "embed", "error": "ValueError: la clave es hunter2"})
log_decision(example.from_decision(Decision(CleanTicket("T-9", "", ""), Escalated((cause,)))))
"""
    events, stderr = run(tmp_path, code)
    assert (events[0]["level"], events[0]["failed_in"]) == ("WARNING", ["embed"])
    assert "failed_in=embed" in stderr
    assert "hunter2" not in stderr + json.dumps(events)


def test_secrets_and_exceptions_words_stay_out(tmp_path: Path) -> None:
    code = """
from loguru import logger
log_event("desk", api_token="hunter2", url="https://bot:hunter2@desk.example", headers={"Authorization": "hunter2"})
password = "hunter2"
try:
    raise ValueError(f"wrong password {password}")
except ValueError:
    logger.exception("login failed")
"""
    events, stderr = run(tmp_path, code, "INFO")
    assert "hunter2" not in json.dumps(events) + stderr
    assert events[0]["api_token"] == "***"
    assert events[1]["error"] == "ValueError"
    assert events[1]["where"][0].endswith("<module>")
    assert len(stderr.splitlines()) == 2


def test_an_id_can_not_fake_a_line_nor_a_format(tmp_path: Path) -> None:
    hostile = "T\\n09:00:00 ERROR   all is lost {0} <red>{extra}</red>"
    events, stderr = run(tmp_path, f'log_event("decision", ticket_id="{hostile}")', "INFO")
    assert events[0]["ticket_id"] == hostile.replace("\\n", "\n")
    assert len(stderr.splitlines()) == 1
    assert "<red>{extra}</red>" in stderr


def test_libraries_go_the_same_way_and_chatter_stays_out(tmp_path: Path) -> None:
    code = """
import logging
own = logging.StreamHandler(); logging.getLogger("urllib3").addHandler(own)
configure_logs(Path(sys.argv[1]), level=sys.argv[2])
logging.getLogger("httpx").info("HTTP Request: GET https://desk.example?token=hunter2")
logging.getLogger("urllib3.pool").warning("retrying %s", "https://bot:hunter2@desk.example")
logging.getLogger("some.library").debug("noise")
logging.getLogger("some.library").error("broken")
"""
    events, stderr = run(tmp_path, code)
    assert [(event["library"], event["level"]) for event in events] == [("urllib3.pool", "WARNING"), ("some.library", "ERROR")]
    assert "hunter2" not in json.dumps(events) + stderr
    assert len(stderr.splitlines()) == 2


def test_real_httpx_says_nothing(tmp_path: Path) -> None:
    code = """
import threading, http.server, httpx
class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204); self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
assert httpx.get(f"http://127.0.0.1:{server.server_port}/?token=hunter2").status_code == 204
log_event("asked")
"""
    events, stderr = run(tmp_path, code, "DEBUG")
    assert [event["event"] for event in events] == ["asked"]
    assert len(stderr.splitlines()) == 1


def test_the_file_is_rotated_and_old_ones_go(tmp_path: Path) -> None:
    code = """
import observability.logs as logs
logs.ROTATION, logs.KEPT_FILES = "20 KB", 3
configure_logs(Path(sys.argv[1]), level="ERROR")
for i in range(2000):
    log_event("decision", ticket_id=f"T-{i}")
"""
    events, _ = run(tmp_path, code)
    assert events[-1]["ticket_id"] == "T-1999"
    assert 2 <= len(list((tmp_path / "logs").iterdir())) <= 4


def test_loguru_is_imported_when_it_is_used_and_nothing_is_pickled() -> None:
    code = "import observability.logs, sys; print('loguru' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_level_that_is_none_and_a_place_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LOUD"):
        configure_logs(tmp_path, level="LOUD")
    (tmp_path / "logs").write_text("x")
    with pytest.raises(StorageError, match="can't be written"):
        configure_logs(tmp_path)
