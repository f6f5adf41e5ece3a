"""What a person's verdict does: it is journalled, searched from then on, written to the desk, and can be taken back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from batch.assemble import EXAMPLES, House
from batch.comment import language_of
from core.errors import DeskError, InputError, RevisionConflict
from core.taxonomy import RESOLUTION_FIELD, Mode, Taxonomy
from core.ticket import Exemplar, Ticket
from observability.journal import Journal
from observability.masking import mask_text
from observability.records import DecisionRecord, HumanVerdict, ResolutionProposed, ReviewNote, now, readable
from observability.reviews import Review
from review.corrections import judged
from review.queue import Order, ordered

if TYPE_CHECKING:
    from servicedesk.http import HttpDesk

BUNDLED = "bundled mock desk"
"""The source of a run over the desk that comes along."""
Action: TypeAlias = Literal["approved", "corrected", "rejected"]
Show: TypeAlias = Literal["waiting", "accepted", "judged", "all"]
SHOWS: tuple[Show, ...] = ("waiting", "accepted", "judged", "all")
NEWEST = 1_000
"""Tickets that are looked through where not only those that wait are shown."""
_COMMENT = {
    "en": {"approved": "Confirmed by a person", "corrected": "Corrected by a person", "undone": "A person took this back"},
    "es": {"approved": "Confirmado por una persona", "corrected": "Corregido por una persona", "undone": "Una persona lo retiró"},
}


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict, or its taking back, and what became of that at the desk: `written`, `already`, `conflict`, `failed`, or "" where
    there is no desk."""

    verdict: HumanVerdict
    desk: str = ""
    error: str = ""
    undone: bool = False


