"""The metrics, parsed as Prometheus parses them, against what the journal holds."""

import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.errors import InputError
from observability.journal import Journal
from observability.metric_table import METRICS
from observability.metrics import JournalMetrics, exposition, serve_exposition, write_exposition
from observability.records import Generated, HumanVerdict, LaterChange, Record, ReviewNote, RunFinished
from observability.shipping_state import DeadLetter, Pending, ShippingState, state_path, target
from observability.tally import FILE, Tally, read_tally
from tests.observability.journal_examples import AT, Example

example = Example()
LOKI = target("http://loki.example:3100", "it")
USED = Generated(task="triage", model="micro", template="t", prompt="p", completion="c", read=300, forced=30, generated=12)


def verdict(ticket: str) -> HumanVerdict:
    return HumanVerdict(run="run-1", at=AT, ticket_id=ticket, revision="r1", who="ana", labels={"category": "network"})


def day() -> list[Record]:
    """A live run of five tickets and a dry one; two are written, one write is owed, one ticket is judged."""
    accepted = [example.record(f"T-{i}").model_copy(update={"generations": (USED,)}) for i in (1, 2)]
    held = [example.record("T-3", outcome="suggested"), example.record("T-4", outcome="escalated")]
    later = example.record("T-5", outcome="refused").model_copy(update={"at": AT + timedelta(hours=1)})
    change = LaterChange(
        run="run-1", at=AT, ticket_id="T-1", revision="r1", what="reassigned", field="category", ours="network", theirs="access",
        changed_at=AT,
    )  # fmt: skip
    return [
        example.started(),
        *accepted,
        *held,
        later,
        *(example.write(record, "intended") for record in [*accepted, held[0]]),
        *(example.write(record, "written", new_revision="r2") for record in accepted),
        verdict("T-3"),
        ReviewNote(run="run-1", at=AT, ticket_id="T-4", revision="r1", who="ana", state="skipped"),
        change,
        example.finished(),
        example.started("dry", dry_run=True),
        example.record("T-9", outcome="escalated", run="dry"),
        RunFinished(run="dry", at=AT + timedelta(days=1), totals={}, seconds={}, tickets_per_second=2.0, state="done"),
        RunFinished(run="x", at=AT + timedelta(days=2), totals={}, seconds={}, tickets_per_second=None, state="failed"),
    ]


