"""The journal's records: one JSON object each, told apart by `kind`; the published schema is `journal.schema.json`.

`python -m observability.records` writes the schema beside this file, `python -m observability.records -` prints it.
A number that is not finite (a score that could not be computed) is null; lone surrogates in a text become `?`.
"""

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, SupportsFloat, TypeAlias

from pydantic import (
    AfterValidator,
    AllowInfNan,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    field_validator,
)

from core.taxonomy import Mode
from observability.masking import mask_settings, mask_text

SCHEMA_VERSION: Literal[1] = 1
SCHEMA_FILE = Path(__file__).with_name("journal.schema.json")


def readable(text: str) -> str:
    """A text that UTF-8 can carry: what a desk escaped as half a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def _readable(value: Any) -> Any:  # noqa: ANN401 - whatever is given; pydantic judges it afterwards
    return readable(value) if isinstance(value, str) else value


def _null(value: Any) -> Any:  # noqa: ANN401 - whatever is given; pydantic judges it afterwards
    return None if isinstance(value, SupportsFloat) and not math.isfinite(value) else value


# Left to right, so that the functions are called for the odd value only: a decision holds hundreds of texts and numbers.
_Utf8: TypeAlias = Annotated[str, StringConstraints(min_length=0)]  # any constraint makes pydantic look at the characters
Text: TypeAlias = Annotated[
    _Utf8 | Annotated[_Utf8, BeforeValidator(_readable)], Field(union_mode="left_to_right"), WithJsonSchema({"type": "string"})
]
Number: TypeAlias = Annotated[
    Annotated[float, AllowInfNan(False)] | Annotated[None, BeforeValidator(_null)], Field(union_mode="left_to_right")
]
Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
OutcomeName: TypeAlias = Literal["accepted", "suggested", "escalated"]
WriteState: TypeAlias = Literal["intended", "written", "already", "skipped", "dry_run", "conflict", "failed"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Entry(_Strict):
    """What every record has: `run` is the run's id, `at` the moment in UTC."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: Text
    at: Moment


class Versions(_Strict):
    """Of everything that a decision depends on; "" where there is none."""

    tamiz: str
    python: str
    taxonomy: str
    taxonomy_digest: str
    knowledge: str
    embedder: str
    fit: str
    language_model: str = ""

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal: decisions with one digest were made by the same versions."""
        return _sha256(self.model_dump(mode="json"))


class ReasonGiven(_Strict):
    """A code of `core.words.REASONS` with its values."""

    code: str
    values: Mapping[str, Text]


class NeighborSeen(_Strict):
    """An exemplar that was retrieved: cosine -1..1 and its labels by field, nearest first in their list."""

    exemplar: Text
    similarity: Number
    labels: Mapping[str, Text]


class FusedField(_Strict):
    """One field after fusion and gate: probabilities 0..1 of the likeliest labels, and how the opinions were pooled."""

    label: Text
    confidence: Number
    distribution: Mapping[str, Number]
    mode: Mode
    evidence: tuple[Text, ...]
    weights: Mapping[str, Number]
    temperature: Number


class Generated(_Strict):
    """What a language model read and wrote for a task, word for word; tokens read, forced by the form, and generated."""

    task: str
    model: str
    template: str
    prompt: Text
    completion: Text
    read: int
    forced: int
    generated: int


class ThresholdUsed(_Strict):
    """A field's threshold, null where none holds the target, and what it was seen to do on `n` held-out tickets."""

    value: Number
    target: Number
    precision: Number
    lower: Number
    coverage: Number
    n: int


class ResolutionProposed(_Strict):
    """The proposed resolution and the exemplar whose words it has."""

    kind: Text
    text: Text = ""
    exemplar: Text = ""
    group: Text = ""
    system: Text = ""
    confidence: Number = None
    reason: Text = ""


class VerdictGiven(_Strict):
    """The critic's word: `score` 0..100, null where it could not be computed."""

    score: Number
    reasons: tuple[ReasonGiven, ...]
    doubts: tuple[str, ...]
    avoid: tuple[Text, ...]
    advice: tuple[ReasonGiven, ...]


