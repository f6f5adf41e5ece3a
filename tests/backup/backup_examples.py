"""A small home with everything that a home has, and processes that are killed while they back it up or restore it.

Run as a program it is the other process: each line of its input is a piece of work that a child does, and may be killed in.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup.archive import file_digest
from backup.staging import files_of
from batch.assemble import House, open_house
from batch.backups import make_backup
from batch.restoring import restore_backup
from batch.settings import Settings
from core.ticket import CleanTicket
from knowledge.base import KnowledgeBase
from knowledge.edge_shelf import EdgeShelf
from knowledge.ingest import ingest
from observability.journal import Journal
from observability.records import HumanVerdict
from tests.knowledge.toy_knowledge import ToyEmbedder, past

ROOT = Path(__file__).resolve().parents[2]
FIT = "0123456789ab"
QUESTIONS = ("Outlook does not start", "SAP pide la contraseña", "VPN error", "Citrix slow Monday", "Printer datos perdidos")


def small_home(home: Path, exemplars: int = 64, records: int = 3) -> Path:
    """A home with an index, a journal, a fit, a champion, a taxonomy, a key, and what can be made again."""
    home.mkdir(parents=True, exist_ok=True)
    learn(home, exemplars)
    add_records(home, records)
    texts = {
        "taxonomy.yaml": "version: '1'\n",
        f"fit/{FIT}/fit.json": "{}",
        "fit/current": FIT,
        "fit/ffffffffffff/fit.json": "an older one",
        "models/champion.json": "{}",
        "models/triage-abc/adapter_config.json": "{}",
        "cache/vectors.sqlite": "can be made again",
        "logs/tamiz.jsonl": "{}\n",
        "runs/1/report.json": "{}",
    }
    for name, text in texts.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "redaction.key").write_bytes(random.Random(1).randbytes(32))
    (home / "redaction.key").chmod(0o600)
    return home


def without_shard(home: Path) -> Path:
    """The same home with an index that can't be searched, but weighs next to nothing."""
    for shard in home.glob("kb/*/shard"):
        shutil.rmtree(shard)
    return home


def learn(home: Path, exemplars: int) -> None:
    """An index of so many exemplars; without labels, each of which takes ten megabytes of holes in an index."""
    rows = [replace(exemplar, labels={}) for exemplar in past(exemplars)]
    ingest(EdgeShelf(home), ToyEmbedder(), rows, source="history", prune=True)


def add_records(home: Path, count: int) -> None:
    """`count` more records."""
    with Journal(home / "journal.sqlite") as journal:
        journal.append([said(f"T-{number}") for number in range(count)])


def said(ticket: str) -> HumanVerdict:
    return HumanVerdict(
        run="r1", at=datetime(2026, 11, 22, tzinfo=UTC), ticket_id=ticket, revision="1", who="ana", action="approved", labels={}
    )


def house_at(home: Path, **settings: Any) -> House:  # noqa: ANN401 - as of Settings
    """The house of a home, with the small embedder."""
    return toy(House(Settings(home=home, **settings), home))


def toy(house: House) -> House:
    vars(house)["embedder"] = ToyEmbedder()
    return house


def answers(home: Path) -> tuple[list[dict[str, float]], int]:
    """What a home says: id -> similarity of some searches, and the number of its journal's records."""
    tickets = [CleanTicket(id="q", subject="", body=text, language="en") for text in QUESTIONS]
    with KnowledgeBase.open(EdgeShelf(home), ToyEmbedder()) as base:
        found = base.search(tickets, ToyEmbedder().encode(QUESTIONS), 10)
    with closing(sqlite3.connect(home / "journal.sqlite")) as db:
        (records,) = db.execute("SELECT count(*) FROM records").fetchone()
    return [{near.exemplar.id: near.similarity for near in one} for one in found], int(records)


def content(home: Path) -> dict[str, str]:
    """The checksums of a home's files."""
    return {name: file_digest(home / name) for name in files_of(home)}


def backups_made(home: Path) -> list[Path]:
    return sorted((home / "backups").glob("tamiz-*.tar.gz"))


class Killable:
    """Another process that does a piece of work in a child, which kills itself at a given step of it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def work(self, command: str, home: Path, file: Path | None = None, *, kill_at: int = -1) -> int:
        """Steps that were done; fewer than there are where it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = {"command": command, "home": str(home), "file": str(file) if file else "", "kill_at": kill_at}
        self._process.stdin.write(f"{json.dumps(line)}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["killed"] == (kill_at >= 0), answer
        return int(answer["steps"])


@contextmanager
def killable() -> Iterator[Killable]:
    """The other process, up and waiting."""
    command = [sys.executable, "-m", "tests.backup.backup_examples"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Killable(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _work(asked, writing)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            steps = len(pipe.read())
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or status == 0, status
        sys.stdout.write(json.dumps({"killed": killed, "steps": steps}) + "\n")
        sys.stdout.flush()


def _work(asked: dict[str, Any], steps: int) -> None:
    done = 0

    def step(*_: object) -> None:
        nonlocal done
        if done == asked["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        os.write(steps, b".")

    for name in ("rename", "replace", "fsync", "unlink", "mkdir"):
        _before_each(name, step)
    settings = Settings(home=Path(asked["home"]))
    if asked["command"] == "backup":
        make_backup(toy(open_house(settings)), force=True, progress=step)
    else:
        restore_backup(settings, Path(asked["file"]), force=True, progress=step)


def _before_each(name: str, step: Callable[[], None]) -> None:
    """Take a step before each call of a function of `os`: what comes after it has not happened yet when that one kills."""
    original = getattr(os, name)

    def stepped(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - of any function
        step()
        return original(*arguments, **named)

    setattr(os, name, stepped)


if __name__ == "__main__":
    _serve()
