"""A small home with real parts: a knowledge base of the example company, a journal with verdicts, and a tiny base model."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from batch.cli import main as batch
from core.ticket import CleanTicket, Exemplar
from core.triage import Decision, Escalated, Reason
from finetune.cli import main as finetune
from finetune.dataset import Card
from finetune.rendering import Offer, Written
from finetune.rows import Split
from llm.base import text_digest
from observability.decisions import decision_record
from observability.journal import Journal
from observability.records import DecisionRecord, HumanVerdict
from tests.observability.journal_examples import VERSIONS

EXAMPLES = Path(__file__).resolve().parents[2] / "mocks" / "examples"
TAXONOMY_FILE = EXAMPLES / "taxonomy.yaml"
LABELS = ("category", "urgency")
AT = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Result:
    """What a command left: exit code and what it printed, standard error on one line."""

    code: object
    out: str
    err: str


def command(main: object, name: str, *arguments: object) -> Result:
    """Run a command in this process; what would be a traceback for the user is one here too."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with patch.object(sys, "argv", [name, *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()  # type: ignore[operator]
        except SystemExit as exit_:
            code = exit_.code or 0
    return Result(code, out.getvalue(), " ".join(err.getvalue().split()))


def tune(*arguments: object) -> Result:
    """`python -m finetune ...`."""
    return command(finetune, "finetune", *arguments)


def history(count: int) -> list[dict[str, str]]:
    """The first resolved tickets of the example company with two of their labels, without dates."""
    lines = (EXAMPLES / "resolved.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    return [{k: row[k] for k in ("id", "subject", "description", "resolution", *LABELS)} for row in map(json.loads, lines)]


@contextmanager
def home_of(folder: Path, rows: Sequence[dict[str, str]]) -> Iterator[Path]:
    """A home in the settings with these resolved tickets taken in."""
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("TAMIZ_HOME", str(folder / "home"))
        settings.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
        settings.delenv("MLFLOW_TRACKING_URI", raising=False)
        settings.chdir(folder)
        (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        assert command(batch, "batch", "ingest", folder / "history.jsonl").code == 0
        yield folder / "home"


def decided(ticket: str, subject: str, body: str, revision: str = "1") -> DecisionRecord:
    """A ticket's decision as the journal keeps it."""
    clean = CleanTicket(ticket, subject, body, revision, language="es")
    decision = Decision(clean, Escalated((Reason("empty"),)), [], {}, {})
    return decision_record(decision, "run-1", VERSIONS, {}, {}, at=AT)


def said(ticket: str, revision: str = "1", **labels: str) -> HumanVerdict:
    """A person's word on a ticket."""
    return HumanVerdict(at=AT, ticket_id=ticket, revision=revision, who="ana", labels=labels)


def journal(home: Path, *records: DecisionRecord | HumanVerdict) -> None:
    """Add records to the home's journal."""
    with Journal(home / "journal.sqlite") as file:
        file.append(records)


def exemplar(text: str, **labels: str) -> Exemplar:
    """A resolved ticket whose id is its text's digest."""
    return Exemplar(text_digest(text), text, "", labels=labels, source="history", source_id=text[:8])


def written(number: int, split: Split, **changes: object) -> Written:
    """A lesson of one field with two offered labels; the gold label is the first for even numbers."""
    gold = "yes" if number % 2 == 0 else "no"
    one = Written(
        id=f"id-{number}",
        group=f"group-{number}",
        split=split,
        source="history",
        language="en",
        text_digest=f"text-{number}",
        template="compact.v3",
        system="",
        user=f"<|field|>field<|option|><|0|>yes<|option|><|1|>no<|ticket|>{'a yes' if gold == 'yes' else 'some no'} {number}",
        choices=(Offer(field="field", labels=("yes", "no"), aliases=("<|0|>", "<|1|>")),),
        gold={"field": gold},
        said={"field": gold},
        vote={"field": "yes"},
        proposal={},
        summary=f"ticket {number}",
        neighbors=(),
    )
    return one.model_copy(update=changes)


def renamed(row: Exemplar, **changes: object) -> Exemplar:
    """The same exemplar with something else in it."""
    return replace(row, **changes)  # type: ignore[arg-type]


def card(**changes: object) -> Card:
    """The card of such lessons for the tiny base."""
    one = Card(
        task="triage",
        digest="data-1",
        files={},
        base="tiny",
        base_name="tiny@1",
        template="compact.v3",
        budget=500,
        options=6,
        exemplars=6,
        neighbors=30,
        seed=0,
        split_by="groups",
        taxonomy="1",
        taxonomy_digest="t",
        knowledge="k",
        embedder="e",
        rules=(),
        sources={"history": 3},
        languages={"en": 3},
        rows={"train": 12, "validation": 4, "test": 4},
        labels={},
        unoffered={},
        verdicts={},
        undated=0,
        leaks={},
    )
    return one.model_copy(update=changes)
