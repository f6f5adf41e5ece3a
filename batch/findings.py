"""What a night finds out before it changes anything: each phase reads, and adds to what the night knows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from batch.assemble import House
from batch.night import Gap, Phase
from core.taxonomy import Taxonomy
from core.ticket import Exemplar, Vectors
from experts.audit import Suspect, suspects
from experts.emerging import Emerging, Sighting
from experts.fitted import Fitted
from knowledge.archive import Archive, Entry, Known
from knowledge.upkeep import contradictions, merges, relabelled, stale
from observability.journal import Journal
from observability.records import DecisionRecord
from review.corrections import JOURNAL, judged
from review.ledger import harmful

LOOK_BACK = timedelta(days=30)
"""How far back tickets are looked at for incidents and gaps."""
THIN = 20
"""A label with fewer exemplars is thin where tickets are given it."""
SUSPECTS = 50
"""At most so many likely wrong labels are proposed in a night: as many as a person looks at."""


@dataclass
class Findings:
    """What the phases share: the base as it is, what is known about it, and what they found so far.

    `heard` lines of the archive have been acted on: none where the phase that does is left out.
    """

    base: list[Exemplar]
    known: Known
    confirmed: frozenset[str]
    due: list[Entry] = field(default_factory=list)
    heard: int = 0
    verdicts: list[Entry] = field(default_factory=list)
    changes: list[Entry] = field(default_factory=list)
    proposals: list[Entry] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    current: tuple[Fitted, Sequence[Exemplar]] | None = None
    emerging: list[Emerging] | None = None
    thin: list[Gap] = field(default_factory=list)
    collected: Callable[[], None] = lambda: None

    def wanted_changes(self) -> list[Entry]:
        """What was found, less what a person reverted earlier: what leads astray first, then copies, the old, and the new."""
        order = ("harmful", "copy", "stale", "closed")
        open_to = [e for e in self.changes if e.id not in self.known.filed or self.known.wanted(e.id)]
        return sorted(open_to, key=lambda entry: order.index(entry.reason))

    def open_proposals(self) -> list[Entry]:
        """What waits for a person: found tonight or earlier, still there, and nobody has said anything."""
        here = {one.id for one in self.base}
        found = {entry.id: entry for entry in [*(filed.entry for filed in self.known.open()), *self.proposals]}
        return [e for i, e in found.items() if i not in self.known.words and e.old and e.old.id in here]


def opened(house: House) -> Findings:
    known = Archive(house.home).read()
    base = house.knowledge.exemplars()
    return Findings(base, known, known.confirmed | {one.id for one in base if one.source == JOURNAL})


def _decisions(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    """What people approved or reverted since, and what a killed night filed but did not publish."""
    state.due, state.heard = state.known.owed({one.id for one in state.base}), state.known.lines
    return {"due": len(state.due)}


def _later(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    """What was changed at the desk after our write, noted for confirmation."""
    from batch.aftermath import later_changes

    return {"changed_later": later_changes(house)}


def _collect(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    """People's verdicts, and tickets that were closed since the last night."""
    from batch.aftermath import closed_exemplars

    state.verdicts = _verdicts(house, state.base)
    closed, refused, state.collected = closed_exemplars(house)
    held = {one.id for one in state.base} | state.known.retired
    judged_tickets = {one.source_id for one in state.base if one.source == JOURNAL}
    judged_tickets |= {e.new.source_id for e in state.verdicts if e.new}
    new = [one for one in closed if one.id not in held and one.source_id not in judged_tickets]
    state.changes += [Entry("added", "closed", new=one, values={"ticket": one.source_id}) for one in new]
    state.refused = dict(refused)
    return {"verdicts": len(state.verdicts), "closed": len(new), "refused": sum(refused.values())}


def _verdicts(house: House, base: Sequence[Exemplar]) -> list[Entry]:
    """What the index lacks of people's verdicts, and what it has of verdicts that were taken back or given anew."""
    path = house.home / "journal.sqlite"
    if not path.exists():
        return []
    with Journal(path) as journal:
        said = {one.id: one for one in judged(journal.about_judged(), house.taxonomy).rows}
    here = {one.id: one for one in base if one.source == JOURNAL}
    gone = [Entry("retired", "taken_back", old=one) for i, one in here.items() if i not in said]
    return [*gone, *(Entry("added", "verdict", new=one) for i, one in said.items() if i not in here)]


