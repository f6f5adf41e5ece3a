"""Newly closed tickets as exemplars: those that people labelled, with a resolution that says what helped.

What we wrote ourselves and nobody touched or confirmed is no label here: the system would learn from itself.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC

from core.taxonomy import Taxonomy
from core.text import fold
from core.ticket import CleanTicket, Exemplar, Ticket
from core.trail import Change, Comment
from intake import Intake
from intake.people import without_names
from intake.worth import refuse
from knowledge.ingest import exemplar_id
from review.courtesy import only_courtesy
from review.later import PEOPLE, Writes, closes, is_closed
from review.outcome import why_useless
from servicedesk.desk import DeskState
from servicedesk.http import HttpDesk

RESOLUTION = "resolution"
"""The desk's field that holds what was done."""
REFUSALS: Mapping[str, tuple[str, str]] = {
    "empty": ("sin texto", "no text"),
    "auto_reply": ("respuesta automática", "an automatic reply"),
    "pointless": ("el texto no dice nada", "the text says nothing"),
    "instruction": ("contiene instrucciones al sistema", "it holds instructions to the system"),
    "no_history": ("la mesa no tiene su historia", "the desk has no history of it"),
    "no_label": ("ninguna etiqueta de la taxonomía", "no label of the taxonomy"),
    "only_ours": ("solo etiquetas nuestras que nadie confirmó", "only labels of ours that nobody confirmed"),
    "contradictory": ("sus etiquetas contradicen una regla", "its labels break a rule"),
    "no_resolution": ("sin resolución", "no resolution"),
    "thanks_only": ("la resolución solo da las gracias", "the resolution is only thanks"),
    "boilerplate": ("la resolución es una fórmula", "the resolution is a set phrase"),
    "short_resolution": ("la resolución es demasiado corta", "the resolution is too short"),
    "known": ("ya se conoce", "known already"),
    "unreadable": ("no se pudo leer", "could not be read"),
}
"""Why a closed ticket is no exemplar, in Spanish and English."""


@dataclass(frozen=True, slots=True)
class Story:
    """A closed ticket with everything that the desk knows of it. `confirmed` are the labels of a verdict that stands."""

    state: DeskState
    trail: Sequence[Change]
    comments: Sequence[Comment]
    writes: Writes
    confirmed: Mapping[str, str]


@dataclass
class Collector:
    """Judges closed tickets one by one; counts its refusals by the codes of `REFUSALS`.

    Args:
        source: name of the desk, as exemplars have it.
        known: ids of the exemplars that there are already.
    """

    taxonomy: Taxonomy
    intake: Intake
    source: str
    known: frozenset[str] = frozenset()
    refused: Counter[str] = field(default_factory=Counter)

    def exemplar(self, story: Story) -> Exemplar | None:
        """The exemplar that a closed ticket makes, with its id; None, and a refusal counted, where it makes none."""
        ticket = story.state.ticket
        if not story.trail:  # whose labels they are can't be told
            self.refused["no_history"] += 1
            return None
        clean = self.intake.clean(ticket)
        labels, ours = self._labels(story)
        resolution = self._resolution(story)
        code = self._why_not(clean, labels, resolution, ours=ours)
        if code:
            self.refused[code] += 1
            return None
        names = self._names(story)
        made = Exemplar(
            id="",
            subject=without_names(clean.subject, names),
            body=without_names(clean.body, names),
            language=clean.language,
            labels=dict(sorted(labels.items())),
            resolution=without_names(resolution, names),
            mailbox=clean.mailbox,
            source=self.source,
            source_id=ticket.id,
            resolved_at=_closing(story).at.astimezone(UTC).isoformat(timespec="seconds"),
        )
        made = replace(made, id=exemplar_id(made))
        if made.id in self.known:
            self.refused["known"] += 1
            return None
        return made

    def _why_not(self, clean: CleanTicket, labels: Mapping[str, str], resolution: str, *, ours: bool) -> str:
        """The first refusal that holds, or ""."""
        if reason := refuse(clean):
            return reason.code
        if clean.removed.get("instruction"):
            return "instruction"
        if not labels:
            return "only_ours" if ours else "no_label"
        if self.taxonomy.violations(labels):
            return "contradictory"
        return why_useless(resolution)

    def _labels(self, story: Story) -> tuple[dict[str, str], bool]:
        """The labels that people gave, and whether there were others that are only ours."""
        labels, ours = {}, False
        for name in self.taxonomy.fields:
            label = self.taxonomy.match(name, story.state.fields.get(name, ""))
            if label is None:
                continue
            if self._is_theirs(name, label, story):
                labels[name] = label
            else:
                ours = True
        return labels, ours

    def _is_theirs(self, name: str, label: str, story: Story) -> bool:
        """Whether somebody else set it last, or a verdict that stands says the same."""
        last = next((change for change in reversed(story.trail) if change.field == name), None)
        return last is None or last.revision not in story.writes.revisions(story.trail) or story.confirmed.get(name) == label

    def _resolution(self, story: Story) -> str:
        """The desk's resolution field, else what was written last before the closing and is not only courtesy; "" for none.

        Of comments those of whoever closed the ticket come first; those of whoever opened it are no resolution.
        """
        if given := self.intake.clean_text(story.state.fields.get(RESOLUTION, "")).strip():
            return given
        closing = _closing(story)
        opener = story.trail[0].actor if story.trail and story.trail[0].actor != closing.actor else ""
        before = [
            one for one in story.comments if one.at <= closing.at and one.author not in {story.writes.actor, opener} and one.body
        ]
        by_closer = [one for one in before if one.author == closing.actor]
        return self._last_word([*before, *by_closer])

    def _last_word(self, comments: Sequence[Comment]) -> str:
        said = ""
        for comment in reversed(comments):
            said = self.intake.clean(Ticket("", "", comment.body)).body.strip()
            if said and not only_courtesy(said):
                break
        return said

    def _names(self, story: Story) -> set[str]:
        """Of everybody who had a hand in it, teams and ourselves aside."""
        teams = {fold(label) for name in self.taxonomy.fields for label in self.taxonomy.labels(name)}
        held = {value for change in story.trail if fold(change.field) in PEOPLE for value in (change.old, change.new)}
        now = {value for name, value in story.state.fields.items() if fold(name) in PEOPLE}
        found = {change.actor for change in story.trail} | {one.author for one in story.comments} | held | now
        return {name for name in found if name.strip() and fold(name) not in teams and name != story.writes.actor}


def collect_closed(
    desk: HttpDesk,
    states: Iterable[DeskState],
    story: Callable[[DeskState], tuple[Writes, Mapping[str, str]]],
    collector: Collector,
) -> list[Exemplar]:
    """The exemplars among tickets that changed; those that are not closed are passed over, refusals are in `collector.refused`.

    `story` gives our writes to a ticket and the labels that a person confirmed. Raises DeskError.
    """
    made = []
    for state in states:
        if is_closed(state.status):
            told = Story(state, desk.history(state.ticket.id), desk.comments(state.ticket.id), *story(state))
            made.append(collector.exemplar(told))
    collector.refused["unreadable"] += len(desk.problems)
    return [exemplar for exemplar in made if exemplar is not None]


def _closing(story: Story) -> Change:
    """The last closing; of a ticket that came closed, its creation."""
    return next((change for change in reversed(story.trail) if closes(change)), story.trail[0])
