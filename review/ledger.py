"""The account of each exemplar: how often a decision rested on it, and what came of that.

A use is a ticket and a field: the exemplar is in the `evidence` of that field in the ticket's latest live decision, and its own
label was the one decided. What becomes of the use, the first that holds:

| what came after                                                       | the use counts as |
|-----------------------------------------------------------------------|-------------------|
| a verdict that stands names the same label for the field              | confirmed         |
| a verdict that stands names another                                   | corrected         |
| a verdict rejects the triage and says nothing of the field            | rejected          |
| somebody changed the field at the desk, unconfirmed                   | changed           |
| somebody reopened the ticket, unconfirmed                             | reopened          |
| it was written, and nothing happened for a week                       | stood             |
| none of these                                                         | open              |

Confirmed and stood speak for the exemplar, corrected and changed against it; rejected, reopened and open say nothing of a label.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from core.metrics import wilson_lower
from core.ticket import Exemplar
from observability.journal import Journal
from observability.records import HumanVerdict, LaterChange, ReviewNote
from observability.reviews import contradicts, standing, unsettled
from observability.uses import Shown
from review.corrections import JOURNAL

Fate: TypeAlias = Literal["confirmed", "corrected", "rejected", "changed", "reopened", "stood", "open"]
RIPE = timedelta(days=7)
"""How long what was written has to stand before that speaks for it."""


@dataclass(slots=True)
class Tally:
    """Uses of an exemplar, by what came of them. `accepted` are those in decisions that were accepted, whatever came after."""

    uses: int = 0
    accepted: int = 0
    confirmed: int = 0
    corrected: int = 0
    rejected: int = 0
    changed: int = 0
    reopened: int = 0
    stood: int = 0
    open: int = 0

    def count(self, fate: Fate, *, accepted: bool) -> None:
        """One use more."""
        self.uses += 1
        self.accepted += accepted
        setattr(self, fate, getattr(self, fate) + 1)

    @property
    def astray(self) -> int:
        """Uses in which it led to a wrong label."""
        return self.corrected + self.changed

    @property
    def known(self) -> int:
        """Uses of which it is known whether the label was right."""
        return self.astray + self.confirmed + self.stood

    @property
    def harm(self) -> float:
        """Wilson's lower bound (95 %) of the share of known uses in which it led astray, 0..1."""
        return wilson_lower(self.astray, self.known)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an exemplar comes from. `confirmed`: a person's verdict made it, or stands on the ticket that it was."""

    source: str
    source_id: str
    resolved_at: str
    confirmed: bool


@dataclass(slots=True)
class Account:
    """One exemplar's. `provenance` is None where the index has it no longer.

    `last_success` is the moment of the newest use that was confirmed or stood, `last_used` that of the newest decision that
    rested on it. `contradictions` are near-identical exemplars with other labels: whoever compares exemplars fills them in.
    """

    exemplar: str
    provenance: Provenance | None = None
    fields: dict[str, Tally] = field(default_factory=dict)
    last_success: datetime | None = None
    last_used: datetime | None = None
    contradictions: int = 0

    def use(self, decision: Shown, name: str, fate: Fate, success: datetime | None) -> None:
        """One use more. On the ticket that the exemplar was made from it proves nothing."""
        if self.provenance is not None and self.provenance.source_id == decision.ticket_id:
            return
        if name not in self.fields:
            self.fields[name] = Tally()
        self.fields[name].count(fate, accepted=decision.accepted)
        self.last_used = decision.at if self.last_used is None else max(self.last_used, decision.at)
        if success is not None and (self.last_success is None or success > self.last_success):
            self.last_success = success

    @property
    def total(self) -> Tally:
        """Over all fields."""
        total = Tally()
        for tally in self.fields.values():
            for name in Tally.__dataclass_fields__:
                setattr(total, name, getattr(total, name) + getattr(tally, name))
        return total

    @property
    def worst(self) -> tuple[str, Tally]:
        """The field in which it does most harm; ("", an empty tally) where it was never used."""
        return max(self.fields.items(), key=lambda one: (one[1].harm, one[1].astray, one[0]), default=("", Tally()))