def _duplicates(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    found = merges([one for one in state.base if one.id not in state.known.kept_apart], state.confirmed)
    state.changes += found
    return {"copies": len(found)}


def _contradictions(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    found = lawful(house.taxonomy, contradictions(state.base, state.confirmed))
    state.proposals += found
    return {"contradictions": len(found)}


def _audit(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    """Exemplars with labels that all the others speak against, the clearest first; each with all that speaks against it."""
    fitted, exemplars = current(house, state)
    found: dict[str, list[Suspect]] = {}
    for one in suspects(house.taxonomy, exemplars, fitted.held_out):
        if one.exemplar.id not in state.confirmed:
            found.setdefault(one.exemplar.id, []).append(one)
    proposed = lawful(house.taxonomy, map(_likelier, found.values()))[:SUSPECTS]
    state.proposals += proposed
    return {"suspects": len(found), "proposed": len(proposed)}


def lawful(taxonomy: Taxonomy, proposals: Iterable[Entry]) -> list[Entry]:
    """The proposals whose labels go together: where only one of two fields is doubted, the taxonomy may not allow the pair."""
    return [entry for entry in proposals if entry.new is None or not taxonomy.violations(entry.new.labels)]


def _likelier(doubts: Sequence[Suspect]) -> Entry:
    """The proposal to take over what all the others say of one exemplar."""
    first = doubts[0]
    shown = {"p_label": f"{first.p_label:.2f}", "p_likely": f"{first.p_likely:.2f}"}
    return relabelled(first.exemplar, {one.field: one.likely for one in doubts}, "unlikely", **shown)


def _retire(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    """What leads astray, and what is old and was never used; not what a person confirmed."""
    from batch.aftermath import ledger_of

    ledger = ledger_of(house)
    confirmed = state.confirmed | {i for i, one in ledger.items() if one.provenance and one.provenance.confirmed}
    by_id = {one.id: one for one in state.base}
    led_astray = [
        Entry("retired", "harmful", old=by_id[one.exemplar], values={"uses": f"{one.uses}", "wrong": f"{one.wrong}"})
        for one in harmful(ledger)
        if one.exemplar in by_id and one.exemplar not in confirmed
    ]
    old = stale(state.base, {i: one.last_used for i, one in ledger.items() if one.last_used}, confirmed, at)
    state.changes += [*led_astray, *old]
    return {"harmful": len(led_astray), "stale": len(old)}


def _incidents(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    return {"incidents": sum(one.incident for one in _emerging(house, state, at))}


def _gaps(house: House, state: Findings, at: datetime) -> dict[str, Any]:
    """Subjects that nothing in the base is near, and labels that are given more often than there are examples."""
    state.thin = _thin(house, state.base, _decided(house, at))
    return {"gaps": sum(not one.incident for one in _emerging(house, state, at)), "thin_labels": len(state.thin)}


def _emerging(house: House, state: Findings, at: datetime) -> list[Emerging]:
    from experts.emerging import emerging, usual_nearness

    if state.emerging is None:
        decided = [one for one in _decided(house, at) if f"{one.subject}{one.body}".strip()]
        sightings = [
            Sighting(
                one.ticket_id,
                one.at,
                f"{one.subject}\n{one.body}",
                max((n.similarity or -1.0 for n in one.neighbours), default=-1.0),
            )
            for one in decided
        ]
        below = usual_nearness(_vectors(house, state.base), [one.duplicate_group for one in state.base])
        state.emerging = emerging(sightings, house.remembering.encode([one.text for one in sightings]), below)
    return state.emerging


def _decided(house: House, at: datetime) -> list[DecisionRecord]:
    """The latest decision on each ticket of late, oldest first."""
    path = house.home / "journal.sqlite"
    if not path.exists():
        return []
    with Journal(path) as journal:
        records = [r for r in journal.records(kind="decision") if isinstance(r, DecisionRecord) and r.at >= at - LOOK_BACK]
    return list({record.ticket_id: record for record in records}.values())


def _thin(house: House, base: Sequence[Exemplar], decided: Sequence[DecisionRecord]) -> list[Gap]:
    found = []
    for name in house.taxonomy.active():
        given = [one.fusion[name].label for one in decided if name in one.fusion]
        for label in house.taxonomy.labels(name):
            known, asked = sum(one.labels.get(name) == label for one in base), given.count(label)
            if asked and known < min(THIN, asked):
                found.append(Gap(name, label, asked, known))
    return sorted(found, key=lambda one: (one.exemplars - one.decided, one.field, one.label))


def _vectors(house: House, exemplars: Sequence[Exemplar]) -> Vectors:
    return house.remembering.encode([one.text for one in exemplars])


def current(house: House, state: Findings) -> tuple[Fitted, Sequence[Exemplar]]:
    from batch.trial import trial

    if state.current is None:
        state.current = trial(house.taxonomy, house.knowledge, house.remembering.encode, house.settings.knowledge.neighbors)
    return state.current


FINDERS: dict[Phase, Callable[[House, Findings, datetime], dict[str, Any]]] = {
    "decisions": _decisions,
    "later": _later,
    "collect": _collect,
    "duplicates": _duplicates,
    "contradictions": _contradictions,
    "audit": _audit,
    "retire": _retire,
    "incidents": _incidents,
    "gaps": _gaps,
}