def fill(home: Path, records: list[Record]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with Journal(home / "journal.sqlite") as journal:
        journal.append(records)


def samples(text: str) -> dict[str, float]:
    """`name{label="value",...}` (labels sorted) -> value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_everything_that_the_journal_says_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, day())
    found = samples(exposition(JournalMetrics(tmp_path)))
    expected = {
        'tamiz_tickets_total{mode="live",outcome="accepted"}': 2,
        'tamiz_tickets_total{mode="live",outcome="suggested"}': 1,
        'tamiz_tickets_total{mode="live",outcome="escalated"}': 2,
        'tamiz_tickets_total{mode="dry_run",outcome="escalated"}': 1,
        'tamiz_tickets_total{mode="dry_run",outcome="accepted"}': 0,
        'tamiz_causes_total{cause="rejected",outcome="escalated"}': 2,
        'tamiz_causes_total{cause="empty",outcome="escalated"}': 1,
        'tamiz_causes_total{cause="doubted",outcome="suggested"}': 1,
        'tamiz_fields_total{field="category",mode="autofill"}': 5,
        'tamiz_redactions_total{kind="email"}': 6,
        'tamiz_writebacks_total{state="intended"}': 3,
        'tamiz_writebacks_total{state="written"}': 2,
        'tamiz_writebacks_total{state="failed"}': 0,
        "tamiz_writebacks_pending": 1,
        'tamiz_later_changes_total{what="reassigned"}': 1,
        'tamiz_verdicts_total{action="corrected"}': 1,
        'tamiz_review_notes_total{state="skipped"}': 1,
        'tamiz_review_queue{state="waiting"}': 1,
        'tamiz_review_queue{state="skipped"}': 1,
        'tamiz_review_queue{state="doubted"}': 1,
        "tamiz_review_oldest_timestamp_seconds": AT.timestamp(),
        'tamiz_runs_total{state="done"}': 2,
        'tamiz_runs_total{state="failed"}': 1,
        "tamiz_run_last_start_timestamp_seconds": AT.timestamp(),
        "tamiz_run_last_success_timestamp_seconds": AT.timestamp(),
        "tamiz_run_tickets_per_second": 0,
        "tamiz_up": 1,
        "tamiz_journal_records": len(day()),
        "tamiz_critic_score_count": 5,
        'tamiz_critic_score_bucket{le="80.0"}': 0,
        'tamiz_critic_score_bucket{le="90.0"}': 5,
        'tamiz_critic_score_bucket{le="+Inf"}': 5,
        'tamiz_stage_seconds_sum{stage="embed"}': pytest.approx(0.06),
        'tamiz_stage_seconds_bucket{le="0.003",stage="embed"}': 0,
        'tamiz_stage_seconds_bucket{le="0.01",stage="embed"}': 6,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_tokens_have_the_names_of_the_opentelemetry_conventions(tmp_path: Path) -> None:
    fill(tmp_path, day())
    found = samples(exposition(JournalMetrics(tmp_path)))
    labels = 'gen_ai_operation_name="text_completion",gen_ai_provider_name="tamiz",gen_ai_request_model="micro"'
    assert found[f'gen_ai_client_token_usage_sum{{{labels},gen_ai_token_type="input",task="triage"}}'] == 600
    assert found[f'gen_ai_client_token_usage_sum{{{labels},gen_ai_token_type="output",task="triage"}}'] == 84
    assert found[f'gen_ai_client_token_usage_count{{{labels},gen_ai_token_type="output",task="triage"}}'] == 2


def test_every_metric_is_in_the_table_with_its_labels_and_no_ticket(tmp_path: Path) -> None:
    fill(tmp_path, day())
    text = exposition(JournalMetrics(tmp_path, LOKI))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {name.removesuffix("_total") for name in METRICS}
    for name, metric in METRICS.items():
        family = families[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)
    assert "T-1" not in text


def test_counting_goes_on_where_it_was_also_in_another_process(tmp_path: Path) -> None:
    records = day()
    whole = tmp_path / "whole"
    fill(whole, records)
    parts = tmp_path / "parts"
    for record in records:
        fill(parts, [record])
        metrics = JournalMetrics(parts)
        text = exposition(metrics)
    assert samples(text) == samples(exposition(JournalMetrics(whole)))
    assert read_tally(parts).seq == len(records)


def test_a_scrape_reads_only_what_is_new(tmp_path: Path) -> None:
    """A tally that is said to have seen everything is taken at its word."""
    fill(tmp_path, day())
    with Journal(tmp_path / "journal.sqlite") as journal:
        made_up = Tally(journal=journal.name, seq=journal.newest(), values={"tamiz_redactions_total": {'["iban"]': 41.0}})
    (tmp_path / FILE).write_text(made_up.model_dump_json())
    metrics = JournalMetrics(tmp_path)
    assert samples(exposition(metrics))['tamiz_redactions_total{kind="iban"}'] == 41
    fill(tmp_path, [example.record("T-7").model_copy(update={"redactions": {"iban": 2}})])
    assert samples(exposition(metrics))['tamiz_redactions_total{kind="iban"}'] == 43


@pytest.mark.parametrize("kept", ["{", '{"version": 2}', '{"journal": "another", "seq": 1, "values": {}}', '{"seq": 99999}'])
def test_a_tally_that_can_not_be_used_is_counted_anew(kept: str, tmp_path: Path) -> None:
    fill(tmp_path, day())
    expected = samples(exposition(JournalMetrics(tmp_path)))
    (tmp_path / FILE).write_text(kept)
    assert samples(exposition(JournalMetrics(tmp_path))) == expected


def test_the_queue_is_read_again_once_a_minute_at_most(tmp_path: Path) -> None:
    fill(tmp_path, day())
    clock = [0.0]
    metrics = JournalMetrics(tmp_path, clock=lambda: clock[0])
    waiting = 'tamiz_review_queue{state="waiting"}'
    assert samples(exposition(metrics))[waiting] == 1
    fill(tmp_path, [example.record("T-8", outcome="escalated")])
    clock[0] = 30.0
    found = samples(exposition(metrics))
    assert (found[waiting], found['tamiz_tickets_total{mode="live",outcome="escalated"}']) == (1, 3)
    clock[0] = 61.0
    assert samples(exposition(metrics))[waiting] == 2


def test_how_far_shipping_is(tmp_path: Path) -> None:
    fill(tmp_path, day())
    with Journal(tmp_path / "journal.sqlite") as journal:
        name = journal.name
    with ShippingState(state_path(tmp_path, name, LOKI)) as state:
        state.prepare(Pending(12, b""), {})
        state.settle(range(1, 12), [DeadLetter(12, AT.isoformat(), "decision", "400 no")], AT.isoformat())
    found = samples(exposition(JournalMetrics(tmp_path, LOKI)))
    assert found["tamiz_loki_lag_records"] == len(day()) - 12
    assert found["tamiz_loki_shipped_total"] == 11
    assert found["tamiz_loki_dead_letters"] == 1
    assert found["tamiz_loki_last_success_timestamp_seconds"] == AT.timestamp()
    assert not [name for name in samples(exposition(JournalMetrics(tmp_path))) if name.startswith("tamiz_loki")]


def test_a_home_without_a_journal_gets_none(tmp_path: Path) -> None:
    found = samples(exposition(JournalMetrics(tmp_path, LOKI)))
    assert (found["tamiz_up"], found["tamiz_journal_records"]) == (1, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_journal_is_down_and_not_zero(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no journal at all, but long enough to be one" * 100)
    assert samples(exposition(JournalMetrics(tmp_path))) == {"tamiz_up": 0}


def test_the_file_is_whole_and_may_be_read_by_the_collector(tmp_path: Path) -> None:
    fill(tmp_path, day())
    path = tmp_path / "tamiz.prom"
    path.write_text("old")
    write_exposition(JournalMetrics(tmp_path), path)
    assert path.stat().st_mode & 0o044 == 0o044
    assert samples(path.read_text())["tamiz_journal_records"] == len(day())
    assert [p.name for p in tmp_path.glob("*.prom")] == ["tamiz.prom"]


def test_scrapes_are_answered_on_the_loopback_address_alone(tmp_path: Path) -> None:
    fill(tmp_path, day())
    server, thread = serve_exposition(JournalMetrics(tmp_path), 0)
    try:
        assert server.server_address[0] == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            found = samples(answer.read().decode())
        with pytest.raises(InputError, match="Nothing can listen"):
            serve_exposition(JournalMetrics(tmp_path), server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert found["tamiz_journal_records"] == len(day())