Ledger: TypeAlias = dict[str, Account]
"""Accounts by exemplar id."""


@dataclass(frozen=True, slots=True)
class Harm:
    """An exemplar that leads astray in `field`, with the figures of that field."""

    exemplar: str
    field: str
    harm: float
    tally: Tally

    @property
    def wrong(self) -> int:
        """How often it led astray."""
        return self.tally.astray

    @property
    def uses(self) -> int:
        """Of how many uses with a known end."""
        return self.tally.known


def read_ledger(journal: Journal, exemplars: Iterable[Exemplar], today: datetime) -> Ledger:
    """The accounts of these exemplars and of every other one that a decision rested on, from one pass over the journal.

    Memory: an account an exemplar. Raises StorageError.
    """
    judged = _judged(journal)
    ledger = {one.id: Account(one.id, _provenance(one, judged)) for one in exemplars}
    for decision in journal.shown():
        ends = _Ends(decision, today, standing(decision.history), unsettled(decision.history))
        for name, evidence in _uses(decision):
            fate, success = ends.of(name)
            for exemplar in evidence:
                if exemplar not in ledger:
                    ledger[exemplar] = Account(exemplar)
                ledger[exemplar].use(decision, name, fate, success)
    return ledger


def harmful(ledger: Ledger, *, least_uses: int = 5, over: float = 0.3) -> list[Harm]:
    """The exemplars that lead astray, the worst first: in some field, with at least `least_uses` uses of a known end, the lower
    bound of the share that went wrong is over `over`. Each with the field in which it is worst."""
    found = []
    for account in ledger.values():
        known = {name: tally for name, tally in account.fields.items() if tally.known >= least_uses and tally.harm > over}
        if known:
            name = max(known, key=lambda one: (known[one].harm, one))
            found.append(Harm(account.exemplar, name, known[name].harm, known[name]))
    return sorted(found, key=lambda one: (-one.harm, one.exemplar))


@dataclass(frozen=True, slots=True)
class _Ends:
    """What became of a decision's fields: the verdict that stands, and the changes at the desk that none settled."""

    decision: Shown
    today: datetime
    verdict: HumanVerdict | None
    left: Sequence[LaterChange]

    def of(self, name: str) -> tuple[Fate, datetime | None]:
        """By the table above, and the moment of the success where it was one."""
        verdict, label = self.verdict, self.decision.labels[name]
        if verdict is not None and name in verdict.labels:
            return ("confirmed", verdict.at) if verdict.labels[name] == label else ("corrected", None)
        if verdict is not None and verdict.action == "rejected":
            return "rejected", None
        if any(one.field == name and one.ours == label and contradicts(one, label) for one in self.left):
            return "changed", None
        if any(one.what == "reopened" for one in self.left):
            return "reopened", None
        stood = name in self.decision.written and self.today - self.decision.at >= RIPE
        return ("stood", self.decision.at) if stood else ("open", None)


def _uses(decision: Shown) -> Iterator[tuple[str, list[str]]]:
    """By field the exemplars of its evidence whose own label was decided."""
    own = decision.neighbours
    for name, evidence in decision.evidence.items():
        label = decision.labels[name]
        yield name, [one for one in evidence if one in own and own[one].get(name) == label]


def _judged(journal: Journal) -> set[str]:
    """The tickets with a verdict that stands and confirms something."""
    undone = {one.verdict for one in journal.records(kind="review_note") if isinstance(one, ReviewNote) and one.state == "undone"}
    verdicts = (one for one in journal.records(kind="human_verdict") if isinstance(one, HumanVerdict))
    return {one.ticket_id for one in verdicts if one.labels and one.digest not in undone}


def _provenance(exemplar: Exemplar, judged: set[str]) -> Provenance:
    confirmed = exemplar.source == JOURNAL or exemplar.source_id in judged
    return Provenance(exemplar.source, exemplar.source_id, exemplar.resolved_at, confirmed)
