"""The reports as self-contained HTML pages: nothing is loaded from outside, nothing runs, whatever a ticket says is only text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from batch.charts import run_charts, seconds_by_stage
from batch.charts_evaluation import field_charts, ranked
from batch.report_language import Language, Words, parse_moment
from batch.report_models import (
    Confusion,
    CoverageAt,
    Evaluation,
    FieldProposal,
    FieldResult,
    RunReport,
    ThresholdRow,
    TicketRow,
    read,
)

HEADLINE_TARGET = 0.95
"""The target precision whose coverage stands in the overview of an evaluation."""
_SHORT_ID = 8
_OUTCOMES = ("escalated", "suggested", "accepted")


@dataclass(frozen=True, slots=True)
class Mixup:
    """A right label, what was proposed instead, how often, and the part of the right label's tickets."""

    right: str
    proposed: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of an evaluation as the page shows it."""

    name: str
    anchor: str
    result: FieldResult
    comparison: str
    targets: Sequence[tuple[float, CoverageAt, str]]
    mixups: tuple[Mixup, ...]
    charts: Mapping[str, Markup]

    @property
    def lacks(self) -> bool:
        """Whether some target has no threshold."""
        return any(meaning for _, _, meaning in self.targets)


def render_run(report: Mapping[str, object], language: Language) -> str:
    """The page of a run.

    Args:
        report: the run's JSON document (`batch.report_models.RunReport`).
        language: "es" or "en", for the fixed words, the numbers and the reasons; tickets stay as they are.

    Raises:
        InputError: the document has another shape, or there are no reports in the language.
    """
    words = Words(language)
    run = read(RunReport, report)
    return _page(
        "run.html.jinja",
        words,
        run=run,
        charts=run_charts(run, words),
        sections=[(outcome, [t for t in run.tickets if t.outcome == outcome]) for outcome in _OUTCOMES],
        thresholds=[(name, row, threshold_words(row, words)) for name, row in run.thresholds.items()],
        unscored=sum(ticket.score is None for ticket in run.tickets),
        seconds=_elapsed(run),
        versions=list(_flat(run.versions)),
    )


def render_evaluation(result: Mapping[str, object], language: Language) -> str:
    """The page of an evaluation.

    Args:
        result: the evaluation's JSON document (`batch.report_models.Evaluation`).
        language: "es" or "en".

    Raises:
        InputError: the document has another shape, or there are no reports in the language.
    """
    words = Words(language)
    evaluation = read(Evaluation, result)
    fields = [_field_view(i, name, field, words) for i, (name, field) in enumerate(evaluation.fields.items(), 1)]
    return _page(
        "evaluation.html.jinja",
        words,
        evaluation=evaluation,
        fields=fields,
        headline_target=HEADLINE_TARGET,
        stages=seconds_by_stage(evaluation.seconds, words),
    )


def threshold_words(row: ThresholdRow, words: Words) -> str:
    """What a threshold means for a reader: what it holds, or what is lacking for one to hold."""
    numbers = words.numbers
    if row.holds:
        shares = {"coverage": row.coverage, "precision": row.precision, "lower": row.lower}
        return words("holds", **{name: numbers.percent(share, 1) for name, share in shares.items()})
    return lacking_words(row.needed, row.weakest, words) if row.n else words("lacks_all")


def lacking_words(needed: int | None, weakest: str, words: Words) -> str:
    """How many more labelled tickets a threshold needs, and of which label; None: more alone would not do."""
    kind = "lacks_quality" if needed is None else "lacks_data"
    return words(kind if weakest else f"{kind}_any", needed=words.numbers.decimal(needed), weakest=weakest)


def comparison_words(result: FieldResult, words: Words) -> str:
    """Whether the field is better than its best baseline or only luckier; empty where that was not tested."""
    test = result.mcnemar_vs_best_baseline
    if test is None or test.p is None:
        return ""
    rival = result.baselines.get(test.name)
    theirs = rival.accuracy if rival else None
    better = (result.accuracy or 0.0) > (theirs or 0.0)
    key = "no_difference" if test.p >= 0.05 or theirs is None else "clearly_better" if better else "clearly_worse"
    numbers = words.numbers
    name = test.name.replace("_", " ")
    return words(key, name=name, theirs=numbers.percent(theirs, 1), p=numbers.p_value(test.p))


def mixups(counted: Confusion, most: int = 8) -> tuple[Mixup, ...]:
    """The most frequent errors, the most frequent first."""
    found = [
        Mixup(counted.labels[i], counted.labels[j], count, count / sum(row))
        for i, row in enumerate(counted.matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return tuple(sorted(found, key=lambda mixup: -mixup.count)[:most])


def runners_up(proposal: FieldProposal, most: int = 3) -> list[tuple[str, float]]:
    """The likeliest other labels of a proposal with their probabilities."""
    others = [(label, p) for label, p in proposal.distribution.items() if label != proposal.label and p is not None]
    return sorted(others, key=lambda item: -item[1])[:most]


def short_id(identifier: str) -> str:
    """The beginning of a long id, enough to recognise it; a short one whole."""
    return identifier if len(identifier) <= _SHORT_ID + 4 else f"{identifier[:_SHORT_ID]}…"


def shown_fields(ticket: TicketRow) -> list[tuple[str, FieldProposal]]:
    """The proposals that somebody at the desk sees, for the closed row of a ticket."""
    return [(name, field) for name, field in ticket.fields.items() if field.mode not in ("shadow", "off")]


def _field_view(place: int, name: str, result: FieldResult, words: Words) -> FieldView:
    said = words.name("field", name)
    charts = field_charts(said, result, words, f"f{place}")
    found = mixups(result.curves.confusion)
    targets = [(target, at, _lacking(at, words)) for target, at in sorted(result.coverage_at.items())]
    return FieldView(said, f"f{place}", result, comparison_words(result, words), targets, found, charts)


def _lacking(at: CoverageAt, words: Words) -> str:
    """Nothing where the threshold holds, or where the document does not say what is lacking."""
    return "" if at.holds or "needed" not in at.model_fields_set else lacking_words(at.needed, at.weakest, words)


def _elapsed(run: RunReport) -> float | None:
    """Seconds from start to finish, or None where one of them is no moment."""
    started, finished = parse_moment(run.started), parse_moment(run.finished)
    if started is None or finished is None or (started.tzinfo is None) != (finished.tzinfo is None):
        return None
    return (finished - started).total_seconds()


def _flat(versions: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Names and values, those inside others with both names."""
    for name, value in versions.items():
        said = f"{above}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{said} ")
        elif value not in (None, ""):
            yield said, str(value)


def _page(template: str, words: Words, **values: object) -> str:
    return _environment().get_template(template).render(w=words, n=words.numbers, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ranked": ranked, "runners_up": runners_up, "short_id": short_id, "shown_fields": shown_fields}
    return environment
