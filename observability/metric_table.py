"""Every metric: what it counts and by which labels. The one place where their names are; dashboards and alerts read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Labels: TypeAlias = tuple[str, ...]

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SCORES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 65.0, 70.0, 80.0, 90.0, 100.0)
TOKENS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0)
"""The boundaries that the OpenTelemetry conventions for generative AI advise, as far as a prompt can reach."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus knows it; `buckets` are a histogram's upper bounds, `known` the label values that begin at 0."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    known: tuple[Labels, ...] = ()


OUTCOMES = tuple((outcome, mode) for outcome in ("accepted", "suggested", "escalated") for mode in ("live", "dry_run"))
WRITES = tuple((state,) for state in ("intended", "written", "already", "skipped", "dry_run", "conflict", "failed"))
VERDICTS = (("approved",), ("corrected",), ("rejected",))
RUNS = (("done",), ("stopped",), ("failed",))
WAITING = (("waiting",), ("skipped",), ("doubted",))

METRICS: Mapping[str, Metric] = {
    # decisions
    "tamiz_tickets_total": Metric("counter", "Decisions by outcome, of live and of dry runs.", ("outcome", "mode"), (), OUTCOMES),
    "tamiz_causes_total": Metric("counter", "Why tickets were only suggested or went to a person.", ("outcome", "cause")),
    "tamiz_fields_total": Metric("counter", "Proposed fields by what the gate did with them.", ("field", "mode")),
    "tamiz_fields_written_total": Metric("counter", "Fields that live decisions wrote, or were to write.", ("field",)),
    "tamiz_redactions_total": Metric("counter", "What was redacted in tickets, by kind.", ("kind",)),
    "tamiz_critic_score": Metric("histogram", "The critic's score of a triage, 0 to 100.", (), SCORES),
    "tamiz_stage_seconds": Metric("histogram", "A ticket's share of each stage, in seconds.", ("stage",), SECONDS),
    "gen_ai_client_token_usage": Metric(
        "histogram",
        "Tokens of one use of a language model, read (input) and written (output, those that the form forces included).",
        ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type", "task"),
        TOKENS,
    ),
    # the desk
    "tamiz_writebacks_total": Metric("counter", "Notes on writes to the desk by state.", ("state",), (), WRITES),
    "tamiz_writebacks_pending": Metric("gauge", "Writes that were intended and have no final state."),
    "tamiz_later_changes_total": Metric("counter", "What others changed at the desk after our write.", ("what",)),
    # people
    "tamiz_verdicts_total": Metric("counter", "Verdicts that people gave.", ("action",), (), VERDICTS),
    "tamiz_review_notes_total": Metric("counter", "What else became of tickets in review.", ("state",)),
    "tamiz_review_queue": Metric("gauge", "Tickets that wait for a person; skipped ones were put off.", ("state",), (), WAITING),
    "tamiz_review_oldest_timestamp_seconds": Metric("gauge", "When the oldest decision that waits was made; 0: none waits."),
    "tamiz_field_judgements": Metric(
        "gauge",
        "Proposals on which a person's word stands: written or held by the gate, and right or not.",
        ("field", "gate", "right"),
    ),
    "tamiz_confidence_judgements": Metric(
        "gauge", "Proposals on which a person's word stands, by the confidence that they had.", ("field", "band", "right")
    ),
    "tamiz_critic_judgements": Metric("gauge", "What the critic said against what people say.", ("critic", "person")),
    # runs
    "tamiz_runs_total": Metric("counter", "Runs that ended, by how; a killed run never ends.", ("state",), (), RUNS),
    "tamiz_run_last_start_timestamp_seconds": Metric("gauge", "When the last live run began."),
    "tamiz_run_last_success_timestamp_seconds": Metric("gauge", "When the last live run that was done ended."),
    "tamiz_run_tickets_per_second": Metric("gauge", "Tickets per second of the last run that ended."),
    # the journal and Loki
    "tamiz_up": Metric("gauge", "1 where the journal can be read."),
    "tamiz_journal_records": Metric("gauge", "The place of the journal's newest record."),
    "tamiz_loki_lag_records": Metric("gauge", "Records of the journal that are not settled with Loki."),
    "tamiz_loki_shipped_total": Metric("counter", "Records that Loki took."),
    "tamiz_loki_dead_letters": Metric("gauge", "Records that Loki refused and that were not sent again."),
    "tamiz_loki_last_success_timestamp_seconds": Metric("gauge", "When Loki last took something."),
}
"""What is counted of the journal and of shipping it, by name."""

BESIDE: Mapping[str, Metric] = {
    # nights, backups, drift, space
    "tamiz_night_last_timestamp_seconds": Metric("gauge", "When the last nightly job ended, well or not."),
    "tamiz_night_last_success_timestamp_seconds": Metric("gauge", "When the last nightly job that went well ended; 0: none did."),
    "tamiz_night_failed_phases": Metric("gauge", "Phases of the last nightly job that failed."),
    "tamiz_backup_last_timestamp_seconds": Metric("gauge", "When the newest backup was made, or found to be up to date."),
    "tamiz_drift_found": Metric("gauge", "1 where the last look at drift found that a signal has moved.", ("signal",)),
    "tamiz_drift_p_value": Metric("gauge", "The adjusted p-value of each signal at the last look.", ("signal",)),
    "tamiz_drift_last_look_timestamp_seconds": Metric("gauge", "When drift was last looked at."),
    "tamiz_disk_free_bytes": Metric("gauge", "Free bytes where the home lies."),
    "tamiz_disk_size_bytes": Metric("gauge", "All bytes where the home lies."),
}
"""What is read beside the journal, by name: nights, backups, drift, free space."""
