"""`review` in the terminal: the queue, one ticket with all that speaks for and against it, and a loop with one key a verdict."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from batch import console
from batch.assemble import House
from batch.comment import reasons
from batch.review_sheet import RowSaid
from batch.review_view import changed_later, event
from batch.reviewing import Action, ReviewDesk, Said, summary
from core.errors import TamizError
from observability.records import DecisionRecord, NeighborSeen
from observability.reviews import Review
from review.queue import Order, teaches

SHOWN = 5
"""Exemplars shown of a ticket's."""
KEYS = {
    "en": "[a]pprove   [c]orrect field=label ...   [r]eject reason   [s]kip   [u]ndo the last   [q]uit",
    "es": "[a]probar   [c]orregir campo=etiqueta ...   [r]echazar motivo   [s]altar   [u] deshacer   [q] salir",
}
ACTIONS: Mapping[str, Action] = {"a": "approved", "c": "corrected", "r": "rejected"}
_BODY = 1_200


def show_queue(desk: ReviewDesk, order: Order, limit: int, *, as_json: bool) -> None:
    """`review list`."""
    waiting = desk.waiting(order)
    if as_json:
        _print_json({"waiting": len(waiting), "tickets": summary(waiting[:limit])})
        return
    from rich.table import Table

    table = Table("ticket", "outcome", "teaches", "priority", "summary")
    for one in waiting[:limit]:
        decision = one.decision
        outcome = decision.outcome + (f" ({one.state})" if one.state in {"skipped", "doubted"} else "")
        row = (decision.ticket_id, outcome, f"{teaches(decision):.2f}", decision.priority or "–", decision.summary)
        table.add_row(*map(console.printable, row))
    console.out().print(table)
    console.say(f"{len(waiting)} tickets wait for a person." if waiting else "Nothing waits for a person.")


def show_one(desk: ReviewDesk, ticket: str, *, as_json: bool) -> None:
    """`review show`."""
    review = desk.find(ticket)
    if not as_json:
        _show(desk.house, review)
        return
    history = [record.model_dump(mode="json") for record in review.history]
    _print_json({"state": review.state, "decision": review.decision.model_dump(mode="json"), "history": history})


def tell(said: Said, *, as_json: bool = False, undone: bool = False) -> None:
    """What became of a verdict, in words or as JSON."""
    verdict = said.verdict
    done = "undone" if undone else verdict.action
    if as_json:
        content = {"ticket": verdict.ticket_id, "action": done, "labels": dict(verdict.labels)}
        _print_json({**content, "desk": said.desk, "error": said.error})
        return
    labels = "  ".join(f"{field} = {label}" for field, label in verdict.labels.items())
    console.out().print(console.printable(f"{verdict.ticket_id} {done}. {labels}"), markup=False, soft_wrap=True)
    if said.desk == "failed" and undone:
        console.say(f"The desk still holds what was written: {said.error} The next `python -m batch review settle` removes it.")
    elif said.desk == "failed":
        console.say(f"The desk does not know yet: {said.error} It is told at the next `python -m batch review settle`.")
    elif said.desk == "conflict":
        console.say(f"Nothing was written to the desk: {said.error} The verdict counts all the same.")
    elif said.error:
        console.say(f"Left alone at the desk, because it holds something else: {said.error}.")


def settled(said: Sequence[Said]) -> None:
    """What the desk was told late."""
    for one in said:
        tell(one, undone=one.undone)
    if not said:
        console.say("The desk knows every verdict.")


def tell_rows(said: Sequence[RowSaid], *, as_json: bool) -> None:
    """What became of the rows of a spreadsheet, each on its line, then how many of which."""
    counts = Counter(one.said for one in said)
    if as_json:
        _print_json({"rows": [asdict(one) for one in said], "counts": counts})
        return
    for one in said:
        if one.said != "nothing":
            line = f"row {one.row}  {one.ticket}  {one.said}  {one.why}".rstrip()
            console.out().print(console.printable(line), markup=False, soft_wrap=True)
    console.say(", ".join(f"{count} {what}" for what, count in counts.most_common()) or "The file has no row.")


