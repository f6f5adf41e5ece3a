"""What a person is asked first."""

import random
import re
from dataclasses import replace

from core.triage import Decision
from observability.decisions import decision_record
from observability.records import DecisionRecord, LaterChange
from observability.reviews import Review
from review.queue import ALIKE, ordered, teaches
from tests.observability.journal_examples import FUSION, THRESHOLDS, VERSIONS, Example


def record(ticket: str = "T-1", outcome: str = "escalated", body: str = "", **changes: object) -> DecisionRecord:
    decision: Decision = Example().decision(ticket, outcome=outcome)
    decision = replace(decision, ticket=replace(decision.ticket, body=body or decision.ticket.body))
    return decision_record(decision, "r", VERSIONS, THRESHOLDS, FUSION).model_copy(update=changes)


def review(seq: int, decision: DecisionRecord) -> Review:
    return Review(decision, seq, "desk", (), 0)


def opinions(*said: str) -> dict[str, object]:
    """Experts that are each sure of one category."""
    return {f"e{i}": {"category": {label: 0.98, "rest": 0.02}} for i, label in enumerate(said)}


def test_doubt_disagreement_and_distance_teach() -> None:
    plain = record(opinions=opinions("network", "network"))
    assert teaches(record(opinions=opinions("network", "access"))) > teaches(plain)
    far = [one.model_copy(update={"similarity": 0.3}) for one in plain.neighbours]
    assert teaches(plain.model_copy(update={"neighbours": tuple(far)})) > teaches(plain)
    even = {f: one.model_copy(update={"distribution": {"a": 0.5, "b": 0.5}}) for f, one in plain.fusion.items()}
    assert teaches(plain.model_copy(update={"fusion": even})) > teaches(plain)
    assert 0.0 <= teaches(plain) <= 1.0


def test_what_was_not_read_teaches_nothing() -> None:
    assert teaches(record(outcome="refused")) == 0.0


def test_of_tickets_that_are_alike_one_is_asked_first() -> None:
    same = [review(i, record(f"T-{i}", body="la vpn se cae cada tarde")) for i in range(3)]
    another = review(9, record("T-9", body="pantalla rota del portátil nuevo"))
    order = [one.decision.ticket_id for one in ordered([*same, another], "teaches")]
    assert order.index("T-9") == 1


def test_the_order_is_that_of_looking_at_everything_again_each_time() -> None:
    rng = random.Random(0)
    words = [f"word{i}" for i in range(30)]
    some = [
        review(i, record(f"T-{i}", body=" ".join(rng.sample(words, 6)), opinions=opinions(*rng.choices("abc", k=3))))
        for i in range(40)
    ]
    left, asked, slow = list(some), set[str](), []
    while left:
        own = [set(re.findall(r"\w{3,}", f"{one.decision.subject} {one.decision.body}".lower())) for one in left]
        worth = [teaches(one.decision) * (1.0 - ALIKE * len(w & asked) / len(w)) for one, w in zip(left, own, strict=True)]
        place = max(range(len(left)), key=lambda i: (worth[i], -left[i].seq))
        asked |= own[place]
        slow.append(left.pop(place).decision.ticket_id)
    assert [one.decision.ticket_id for one in ordered(some, "teaches")] == slow


def test_by_default_every_other_one_is_the_oldest() -> None:
    some = [review(i, record(f"T-{i}", opinions=opinions("network", "access" if i > 5 else "network"))) for i in range(9)]
    most = [one.decision.ticket_id for one in ordered(some, "teaches")]
    order = [one.decision.ticket_id for one in ordered(some)]
    assert order[:2] == [most[0], "T-0"]
    assert sorted(order) == sorted(most)


def test_urgency_and_age_order_too() -> None:
    some = [review(1, record("a", priority="P4")), review(2, record("b", priority=None)), review(3, record("c", priority="P1"))]
    assert [one.decision.ticket_id for one in ordered(some, "urgency")] == ["c", "a", "b"]
    assert [one.decision.ticket_id for one in ordered(some, "oldest")] == ["a", "b", "c"]


def test_what_somebody_changed_after_our_write_teaches_most() -> None:
    sure = record("T-1", "accepted")
    change = LaterChange(
        run="r", at=sure.at, ticket_id="T-1", revision="r1", what="changed", field="category", ours="network", theirs="access",
        changed_at=sure.at,
    )  # fmt: skip
    doubted = Review(sure, 1, "desk", (change,), 0)
    assert doubted.state == "doubted"
    unsure = [review(i, record(f"T-{i}", body=f"otra cosa {i}", opinions=opinions("a", "b"))) for i in range(2, 5)]
    assert ordered([*unsure, doubted], "teaches")[0] is doubted
    assert ordered([*unsure, doubted], "oldest")[-1] is doubted
