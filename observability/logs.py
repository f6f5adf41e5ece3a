"""The logs: JSON lines in `<home>/logs/tamiz.jsonl`, short readable lines on stderr from a chosen level on.

One event per ticket and stage outcome, with ids, codes and numbers only: no ticket's text, no free text of an error that might
quote one, no secret. What libraries log goes the same way from WARNING on. The full story of a ticket is in the journal.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from core.errors import SettingsError, StorageError
from observability.masking import mask_settings, mask_text
from observability.records import DecisionRecord, RunFinished, RunStarted, WritebackRecord

if TYPE_CHECKING:
    from loguru import Record as Event

FILE = Path("logs", "tamiz.jsonl")
ROTATION = "10 MB"
KEPT_FILES = 10
LEVELS = ("DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
LIBRARIES = ("httpx", "httpcore", "urllib3", "huggingface_hub", "filelock", "sentence_transformers", "transformers", "uvicorn")
"""Libraries that log at INFO, or hang their own handler on stderr."""


def configure_logs(home: Path, *, level: str = "WARNING") -> Path:
    """Log from now on to `<home>/logs/tamiz.jsonl` (INFO and above) and from `level` on to stderr; returns the file.

    The file is begun anew at 10 MB and the last ten are kept. A disk that fills up later costs log lines, not the run.

    Raises:
        SettingsError: there is no such level.
        StorageError: the file can't be written.
    """
    from loguru import logger

    if level.upper() not in LEVELS:
        raise SettingsError(f"There is no log level {level!r}.", remedy=f"Use one of {', '.join(LEVELS)}.")
    path = home / FILE
    logger.remove()
    # enqueue would send events through a multiprocessing queue as pickles; diagnose would print the values of variables
    logger.add(_to_stderr, level=level.upper(), format=_short, enqueue=False, diagnose=False, backtrace=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logger.add(
            path,
            level="INFO",
            format=_json,
            rotation=ROTATION,
            retention=KEPT_FILES,
            encoding="utf-8",
            enqueue=False,
            diagnose=False,
            backtrace=False,
        )
    except OSError as error:
        raise StorageError(f"The log {path} can't be written: {error}.", remedy="Make room or check the permissions.") from error
    _route_libraries()
    return path


def log_event(event: str, *, level: str = "INFO", **values: JsonValue) -> None:
    """Log one structured event: its name and its values, which are ids, codes and numbers."""
    from loguru import logger

    logger.bind(**values).log(level, event)


def log_run(record: RunStarted | RunFinished) -> None:
    """Log that a run began or ended; its settings are in the journal."""
    if isinstance(record, RunStarted):
        log_event("run_started", run=record.run, source=record.source, dry_run=record.dry_run, tamiz=record.versions.tamiz)
        return
    level = "ERROR" if record.state == "failed" else "INFO"
    figures: dict[str, JsonValue] = {"totals": dict(record.totals), "tickets_per_second": record.tickets_per_second}
    log_event("run_finished", level=level, run=record.run, state=record.state, **figures)


def log_decision(record: DecisionRecord) -> None:
    """Log what was decided for a ticket: outcome, codes of the causes, score, time per stage."""
    failed_in = [cause.values["stage"] for cause in record.causes if cause.code == "failed" and "stage" in cause.values]
    log_event(
        "decision",
        level="WARNING" if failed_in else "INFO",
        run=record.run,
        ticket_id=record.ticket_id,
        revision=record.revision,
        outcome=record.outcome,
        causes=[cause.code for cause in record.causes],
        failed_in=[str(stage) for stage in failed_in],
        written=list(record.written),
        score=record.verdict.score if record.verdict else None,
        attempt=record.attempt,
        language=record.language,
        redactions=sum(record.redactions.values()),
        seconds=dict(record.seconds),
    )


def log_writeback(record: WritebackRecord) -> None:
    """Log what became of a decision at the desk; the desk's own words, which may quote the ticket, are in the journal only."""
    log_event(
        "writeback",
        level="WARNING" if record.state in ("failed", "conflict") else "INFO",
        run=record.run,
        ticket_id=record.ticket_id,
        revision=record.revision,
        state=record.state,
        new_revision=record.new_revision,
        skipped_fields=list(record.skipped_fields),
    )


def _to_stderr(line: str) -> None:
    """Write to what is stderr now, so that a progress bar that has taken it over stays whole."""
    sys.stderr.write(line)


class _ToLoguru(logging.Handler):
    """Hands on what libraries log with the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        from loguru import logger

        level = record.levelname if record.levelname in LEVELS else record.levelno
        logger.bind(library=record.name).opt(exception=record.exc_info).log(level, record.getMessage())


def _route_libraries() -> None:
    """Everything the standard library's loggers say from WARNING on comes our way, and only ours."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it hangs a handler on stderr when it is imported, maybe later
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.WARNING)


def _json(event: "Event") -> str:
    """One JSON object a line. loguru formats what is returned, so the line goes by way of `extra`."""
    line: dict[str, JsonValue] = {
        "at": event["time"].astimezone(UTC).isoformat(timespec="microseconds"),
        "level": event["level"].name,
        "event": mask_text(event["message"]),
        **_values(event),
        **_error(event),
    }
    event["extra"]["_line"] = json.dumps(line, ensure_ascii=True, default=str)
    return "{extra[_line]}\n"


def _short(event: "Event") -> str:
    """One line for a person: time, level, event, then the values that say something."""
    told = {name: value for name, value in {**_values(event), **_error(event)}.items() if name != "where"}
    words = (f"{name}={_brief(value)}" for name, value in told.items() if value not in (None, "", [], {}))
    line = f"{event['time']:%H:%M:%S} {event['level'].name:<7} {' '.join((mask_text(event['message']), *words))}"
    event["extra"]["_short"] = "".join(c if c.isprintable() else " " for c in line)  # an id can't fake a line
    return "{extra[_short]}\n"


def _values(event: "Event") -> dict[str, JsonValue]:
    return mask_settings({name: value for name, value in event["extra"].items() if not name.startswith("_")})


def _error(event: "Event") -> Mapping[str, JsonValue]:
    """An exception as its type and the places it went through, without its words: they may quote a ticket."""
    caught = event["exception"]
    if caught is None or caught.type is None:
        return {}
    frames = traceback.extract_tb(caught.traceback)
    places: list[JsonValue] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": caught.type.__name__, "where": places}


def _brief(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