def work(desk: ReviewDesk, order: Order) -> None:
    """`review`: one ticket after another until nothing waits or the person stops."""
    last = ""
    put_off: set[str] = set()
    while left := [one for one in desk.waiting(order) if one.decision.ticket_id not in put_off]:
        ticket = left[0].decision.ticket_id
        console.say(f"{len(left)} wait.")
        _show(desk.house, left[0])
        key, _, rest = _asked(_language(desk.house)).strip().partition(" ")
        if key == "q":
            return
        try:
            if key == "u" and last:
                tell(desk.undo(last), undone=True)
            elif key == "s":
                desk.skip(ticket)
                put_off.add(ticket)
            elif key in ACTIONS:
                _judge(desk, ticket, key, rest.strip())
                last = ticket
        except TamizError as error:
            console.complain(error)
    console.say(f"{len(put_off)} were put off." if put_off else "Nothing waits for a person.")


def _judge(desk: ReviewDesk, ticket: str, key: str, rest: str) -> None:
    changes = _changes(rest) if key == "c" else {}
    tell(desk.judge(ticket, ACTIONS[key], changes, rest if key == "r" else ""))


def _changes(text: str) -> dict[str, str]:
    """`category=Red urgency=Muy alta`: a label may have spaces, a field has none."""
    changes: dict[str, str] = {}
    field = ""
    for word in text.split():
        name, equals, label = word.partition("=")
        if equals:
            field = name
            changes[field] = label
        elif field:
            changes[field] = f"{changes[field]} {word}"
    return changes


def _asked(language: str) -> str:
    """A line of the person's; the end of input stops."""
    console.say(KEYS[language])
    return sys.stdin.readline() or "q"


def _language(house: House) -> str:
    return console.terminal_language(house.settings.run.language)


def _show(house: House, review: Review) -> None:
    """Ticket, proposal, exemplars, opinions, critic, thresholds, history: on one screen."""
    decision, language = review.decision, _language(house)
    lines = [f"{decision.ticket_id}  {decision.outcome}  {review.state}", f"  {decision.subject}"]
    lines += [f"  | {line}" for line in decision.body[:_BODY].splitlines()]
    lines += [f"  why: {why}" for why in reasons(decision.causes, language)]
    lines += [f"  why: {changed_later(one, language)}" for one in review.doubts]
    lines += _fields(decision)
    texts = {one.id: " ".join(one.text.split()) for one in house.shelf.exemplars()}
    lines += [line for one in decision.neighbours[:SHOWN] for line in _neighbour(one, texts)]
    if decision.resolution and decision.resolution.text:
        lines.append(f"  resolution: {decision.resolution.kind}: {decision.resolution.text}")
    if decision.verdict:
        score = "–" if decision.verdict.score is None else f"{int(decision.verdict.score)}"
        lines.append(f"  critic: {score} of 100. {'; '.join(reasons(decision.verdict.reasons, language))}")
    lines += [f"  {line}" for line in map(event, review.history) if line]
    for line in lines:
        console.out().print(console.printable(line), markup=False, soft_wrap=True)


def _fields(decision: DecisionRecord) -> list[str]:
    """Each field with its confidence, what it would have taken, and what each expert said."""
    lines = []
    for name, fused in decision.fusion.items():
        threshold = decision.thresholds.get(name)
        need = "" if threshold is None or threshold.value is None else f" (filled in from {threshold.value:.2f})"
        lines.append(f"  {name} = {fused.label}  {fused.confidence or 0.0:.2f}{need}")
        said = {who: _top(opinion[name]) for who, opinion in decision.opinions.items() if opinion.get(name)}
        lines.append("      " + "  ".join(f"{who}: {label}" for who, label in said.items()))
    return lines


def _top(distribution: Mapping[str, float | None]) -> str:
    label = max(distribution, key=lambda one: distribution[one] or 0.0)
    return f"{label} {distribution[label] or 0.0:.2f}"


def _neighbour(one: NeighborSeen, texts: Mapping[str, str]) -> list[str]:
    labels = "  ".join(f"{field}={label}" for field, label in one.labels.items())
    return [f"  {one.similarity or 0.0:.2f} {one.exemplar} {labels}", f"       {texts.get(one.exemplar, '')[:140]}"]


def _print_json(content: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
