"""The two report documents as they are read: what `run` and `evaluate` write as JSON.

Unknown keys are ignored and missing ones are empty, so that an older document still makes a page. Numbers that are no
numbers (nan, infinity) are read as None. Text loses control characters and direction marks, which could dress it up as
something else; everything else a ticket says stays as it is and is escaped by the templates.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from core.errors import InputError

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _both(value: object) -> object:
    return {"en": value, "es": value} if isinstance(value, str) else value


def _or_empty(value: object) -> object:
    return {} if value is None else value


def _or_blank(value: object) -> object:
    return "" if value is None else value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


Line = Annotated[str, BeforeValidator(_or_blank)]
Number = Annotated[float | None, BeforeValidator(_finite)]


class Said(_Part):
    """A sentence in both languages; a plain string stands for both."""

    en: Line = ""
    es: Line = ""

    def in_language(self, language: str) -> str:
        """The sentence in a language ("es", "en"), or in the other one where it is missing."""
        return (self.es or self.en) if language == "es" else (self.en or self.es)


Text = Annotated[Said, BeforeValidator(_both)]
Outcome = Literal["accepted", "suggested", "escalated"]


class Totals(_Part):
    """Tickets by what became of them."""

    tickets: int = 0
    accepted: int = 0
    suggested: int = 0
    escalated: int = 0
    unreadable: int = 0
    written: int = 0
    already_done: int = 0


class Cause(_Part):
    """Why tickets went to a person, and how many."""

    code: Line = ""
    text: Text = Said()
    count: int = 0


class FieldProposal(_Part):
    """What is proposed for one field of one ticket."""

    label: Line = ""
    confidence: Number = None
    mode: Line = ""
    evidence: tuple[str, ...] = ()
    distribution: Mapping[str, Number] = {}


class ProposedResolution(_Part):
    """What is proposed to be done, in the words of the exemplar it comes from."""

    kind: Line = ""
    text: Line = ""
    exemplar_id: Line = ""
    group: Line = ""
    system: Line = ""
    confidence: Number = None


class TicketRow(_Part):
    """One ticket and its decision."""

    id: str
    outcome: Outcome
    revision: Line = ""
    summary: Line = ""
    language: Line = ""
    score: Number = None
    fields: Mapping[str, FieldProposal] = {}
    resolution: ProposedResolution | None = None
    priority: str | None = None
    causes: tuple[Text, ...] = ()
    reasons: tuple[Text, ...] = ()
    write: Line = "none"
    attempt: int = 0


class GroupTotals(_Part):
    """Tickets of one assignment group by outcome."""

    accepted: int = 0
    suggested: int = 0
    escalated: int = 0


class ThresholdRow(_Part):
    """A field's threshold, and what it was seen to do on held-out tickets."""

    value: Number = None
    holds: bool = False
    target: Number = None
    n: int = 0
    precision: Number = None
    lower: Number = None
    coverage: Number = None
    needed: int | None = None
    weakest: Line = ""


class Problem(_Part):
    """A row that could not be read."""

    row: Line = ""
    field: Line = ""
    message: Text = Said()
    remedy: Text = Said()


class RunReport(_Part):
    """A run."""

    run: Line = ""
    started: Line = ""
    finished: Line = ""
    source: Line = ""
    dry_run: bool = False
    totals: Totals = Totals()
    causes: tuple[Cause, ...] = ()
    tickets_per_second: Number = None
    seconds: Mapping[str, Number] = {}
    tickets: tuple[TicketRow, ...] = ()
    groups: Mapping[str, GroupTotals] = {}
    thresholds: Mapping[str, ThresholdRow] = {}
    versions: Mapping[str, object] = {}
    problems: tuple[Problem, ...] = ()
    paths: Mapping[str, str | None] = {}
    approve_at: float = 65.0


class CoverageAt(_Part):
    """What the threshold for one target precision did on the test tickets."""

    threshold: Number = None
    coverage: Number = None
    precision: Number = None
    precision_ci: tuple[Number, Number] | None = None
    needed: int | None = None
    weakest: Line = ""

    @property
    def holds(self) -> bool:
        """Whether there is a threshold: what lies above 1 is one that no confidence reaches."""
        return self.threshold is not None and self.threshold <= 1.0


class Rival(_Part):
    """An expert (with its weight in the fusion) or a baseline."""

    accuracy: Number = None
    macro_f1: Number = None
    weight: Number = None


class McNemar(_Part):
    """The paired test against the best baseline."""

    name: Line = ""
    p: Number = None


class Confusion(_Part):
    """Counts, `matrix[true label][predicted label]`, in the order of `labels`."""

    labels: tuple[str, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()

    @model_validator(mode="after")
    def _square(self) -> Self:
        if {len(self.matrix), *map(len, self.matrix)} - {len(self.labels)}:
            raise ValueError("the matrix has not one row and one column a label")
        return self


class Curves(_Part):
    """`risk_coverage`: (coverage, risk); `reliability`: (confidence, accuracy, n) of each bin."""

    risk_coverage: tuple[tuple[Number, Number], ...] = ()
    reliability: tuple[tuple[Number, Number, int], ...] = ()
    confusion: Confusion = Confusion()


class FieldResult(_Part):
    """One field's figures."""

    n: int = 0
    accuracy: Number = None
    accuracy_ci: tuple[Number, Number] | None = None
    macro_f1: Number = None
    ece: Number = None
    aurc: Number = None
    coverage_at: Annotated[Mapping[float, CoverageAt], BeforeValidator(_or_empty)] = {}
    experts: Annotated[Mapping[str, Rival], BeforeValidator(_or_empty)] = {}
    baselines: Annotated[Mapping[str, Rival], BeforeValidator(_or_empty)] = {}
    mcnemar_vs_best_baseline: McNemar | None = None
    curves: Annotated[Curves, BeforeValidator(_or_empty)] = Curves()


class CriticResult(_Part):
    """How well the critic's score tells right from wrong."""

    auroc: Number = None
    ece: Number = None
    approved: Number = None
    errors_caught_at: Annotated[Mapping[float, Number], BeforeValidator(_or_empty)] = {}


class Evaluation(_Part):
    """An evaluation."""

    n_kb: int = 0
    n_test: int = 0
    unreadable: int = 0
    fields: Mapping[str, FieldResult] = Field(default_factory=dict)
    critic: CriticResult | None = None
    seconds: Mapping[str, Number] = {}
    tickets_per_second: Number = None
    duplicates_shared: int | None = None


def printable(value: object) -> object:
    """The same document with every character that can't be shown, or that redirects the text, as U+FFFD."""
    if isinstance(value, str):
        return _UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list | tuple) else value


_Document = TypeVar("_Document", RunReport, Evaluation)


def read(document: type[_Document], data: Mapping[str, object]) -> _Document:
    """Check a document.

    Raises:
        InputError: a value has another shape than the document's; names the first one.
    """
    try:
        return document.model_validate(printable(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"The report can't be read: {where}: {first['msg']}.", remedy="Make it again with this version."
        ) from error
