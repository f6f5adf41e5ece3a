"""From a record to a line of Loki: labels, ids beside it, trimming, timestamps."""

import hashlib
import json
from datetime import timedelta

import pytest

from observability.journal import Sequenced
from observability.loki_entry import LINE_BYTES, OLDEST, entry, line, packed, stamped, unpacked
from observability.records import Generated, HumanVerdict, Record, ReviewNote, now
from tests.observability.loki_examples import decision, example, written

SECOND = 10**9
NOW = 1_790_000_000 * SECOND
HUGE = "La impresora no imprime. " * 40_000


def generated(prompt: str, completion: str) -> Generated:
    return Generated(task="triage", model="m", template="t", prompt=prompt, completion=completion, read=9, forced=3, generated=2)


RECORDS: list[Record] = [
    example.started(),
    example.started(dry_run=True),
    decision(1, now()),
    written(1, now()),
    HumanVerdict(run="r", at=now(), ticket_id="T-1", revision="r1", who="ana", action="approved", labels={"category": "x"}),
    ReviewNote(run="r", at=now(), ticket_id="T-1", revision="r1", who="ana", state="undone"),
    example.finished(),
]
STATES = ["live", "dry_run", "accepted", "written", "approved", "undone", "done"]


@pytest.mark.parametrize(
    ("record", "state"), list(zip(RECORDS, STATES, strict=True)), ids=lambda p: p if isinstance(p, str) else ""
)
def test_labels_are_few_and_hold_no_ids(record: Record, state: str) -> None:
    made = entry(Sequenced(7, record), "abcd1234")
    assert made.labels == {"app": "tamiz", "journal": "abcd1234", "kind": record.kind, "state": state}
    assert made.metadata["seq"] == "7"
    assert made.metadata["run"] == record.run
    assert made.metadata.get("ticket_id", "") == getattr(record, "ticket_id", "")
    assert json.loads(made.line) == {"seq": 7, **record.model_dump(mode="json")}
    assert made.at == round(record.at.timestamp() * 10**6) * 1000


def test_a_huge_id_fits_into_the_structured_metadata() -> None:
    made = entry(Sequenced(1, decision(1, now(), ticket_id="€" * 100_000, revision=HUGE)), "j")
    assert sum(len(name) + len(value.encode()) for name, value in made.metadata.items()) < 64 * 1024


@pytest.mark.parametrize(
    ("changes", "trimmed"),
    [
        ({"generations": (generated(HUGE, "{}"), generated("short", "{}"))}, ["prompts"]),
        ({"generations": (generated("short", HUGE),)}, ["prompts", "completions"]),
        ({"body": HUGE}, ["prompts", "completions", "opinions", "neighbours", "texts over 16384"]),
        (
            {"opinions": {"vote": {"category": {f"label {i} €": 0.1 for i in range(20_000)}}}, "subject": "x" * 9000},
            ["prompts", "completions", "opinions"],
        ),
        ({"removed": {f"reason {i}": i for i in range(30_000)}}, None),
    ],
)
def test_a_line_that_is_too_long_is_trimmed_by_rule(changes: dict[str, object], trimmed: list[str] | None) -> None:
    record = decision(1, now(), **changes)
    whole = f'{{"seq":3,{record.model_dump_json()[1:]}'
    assert len(whole.encode()) > LINE_BYTES
    shorter = line(Sequenced(3, record))
    body = json.loads(shorter)
    assert len(shorter.encode()) <= LINE_BYTES
    assert (body["seq"], body["ticket_id"], body["outcome"]) == (3, "T-1", "accepted")
    assert body["digest"] == hashlib.sha256(whole.encode()).hexdigest()
    assert body["trimmed"] == trimmed or (trimmed is None and body["trimmed"][-1] == "rest")
    assert shorter == line(Sequenced(3, record))


def test_a_trimmed_prompt_is_named_by_length_and_digest() -> None:
    prompt = json.loads(line(Sequenced(1, decision(1, now(), generations=(generated(HUGE, "answer"),)))))["generations"][0]
    assert prompt["prompt"] == f"[{len(HUGE)} characters, sha256 {hashlib.sha256(HUGE.encode()).hexdigest()}]"
    assert prompt["completion"] == "answer"


@pytest.mark.parametrize("kind", ["reason", "who"])
def test_other_records_are_trimmed_too(kind: str) -> None:
    verdict = HumanVerdict(run="r", at=now(), ticket_id="T-1", revision="r1", who="a", labels={}).model_copy(update={kind: HUGE})
    body = json.loads(line(Sequenced(1, verdict)))
    assert body[kind].endswith(f"[{len(HUGE)} characters]")


def test_credentials_that_a_record_still_quotes_are_masked() -> None:
    said = "see https://ana:hunter22@desk.example/x?token=abcdefgh1 Authorization: Bearer abcdefgh12345"
    written_ = line(Sequenced(1, decision(1, now(), body=said)))
    for secret in ("hunter22", "abcdefgh1"):
        assert secret not in written_
    body = json.loads(written_)["body"]
    assert "desk.example" in body
    unmasked = json.loads(line(Sequenced(1, decision(1, now(), body="see https://desk.example/x"))))
    assert unmasked["body"] == "see https://desk.example/x"


@pytest.mark.parametrize(
    ("at", "newest", "expected"),
    [
        (NOW - 5, 0, NOW - 5),
        (NOW - 5, NOW - 9, NOW - 5),
        (NOW - 5, NOW - 5, NOW - 4),
        (NOW - 5 * SECOND, NOW - 5, NOW - 4),
        (NOW - 9 * OLDEST, 0, NOW - OLDEST),
        (NOW - 9 * OLDEST, NOW - OLDEST + 3, NOW - OLDEST + 4),
        (NOW + 3600 * SECOND, NOW - 5, NOW),
        (NOW, NOW, NOW + 1),
        (NOW - 5, NOW + 7200 * SECOND, NOW - 5),
    ],
)
def test_timestamps(at: int, newest: int, expected: int) -> None:
    assert stamped(at, newest, NOW) == expected


def test_a_body_is_the_same_for_the_same_entries_and_gives_them_back() -> None:
    entries = [entry(Sequenced(i, record), "j") for i, record in enumerate([*RECORDS, decision(9, now() - timedelta(1))], 1)]
    body = packed(entries)
    assert body == packed(entries)
    assert unpacked(body) == entries
    assert unpacked(packed(entries[::2])) == entries[::2]