class RunStarted(_Entry):
    """A run began. `source` names where its tickets come from; secrets among the settings are masked."""

    kind: Literal["run_started"] = "run_started"
    source: Text
    dry_run: bool
    versions: Versions
    settings: Mapping[str, JsonValue]

    @field_validator("source")
    @classmethod
    def _no_credentials(cls, source: str) -> str:
        return mask_text(source)

    @field_validator("settings")
    @classmethod
    def _no_secrets(cls, settings: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return mask_settings(settings)


class DecisionRecord(_Entry):
    """One ticket revision's whole way. Subject and body are cleaned and redacted, `text_digest` is their SHA-256.

    `opinions` are probabilities by expert, field and label; `seconds` the ticket's share of each stage; what was not
    reached before an escalation is null or empty. `versions_digest` is that of the run's `Versions`.
    """

    kind: Literal["decision"] = "decision"
    ticket_id: Text
    revision: Text
    text_digest: str
    language: str
    redactions: Mapping[str, int]
    removed: Mapping[str, int]
    subject: Text
    body: Text
    summary: Text
    summary_from: Literal["extract", "model"] = "extract"
    neighbours: tuple[NeighborSeen, ...]
    opinions: Mapping[str, Mapping[str, Mapping[str, Number]]]
    generations: tuple[Generated, ...] = ()
    fusion: Mapping[str, FusedField]
    thresholds: Mapping[str, ThresholdUsed]
    resolution: ResolutionProposed | None
    priority: Text | None
    verdict: VerdictGiven | None
    outcome: OutcomeName
    written: tuple[str, ...]
    causes: tuple[ReasonGiven, ...]
    attempt: int
    seconds: Mapping[str, Number]
    versions_digest: str

    @property
    def digest(self) -> str:
        """SHA-256 of what was decided, whatever the run, the moment and the time it took: a replay can be compared by it."""
        return _sha256(self.model_dump(mode="json", exclude={"run", "at", "seconds"}))


class WritebackRecord(_Entry):
    """What became of a decision at the desk. `decision` is its digest, `new_revision` the revision our write made ("" if none).

    `intended` is noted before the desk is touched. Final are `written`, `already` (it was there), `skipped` (nothing to
    write) and `conflict` (somebody changed the ticket); `failed` is tried again; `dry_run` never counts.
    """

    kind: Literal["writeback"] = "writeback"
    ticket_id: Text
    revision: Text
    state: WriteState
    decision: str
    new_revision: Text = ""
    skipped_fields: tuple[str, ...] = ()
    error: Text = ""

    @field_validator("error")
    @classmethod
    def _no_credentials(cls, error: str) -> str:
        return mask_text(error)


class HumanVerdict(_Entry):
    """What a person says is right, added later: the confirmed labels by field. `run` is "" where no run's decision is judged.

    `rejected` confirms no label: the triage is wrong, and somebody else will say what is right.
    """

    kind: Literal["human_verdict"] = "human_verdict"
    run: Text = ""
    ticket_id: Text
    revision: Text
    who: Text
    action: Literal["approved", "corrected", "rejected"] = "corrected"
    labels: Mapping[str, Text]
    resolution: ResolutionProposed | None = None
    reason: Text = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the verdict with its moment: the marker that its write leaves at the desk."""
        return _sha256(self.model_dump(mode="json"))


class ReviewNote(_Entry):
    """What else became of a ticket in review: put off, the last verdict taken back, or a verdict written to the desk (or not).

    `undo` is the digest of the verdict whose taking back was written (or not); `verdict` is empty then.
    """

    kind: Literal["review_note"] = "review_note"
    run: Text = ""
    ticket_id: Text
    revision: Text
    who: Text
    state: Literal["skipped", "undone", "written", "already", "conflict", "failed"]
    verdict: str = ""
    undo: str = ""
    new_revision: Text = ""
    error: Text = ""

    @field_validator("error")
    @classmethod
    def _no_credentials(cls, error: str) -> str:
        return mask_text(error)


class LaterChange(_Entry):
    """What somebody else did at the desk after our write: a weak label, which teaches nothing until a person confirms it.

    `run` and `revision` are those of the decision whose write it came after. `ours` and `theirs` are labels of the taxonomy: what
    we had written in `field` and what stands there since; "" where it is no label (another word, a person's name, nothing).
    `changed_at` is the desk's moment, `desk_revision` the ticket's revision when it was seen. `at` is when it was noted.
    """

    kind: Literal["later_change"] = "later_change"
    ticket_id: Text
    revision: Text
    what: Literal["reassigned", "reopened", "reprioritised", "changed"]
    field: Text
    ours: Text = ""
    theirs: Text = ""
    changed_at: Moment
    desk_revision: Text = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what was done and when: the same change, seen again, has the same."""
        return _sha256(self.model_dump(mode="json", exclude={"run", "at", "revision", "desk_revision"}))


class RunFinished(_Entry):
    """A run ended: `done`, `stopped` by a person, or `failed`. A killed run has no such record."""

    kind: Literal["run_finished"] = "run_finished"
    totals: Mapping[str, int]
    seconds: Mapping[str, Number]
    tickets_per_second: Number
    state: Literal["done", "stopped", "failed"]


Record: TypeAlias = Annotated[
    RunStarted | DecisionRecord | WritebackRecord | HumanVerdict | ReviewNote | LaterChange | RunFinished,
    Field(discriminator="kind"),
]


@cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def parse_record(body: str) -> Record:
    """The record that a JSON line holds. Raises pydantic's ValidationError."""
    return _adapter().validate_json(body)


def journal_schema() -> dict[str, Any]:
    """The JSON schema of a record as it is written."""
    schema = _adapter().json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Journal record, version {SCHEMA_VERSION}"}
    return {**head, **schema}


def schema_text() -> str:
    """The text of the published schema file."""
    return json.dumps(journal_schema(), indent=2, ensure_ascii=False) + "\n"


def _sha256(content: JsonValue) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(schema_text())
    else:
        SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