@dataclass(frozen=True)
class ReviewDesk:
    """The reviews of one home, as `who` does them. Commands and pages go through here; each call opens the journal anew."""

    house: House
    who: str

    def waiting(self, order: Order = "mixed") -> list[Review]:
        """What is to be looked at, in order; those put off come last."""
        with self._journal() as journal:
            return ordered([one for one in journal.reviews(only="held") if one.state in {"waiting", "skipped", "doubted"}], order)

    def listed(self, show: Show, part: str = "") -> list[Review]:
        """Tickets in a state, with `part` in their id, the newest decision first; of many only the newest are looked through."""
        with self._journal() as journal:
            found = journal.reviews(part=part, most=NEWEST)
        held = {"skipped", "doubted"}
        return [one for one in reversed(found) if show in {"all", "waiting" if one.state in held else one.state}]

    def find(self, ticket: str) -> Review:
        """One ticket's review.

        Raises:
            InputError: no run has decided on it.
        """
        with self._journal() as journal:
            found = journal.reviews(ticket)
        if not found:
            raise InputError(f"No run has decided on a ticket {ticket!r}.", remedy="See `python -m batch review list`.")
        return found[0]

    def exemplars(self) -> dict[str, Exemplar]:
        """What tickets are compared with, by id: the index's and what people said since. A run may hold the index itself."""
        with self._journal() as journal:
            said = judged(journal.about_judged(), self.house.taxonomy).rows
        return {one.id: one for one in (*said, *self.house.shelf.exemplars())}

    def judge(self, ticket: str, action: Action, changes: Mapping[str, str], reason: str = "", exemplar: str = "") -> Said:
        """Give a verdict: what was proposed, with `changes` (field: label). `exemplar`: the id of the past ticket whose
        resolution is right.

        Raises:
            InputError: a label, a field or an exemplar that there is not, or labels that contradict each other.
        """
        review = self.find(ticket)
        reason = self.house.intake.clean(Ticket(ticket, "", reason)).body  # journalled, so redacted like a ticket's words
        labels = {} if action == "rejected" else confirmed(self.house.taxonomy, review.decision, changes)
        verdict = HumanVerdict(
            run=review.decision.run,
            at=now(),
            ticket_id=review.decision.ticket_id,
            revision=review.decision.revision,
            who=self.who,
            action="corrected" if action == "approved" and changes else action,
            labels=labels,
            resolution=None if action == "rejected" else self._resolution(review.decision, labels, exemplar),
            reason=reason,
        )
        with self._journal() as journal:
            journal.append([verdict])  # first: what a person said is never lost, whatever the desk does
        return self._told(verdict) if labels else Said(verdict)

    def skip(self, ticket: str) -> None:
        """Put off: it comes after all others."""
        decision = self.find(ticket).decision
        self._note(decision, "skipped")

    def undo(self, ticket: str) -> Said:
        """Take the verdict that stands back: it is no longer an exemplar, and what it wrote is removed where it is still there.

        Raises:
            InputError: there is no verdict.
        """
        review = self.find(ticket)
        verdict = review.verdict
        if verdict is None:
            raise InputError(f"Nobody has judged ticket {ticket}.", remedy="There is nothing to take back.")
        self._note(review.decision, "undone", verdict.digest)
        return self._taken_back(self.find(ticket), verdict) if verdict.labels else Said(verdict)

    def settle(self) -> list[Said]:
        """Tell the desk the verdicts, and what was taken back, that it does not know of yet."""
        with self._journal() as journal:
            reviews = [one for one in journal.reviews() if self._has_desk(one)]
        undone = [self._taken_back(self.find(one.decision.ticket_id), v) for one in reviews for v in one.owed_undos]
        return [*undone, *(self._told(one.owed) for one in reviews if one.owed)]

    def _taken_back(self, review: Review, verdict: HumanVerdict) -> Said:
        """What the verdict wrote is removed, or is again as the decision or an earlier verdict that stands had it; the fields of
        a verdict given since are that one's."""
        stands = review.verdict.labels if review.verdict else {}
        newer = review.verdict is not None and review.verdict.at > verdict.at
        before = _filled(review.decision) | ({} if newer else dict(stands))
        fields = {name: before.get(name, "") for name in verdict.labels if not (newer and name in stands)}
        if not fields and self._has_desk(review):
            self._note(review.decision, "already", undo=verdict.digest)
            return Said(verdict, "already", undone=True)
        return self._write(review, verdict, fields, {"undone": verdict.digest}, verdict.labels, "undone")

    def _told(self, verdict: HumanVerdict) -> Said:
        review = self.find(verdict.ticket_id)
        return self._write(review, verdict, verdict.labels, {"verdict": verdict.digest}, _ours(review), verdict.action)

    def _write(
        self,
        review: Review,
        verdict: HumanVerdict,
        fields: Mapping[str, str],
        marker: Mapping[Literal["verdict", "undone"], str],
        ours: Mapping[str, str],
        what: str,
    ) -> Said:
        if not self._has_desk(review):
            return Said(verdict)
        decision, undone = review.decision, "undone" in marker
        about = {"undo" if undone else "verdict": verdict.digest}
        comment = _comment(decision, what, {} if undone else verdict.labels, verdict.reason)
        try:
            with self._desk(review) as desk:
                result = desk.write(
                    decision.ticket_id,
                    revision=review.revision,
                    fields=fields,
                    comment=comment,
                    marker={str(kind): digest for kind, digest in marker.items()},
                    ours=ours,
                )
        except RevisionConflict as error:
            self._note(decision, "conflict", **about, error=str(error))
            return Said(verdict, "conflict", str(error), undone)
        except DeskError as error:
            self._note(decision, "failed", **about, error=str(error))
            return Said(verdict, "failed", str(error), undone)
        state: Literal["written", "already"] = "written" if result.written else "already"
        left = "; ".join(f"{name} = {value}" for name, value in result.skipped.items())
        self._note(decision, state, **about, new_revision=result.revision, error=left)
        return Said(verdict, state, left, undone)

    def _note(
        self,
        decision: DecisionRecord,
        state: Literal["skipped", "undone", "written", "already", "conflict", "failed"],
        verdict: str = "",
        *,
        undo: str = "",
        new_revision: str = "",
        error: str = "",
    ) -> None:
        note = ReviewNote(
            run=decision.run,
            at=now(),
            ticket_id=decision.ticket_id,
            revision=decision.revision,
            who=self.who,
            state=state,
            verdict=verdict,
            undo=undo,
            new_revision=new_revision,
            error=error,
        )
        with self._journal() as journal:
            journal.append([note])

    def _resolution(self, decision: DecisionRecord, labels: Mapping[str, str], exemplar: str) -> ResolutionProposed | None:
        """The chosen exemplar's, or the proposed one where its kind was confirmed."""
        if exemplar:
            known = self.exemplars()
            if exemplar not in known:
                raise InputError(f"There is no exemplar {exemplar!r}.", remedy="Choose one of those that the review shows.")
            chosen = known[exemplar]
            kind = labels.get(RESOLUTION_FIELD) or chosen.labels.get(RESOLUTION_FIELD, "")
            return ResolutionProposed(kind=kind, text=chosen.resolution, exemplar=exemplar)
        proposed = decision.resolution
        same = proposed is not None and labels.get(RESOLUTION_FIELD, proposed.kind) == proposed.kind
        return proposed if same else None

    def _has_desk(self, review: Review) -> bool:
        return review.source in {BUNDLED, mask_text(readable(self.house.settings.desk.url))} - {""}

    @contextmanager
    def _desk(self, review: Review) -> "Iterator[HttpDesk]":
        from servicedesk.http import HttpDesk

        token = self.house.settings.desk.token.get_secret_value()
        if review.source != BUNDLED:
            with HttpDesk(self.house.settings.desk.url, token=token) as desk:
                yield desk
            return
        from mocks.desk import create_desk
        from mocks.serve import serve

        app = create_desk(self.house.home / "mock-desk", tickets=EXAMPLES / "open.jsonl")
        with serve(app) as url, HttpDesk(url) as desk:
            yield desk

    def _journal(self) -> Journal:
        path = self.house.home / "journal.sqlite"
        if not path.exists():
            raise InputError("Nothing has been triaged here yet.", remedy="Run `python -m batch run` first.")
        return Journal(path)


