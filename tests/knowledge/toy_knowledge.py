"""A small, deterministic embedder and small pasts, for tests in which the real model is not the subject.

Run as a program it is another process for the tests: `toy_knowledge.py ingest|hold HOME [STAGE]`.
"""

import re
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from core.ticket import CleanTicket, Exemplar, Vectors
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.ingest import ingest

APPLICATIONS = ("Outlook", "SAP", "VPN", "Teams", "Citrix", "Jira", "Salesforce", "Printer")
SYMPTOMS = (
    "does not start after the update",
    "asks for the password again and again",
    "shows error 0x80070005 when opening",
    "is very slow since Monday morning",
    "no abre desde ayer",
    "pide la contraseña todo el rato",
    "da un error de conexión al entrar",
    "ha perdido los datos guardados",
)


class ToyEmbedder:
    """Words hashed into 64 signed buckets: texts that share words are near. Counts the texts it was asked for."""

    def __init__(self, name: str = "toy@1", precision: str = "fp32") -> None:
        self.name = name
        self.precision = precision
        self.dimension = 64
        self.asked = 0

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        self.asked += len(texts)
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.1
            for word in re.findall(r"\w+", text.lower()):
                hashed = zlib.crc32(word.encode())
                row[1 + hashed % 63] += 1 if hashed & 1024 else -1
        if progress:
            progress(len(texts))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def past(count: int) -> list[Exemplar]:
    """`count` different resolved tickets in two languages, as a reader of files would give them."""
    return [_resolved(number) for number in range(count)]


def _resolved(number: int) -> Exemplar:
    application = APPLICATIONS[number % 8]
    symptom = number // 8 % 8
    return Exemplar(
        id="",
        subject=f"{application} {SYMPTOMS[symptom]}",
        body=f"Machine pc{number:05d}, room {number % 97}, user{number * 7 % 1013}.",
        language="en" if symptom < 4 else "es",
        labels={"category": application, "Área 1.b": "north" if number % 2 else "south"},
        resolution=f"Reinstalled {application}." if number % 3 else "",
        source_id=f"INC-{number}",
    )


def ticket(text: str, language: str = "en") -> CleanTicket:
    return CleanTicket(id="T-1", subject="", body=text, language=language)


def point_id(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, str(number)))


def _stop_at(stage: str) -> Callable[[str, int, int], None]:
    """Progress that says when the stage has begun, and then waits to be killed in the middle of it."""

    def progress(at: str, done: int, total: int) -> None:
        if at == stage:
            print("reached", flush=True)
            time.sleep(60)

    return progress


def _main(command: str, home: Path, stage: str) -> None:
    shelf = shelf_at(home)
    if command == "hold":
        with KnowledgeBase.open(shelf, ToyEmbedder()):
            print("reached", flush=True)
            time.sleep(60)
    embedder = CachedEmbedder(ToyEmbedder(), home / "vectors.sqlite3")
    ingest(shelf, embedder, past(2_000), source="history", progress=_stop_at(stage))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
