"""What happened at the desk after our writes: later changes into the journal, closed tickets into exemplars, the ledger.

The first two read the tickets that changed since their last look. Each may be run as often as one likes; nothing is noted twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batch.assemble import EXAMPLES, House
from batch.closed import Collector, collect_closed
from batch.looking import OVERLAP, Look, Looking, keep_look, read_look
from batch.reviewing import BUNDLED
from core.ticket import Exemplar, Ticket
from core.trail import Comment
from observability.journal import Journal
from observability.masking import mask_text
from observability.records import LaterChange, ReviewNote, WritebackRecord, now, readable
from observability.reviews import Review
from review.later import Basis, Writes
from review.later import later_changes as changes_since
from review.ledger import Ledger, read_ledger
from servicedesk.desk import DeskState

if TYPE_CHECKING:
    from servicedesk.http import HttpDesk

Commit: TypeAlias = Callable[[], None]
"""Keeps how far the desk was looked through; to be called when what was found is safe."""
_WROTE = frozenset(("written", "already"))


@dataclass(frozen=True, slots=True)
class _Place:
    """The desk, open, under the name that runs over it have in the journal."""

    desk: "HttpDesk"
    source: str


def later_changes(house: House) -> int:
    """Note in the journal what others changed at the desk after our writes; how many changes are new.

    Raises:
        DeskError: the desk does not answer; nothing is noted then, and the next look begins where this one did.
        StorageError: the journal or the look can't be read or written.
    """
    path = house.home / "looks" / "later.json"
    if not _looks(house):
        return 0
    with _place(house) as place, Journal(journal_of(house)) as journal:
        looking = Looking(_look(path, place, journal))
        new = [one for state in looking.fresh(place.desk) for one in _changes(house, place, journal, state)]
        if new:
            journal.append(new)
        keep_look(path, looking.next)
    return len(new)


def closed_exemplars(house: House, *, since: datetime | None = None) -> tuple[list[Exemplar], Counter[str], Commit]:
    """The tickets closed since the last look as exemplars, the refusals by their code in `batch.closed.REFUSALS`, and what keeps
    the look: call it once the exemplars are in the index, else the next look gives them again.

    `since` looks further back than the first run over this desk. `Exemplar.source` is the desk's name, `source_id` the ticket.

    Raises:
        DeskError: the desk does not answer.
        StorageError: the journal or the look can't be read.
    """
    path = house.home / "looks" / "closed.json"
    if not _looks(house):
        return [], Counter(), lambda: None
    with _place(house) as place, Journal(journal_of(house)) as journal:
        look = _look(path, place, journal)
        looking = Looking(look if since is None else Look(source=place.source, until=since))
        known = frozenset(exemplar.id for exemplar in house.shelf.exemplars())
        collector = Collector(house.taxonomy, house.intake, place.source, known)

        def ours(state: DeskState) -> tuple[Writes, Mapping[str, str]]:
            review = _review(journal, state, place.source)
            verdict = review.verdict if review else None
            return _writes(place, review), verdict.labels if verdict else {}

        found = collect_closed(place.desk, looking.fresh(place.desk), ours, collector)
    return found, +collector.refused, lambda: keep_look(path, looking.next)


def ledger_of(house: House) -> Ledger:
    """The account of each exemplar of the index, and of whatever else a decision rested on. Raises StorageError."""
    if not journal_of(house).exists():
        return {}
    with Journal(journal_of(house)) as journal:
        return read_ledger(journal, house.shelf.exemplars(), now())


def journal_of(house: House) -> Path:
    """The journal's file, whether it is there or not."""
    return house.home / "journal.sqlite"


def _looks(house: House) -> bool:
    """Whether there is anything to look for: runs, and a desk, the user's or the bundled one where a run has started that."""
    return journal_of(house).exists() and (bool(house.settings.desk.url) or (house.home / "mock-desk").exists())


def _changes(house: House, place: _Place, journal: Journal, state: DeskState) -> list[LaterChange]:
    """What is not in the journal yet of the changes to one ticket."""
    review = _review(journal, state, place.source)
    if review is None or _untouched(review, state):
        return []
    ticket = state.ticket
    found = changes_since(
        ticket.id,
        place.desk.history(ticket.id),
        lambda: [_cleaned(house, one) for one in place.desk.comments(ticket.id)],
        _writes(place, review),
        house.taxonomy,
        seen=ticket.revision,
        noted=now(),
    )
    known = {one.digest for one in review.history if isinstance(one, LaterChange)}
    return [one for one in found if one.digest not in known]


def _untouched(review: Review, state: DeskState) -> bool:
    """Whether nothing can have happened: we never wrote, or once, and nothing has changed since."""
    made = _made(review)
    return not made or (len(made) == 1 and state.settled)


def _cleaned(house: House, comment: Comment) -> Comment:
    """Without quoted mail and signature: what the author says now."""
    return Comment(comment.at, comment.author, house.intake.clean(Ticket("", "", comment.body)).body, comment.public)


def _writes(place: _Place, review: Review | None) -> Writes:
    decision = review.decision if review else None
    latest = Basis(decision.run, decision.revision) if decision else Basis("", "")
    return Writes(place.desk.actor, _made(review) if review else {}, latest)


def _made(review: Review) -> dict[str, Basis]:
    """The revisions that our writes made, of decisions and of verdicts, with the decision behind each."""
    notes = [one for one in review.history if isinstance(one, WritebackRecord | ReviewNote)]
    return {one.new_revision: Basis(one.run, one.revision) for one in notes if one.state in _WROTE and one.new_revision}


def _review(journal: Journal, state: DeskState, source: str) -> Review | None:
    """Our decisions on a ticket of this desk; None where there is none."""
    found = journal.reviews(state.ticket.id)
    return found[0] if found and found[0].source == source else None


def _look(path: Path, place: _Place, journal: Journal) -> Look:
    """Where this look begins: behind the last one, or a little before the first live run over this desk."""
    began = [one.started.at for one in journal.runs() if one.started.source == place.source and not one.started.dry_run]
    return read_look(path, place.source, (min(began) if began else now()) - OVERLAP)


@contextmanager
def _place(house: House) -> Iterator[_Place]:
    """The desk of the settings, or the bundled one, started for the time being."""
    from servicedesk.http import HttpDesk

    settings = house.settings.desk
    if settings.url:
        with HttpDesk(settings.url, token=settings.token.get_secret_value()) as desk:
            yield _Place(desk, mask_text(readable(settings.url)))
        return
    from mocks.desk import create_desk
    from mocks.serve import serve

    app = create_desk(house.home / "mock-desk", tickets=EXAMPLES / "open.jsonl")
    with serve(app) as url, HttpDesk(url) as desk:
        yield _Place(desk, BUNDLED)
