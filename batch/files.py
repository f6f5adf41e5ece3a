"""The files that a command leaves: whole, or an error that says what to do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch.runreport import review_list
from core.errors import InputError, StorageError


def save(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text file, its folder too where it is missing.

    Raises:
        StorageError: the disk is full or the place can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=encoding)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror or error}.",
            remedy="Free some space or check the permissions, then try again.",
        ) from error


def require_place(path: Path | None) -> None:
    """Refuse a file that could not be written, before the long work whose result it is to hold."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"{path} can't be written: its folder does not exist, or it is one.", remedy="Name another file.")


def write_report(home: Path, report: Mapping[str, Any], language: str, more: Mapping[str, str]) -> dict[str, str]:
    """A run's report as page and JSON, and the review list, under `home`/runs; where these and `more` are."""
    from batch.report import render_run

    folder = _folder(home, report["run"])
    paths = {
        **more,
        "report": str(folder / "report.html"),
        "review": str(folder / "review.csv"),
        "journal": str(home / "journal.sqlite"),
    }
    complete = {**report, "paths": paths}
    save(folder / "report.json", json.dumps(complete, ensure_ascii=False, indent=1))
    save(folder / "report.html", render_run(complete, "es" if language == "es" else "en"))
    save(folder / "review.csv", review_list(complete, language), "utf-8-sig")
    return paths


def earlier_report(home: Path, run: str) -> dict[str, Any]:
    """The JSON of a run's report as it was written last; empty where there is none that can be read."""
    try:
        found = json.loads((_folder(home, run) / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _folder(home: Path, run: str) -> Path:
    return home / "runs" / run
