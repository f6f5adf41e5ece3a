"""What somebody else did to a ticket after our write: each such change is a weak label, for a person to confirm.

Read from the desk's audit trail alone: what we set there, and what others did to it since. A reopening that only brought thanks
is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from core.taxonomy import Taxonomy
from core.text import fold
from core.trail import MARKED, Change, Comment
from observability.records import LaterChange
from review.courtesy import only_courtesy

What: TypeAlias = Literal["reassigned", "reopened", "reprioritised", "changed"]
STATUS = "status"
CLOSED = frozenset(
    """
    closed resolved solved done completed finished cerrado cerrada resuelto resuelta solucionado solucionada finalizado
    finalizada completado completada terminado terminada hecho
    """.split()  # noqa: SIM905 - a list of words reads better
)
"""Folded names of the statuses in which nobody works on a ticket any more."""
GROUPS = frozenset(("assignment group", "group", "team", "queue", "grupo", "grupo de asignacion", "equipo", "cola", "department"))
HANDS = frozenset(("assignee", "assigned to", "owner", "agent", "technician", "asignado", "asignado a", "responsable", "tecnico"))
"""Folded names of fields that say in whose hands a ticket is."""
PEOPLE = HANDS | {"agente", "requester", "reporter", "solicitante", "usuario", "user", "contact", "contacto", "caller", "autor"}
"""Folded names of fields that hold a person."""
PRIORITIES = frozenset(("urgency", "impact", "priority", "severity", "urgencia", "impacto", "prioridad", "severidad"))


@dataclass(frozen=True, slots=True)
class Basis:
    """The decision behind a write of ours: its run and the revision that it was made on."""

    run: str
    revision: str


@dataclass(frozen=True, slots=True)
class Writes:
    """Our writes to one ticket: the decision behind each by the revision that it made, and the latest one, for a write that is
    not on record. `actor` is our name at the desk.
    """

    actor: str
    made: Mapping[str, Basis]
    latest: Basis

    def revisions(self, trail: Sequence[Change]) -> frozenset[str]:
        """The revisions that we made: they carry our name, or our marker where the desk shows another name for us."""
        return frozenset(one.revision for one in trail if one.actor == self.actor or one.field == MARKED)

    def basis(self, change: Change) -> Basis:
        """The decision behind a line of our doing."""
        return self.made.get(change.revision, self.latest)


@dataclass
class _Trail:
    """What is known while the trail is read: what stands at the desk because of us, by field, and our latest decision written."""

    ticket_id: str
    writes: Writes
    taxonomy: Taxonomy
    seen: str
    noted: datetime
    ours: dict[str, tuple[str, Basis]] = field(default_factory=dict)
    basis: Basis | None = None
    found: list[LaterChange] = field(default_factory=list)

    def wrote(self, change: Change) -> None:
        if change.field not in self.taxonomy.fields:
            return
        self.basis = self.writes.basis(change)
        self.ours.pop(change.field, None)
        if label := self.label(change.field, change.new):
            self.ours[change.field] = (label, self.basis)

    def changed(self, change: Change) -> None:
        name, what = change.field, kind_of(change.field)
        old, new = self.label(name, change.old), self.label(name, change.new)
        if old and old == new:  # another spelling of the same
            return
        if name in self.ours:
            label, basis = self.ours[name]
            self.note(change, what, name, basis, label, new)
        elif self.basis and change.old.strip() and what != "changed":
            self.note(change, what, name, self.basis, "", new)

    def note(self, change: Change, what: What, name: str, basis: Basis, ours: str = "", theirs: str = "") -> None:
        self.found.append(
            LaterChange(
                run=basis.run,
                at=self.noted,
                ticket_id=self.ticket_id,
                revision=basis.revision,
                what=what,
                field=name,
                ours=ours,
                theirs=theirs,
                changed_at=change.at,
                desk_revision=self.seen,
            )
        )

    def label(self, name: str, value: str) -> str:
        """The taxonomy's label, or "": a person's name, or whatever else a desk's field may hold, is not kept."""
        return (self.taxonomy.match(name, value) or "") if name in self.taxonomy.fields else ""


def later_changes(
    ticket_id: str,
    trail: Sequence[Change],
    comments: Callable[[], Sequence[Comment]],
    writes: Writes,
    taxonomy: Taxonomy,
    *,
    seen: str,
    noted: datetime,
) -> list[LaterChange]:
    """The changes by others to what we wrote, and the reassignments, reprioritisations and reopenings after it, oldest first.

    Before our first field is written nothing counts. A first assignment is none; a label that is set back is noted too, which
    takes the doubt away. `comments` is asked only where a ticket was reopened, and holds cleaned texts; `seen` is the ticket's
    revision at the desk, `noted` the moment of this look.
    """
    state = _Trail(ticket_id, writes, taxonomy, seen, noted)
    mine = writes.revisions(trail)
    for place, change in enumerate(trail):
        if change.revision in mine:
            state.wrote(change)
        elif change.field != STATUS:
            state.changed(change)
        elif state.basis and reopens(change) and not _only_thanks(trail, place, comments(), writes.actor):
            state.note(change, "reopened", STATUS, state.basis)
    return state.found


def kind_of(name: str) -> What:
    """What it is called when somebody changes this field."""
    folded = fold(name)
    if folded in GROUPS or folded in HANDS:
        return "reassigned"
    return "reprioritised" if folded in PRIORITIES else "changed"


def is_closed(status: str) -> bool:
    """Whether nobody works any more on a ticket of this status."""
    return fold(status) in CLOSED


def reopens(change: Change) -> bool:
    """Whether a change of status takes a closed ticket up again."""
    return is_closed(change.old) and not is_closed(change.new)


def closes(change: Change) -> bool:
    """Whether a change of status ends the work on a ticket."""
    return change.field == STATUS and is_closed(change.new) and not is_closed(change.old)


def _only_thanks(trail: Sequence[Change], place: int, comments: Sequence[Comment], actor: str) -> bool:
    """Whether whatever was written since the closing is courtesy, and something was.

    Internal notes count up to the reopening, public words until the ticket is closed again; not those of whoever closed it,
    who may tell afterwards what was done.
    """
    closing = next((one for one in reversed(trail[:place]) if closes(one)), trail[0])
    again = next((one.at for one in trail[place:] if closes(one)), None)
    closer = "" if closing.actor == trail[place].actor else closing.actor
    until = trail[place].at
    said = [
        one
        for one in comments
        if one.at > closing.at and one.author not in {actor, closer} and (one.at <= until or (one.public and _before(one, again)))
    ]
    words = [one.body for one in said if one.body.strip()]
    names = {one.author for one in comments} | {one.actor for one in trail}
    return bool(words) and all(only_courtesy(body, names) for body in words)


def _before(comment: Comment, end: datetime | None) -> bool:
    return end is None or comment.at < end