def confirmed(taxonomy: Taxonomy, decision: DecisionRecord, changes: Mapping[str, str]) -> dict[str, str]:
    """The labels that a verdict confirms: what was proposed (fields that are off or in the shadow aside) with the changes.

    Raises:
        InputError: a field or label that there is not, nothing to confirm, or labels that break a rule.
    """
    shown = {f: one.label for f, one in decision.fusion.items() if f in taxonomy.fields and one.mode is not Mode.SHADOW}
    labels = {f: label for f, label in shown.items() if taxonomy.match(f, label)}
    for name, text in changes.items():
        if name not in taxonomy.fields:
            raise InputError(f"There is no field {name!r}.", remedy=f"Use one of {', '.join(taxonomy.fields)}.")
        label = taxonomy.match(name, text)
        if label is None:
            some = ", ".join(taxonomy.labels(name)[:20])
            raise InputError(f"{text!r} is not a label of {name}.", remedy=f"Use one of {some}.")
        labels[name] = label
    if not labels:
        message = f"Nothing was proposed for ticket {decision.ticket_id}."
        raise InputError(message, remedy="Correct it: say field=label for each field you know.")
    for rule in taxonomy.violations(labels):
        said = " and ".join(f"{f} = {label}" for f, label in rule.when.items())
        allowed = "; ".join(f"{f} is one of {', '.join(some)}" for f, some in rule.allow.items() if labels.get(f) not in some)
        raise InputError(f"With {said} the taxonomy allows only: {allowed}.", remedy="Change one of these fields too.")
    return labels


def _filled(decision: DecisionRecord) -> dict[str, str]:
    """What the decision itself wrote."""
    return {name: decision.fusion[name].label for name in decision.written if name in decision.fusion}


def _ours(review: Review) -> dict[str, str]:
    """What stands at the desk because of us: the decision's fields, then those of verdicts that were written."""
    told = {r.verdict for r in review.history if isinstance(r, ReviewNote) and r.state in {"written", "already"}}
    written = [r.labels for r in review.history if isinstance(r, HumanVerdict) and r.digest in told]
    return _filled(review.decision) | {name: label for labels in written for name, label in labels.items()}


def _comment(decision: DecisionRecord, what: str, labels: Mapping[str, str], reason: str) -> str:
    language = language_of(decision)
    head = _COMMENT[language][what]
    fields = "; ".join(f"{name} = {label}" for name, label in labels.items())
    return "\n".join(filter(None, (f"Tamiz. {head}{': ' if fields else '.'}{fields}", reason)))


def summary(reviews: Sequence[Review]) -> list[dict[str, object]]:
    """The queue for machines."""
    return [
        {
            "ticket": one.decision.ticket_id,
            "state": one.state,
            "outcome": one.decision.outcome,
            "summary": one.decision.summary,
            "priority": one.decision.priority,
            "fields": {f: {"label": x.label, "confidence": x.confidence} for f, x in one.decision.fusion.items()},
            "causes": [{"code": c.code, **c.values} for c in one.decision.causes],
            "decided": one.decision.at.isoformat(),
        }
        for one in reviews
    ]
