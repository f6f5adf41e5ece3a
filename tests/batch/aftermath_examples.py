"""A small desk over HTTP on which we write and people go on working, and the journal of what we wrote."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch.assemble import House
from batch.settings import load_settings
from core.taxonomy import Mode
from observability.journal import Journal
from observability.records import DecisionRecord, FusedField, HumanVerdict, LaterChange, RunStarted, WritebackRecord, now
from servicedesk.http import HttpDesk
from tests.batch.commands_examples import TAXONOMY_FILE, Desk, running_desk, write_rows
from tests.observability.journal_examples import VERSIONS, Example

TEXT = {
    "subject": "VPN caída",
    "description": "La VPN se corta cada diez minutos desde casa y no puedo trabajar con los pedidos de la tarde.",
}
LABELS = {"category": "Red", "urgency": "Alta", "assignment_group": "Redes y comunicaciones"}
DONE = "Se reinstaló el cliente de la VPN y se abrió el puerto 1194 en el cortafuegos."


@dataclass(frozen=True)
class Scene:
    """One home and one desk."""

    home: Path
    desk: Desk

    def house(self) -> House:
        return House(load_settings(None), self.home)

    def act(self, who: str, ticket: str = "A", **change: object) -> None:
        """Somebody changes a ticket."""
        revision = self.desk.tickets()[ticket]["revision"]
        answer = self.desk.client.patch(
            f"/tickets/{ticket}", json={"revision": revision, **change}, headers={b"X-Actor": _header(who)}
        )
        assert answer.status_code == 200, answer.text

    def comment(self, who: str, body: str, ticket: str = "A", *, public: bool = True) -> None:
        answer = self.desk.client.post(
            f"/tickets/{ticket}/comments", json={"body": body, "public": public}, headers={b"X-Actor": _header(who)}
        )
        assert answer.status_code == 201, answer.text

    def write(self, labels: Mapping[str, str] = LABELS, ticket: str = "A", outcome: str = "accepted") -> DecisionRecord:
        """We decide on a ticket and write it, as a run does."""
        with HttpDesk(self.desk.url) as desk, Journal(self.home / "journal.sqlite") as journal:
            revision = desk.get(ticket).ticket.revision
            record = decided(ticket, revision, labels, outcome)
            journal.append([record])
            fields = labels if outcome == "accepted" else {}
            result = desk.write(ticket, revision=revision, fields=fields, comment="Propuesta", marker={"decision": record.digest})
            note = WritebackRecord(
                run="run-1", at=now(), ticket_id=ticket, revision=revision, state="written", decision=record.digest,
                new_revision=result.revision,
            )  # fmt: skip
            journal.append([note])
        return record

    def judge(self, record: DecisionRecord, labels: Mapping[str, str]) -> HumanVerdict:
        """A person's verdict."""
        verdict = HumanVerdict(
            run=record.run, at=now(), ticket_id=record.ticket_id, revision=record.revision, who="ana", labels=labels
        )
        with Journal(self.home / "journal.sqlite") as journal:
            journal.append([verdict])
        return verdict

    def noted(self) -> list[LaterChange]:
        with Journal(self.home / "journal.sqlite") as journal:
            return [one for one in journal.records(kind="later_change") if isinstance(one, LaterChange)]

    def state(self, ticket: str = "A") -> str:
        with Journal(self.home / "journal.sqlite") as journal:
            return journal.reviews(ticket)[0].state


def decided(ticket: str, revision: str, labels: Mapping[str, str], outcome: str = "accepted") -> DecisionRecord:
    """A decision for these labels."""
    fusion = {
        name: FusedField(
            label=label, confidence=0.9, distribution={label: 0.9}, mode=Mode.AUTOFILL, evidence=("ex-1",), weights={},
            temperature=1.0,
        )
        for name, label in labels.items()
    }  # fmt: skip
    written = tuple(labels) if outcome == "accepted" else ()
    changes = {"fusion": fusion, "written": written, "at": now()}
    return Example().record(ticket, revision, outcome).model_copy(update=changes)


@contextmanager
def scene(folder: Path, count: int = 1) -> Iterator[Scene]:
    """A desk with tickets A, B, ... that a user opened, and a home that a run over it has begun in."""
    home = folder / "home"
    home.mkdir()
    with running_desk(folder / "desk", write_rows(folder / "none.jsonl", [])) as desk:
        made = Scene(home, desk)
        for place in range(count):
            opened(desk, "ABCDEFGH"[place])
        with Journal(home / "journal.sqlite") as journal:
            journal.append([RunStarted(run="run-1", at=now(), source=desk.url, dry_run=False, versions=VERSIONS, settings={})])
        yield made


def opened(desk: Desk, ticket: str, who: str = "Eva Soler", **changed: object) -> None:
    """Somebody opens a ticket."""
    answer = desk.client.post("/tickets", json={"id": ticket, **TEXT, **changed}, headers={b"X-Actor": _header(who)})
    assert answer.status_code == 201, answer.text


def settings_for(desk: Desk, home: Path) -> dict[str, str]:
    """The environment in which commands work on this desk."""
    return {
        "TAMIZ_HOME": str(home),
        "TAMIZ_DESK__URL": desk.url,
        "TAMIZ_TAXONOMY": str(TAXONOMY_FILE),
        "TAMIZ_LLM__MODEL": "none",
    }


def _header(who: str) -> bytes:
    """As HTTP headers hold accents."""
    return who.encode("latin-1")
