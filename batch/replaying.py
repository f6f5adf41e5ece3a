"""`replay`: past tickets decided again, from the redacted text that the journal holds; nothing is written to any desk.

Where only the gate is different (thresholds, the critic's mark) a record is enough wherever that is exact (see `batch.regate`).
All else goes through the pipeline of the house, in which no ticket finds the exemplars that were made of itself (see
`batch.replay_leaks`). The rest of what it finds is today's knowledge: a replay answers what would be decided now, not what could
have been decided then. A changed model or target needs its own fit; it is made apart, under <home>/replay, and what serves
stays as it is. The intake is not asked again: the text is the cleaned one, word for word.

What people said counts for the text that they judged only. Who approved a proposal had seen it: that favours the old decision.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from batch.assemble import House
from batch.regate import Gate, Result, recorded, regated, result_of
from batch.replay_leaks import Leaks, leaks_of, text_of
from batch.replay_report import Replayed, ReplayReport, report_of
from batch.runreport import find_run
from core.errors import FitError, InputError, KnowledgeError
from core.pipeline import Pipeline
from core.taxonomy import Mode, Taxonomy
from core.ticket import CleanTicket, Ticket
from observability.journal import Journal, RunEntry
from observability.records import DecisionRecord, RunStarted, now
from review.corrections import judged

if TYPE_CHECKING:
    from experts.fitted import Fitted

TOGETHER = 64
"""Tickets decided at a time, so that progress is seen."""
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which tickets (`run`, or all decided since a moment, at most `limit`: the latest), and what is to be different."""

    run: str = "last"
    since: datetime | None = None
    limit: int | None = None
    model: str = ""
    adapter: str = ""
    prompt: str = ""
    kb: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    target: float | None = None
    approve_at: float | None = None

    @property
    def gate_only(self) -> bool:
        """Whether only the gate is different, so that records may be enough."""
        models = self.model or self.adapter or self.prompt or self.kb or self.target is not None
        return not models and bool(self.thresholds or self.approve_at is not None)

    def as_json(self) -> dict[str, Any]:
        """What was asked for, without what was not."""
        named = {
            "model": self.model, "adapter": self.adapter, "prompt": self.prompt, "kb": self.kb,
            "thresholds": dict(self.thresholds), "target": self.target, "approve_at": self.approve_at,
        }  # fmt: skip
        which = {"since": self.since.isoformat()} if self.since else {"run": self.run}
        return {**which, **{name: value for name, value in named.items() if value not in ("", None, {})}}


@dataclass(frozen=True, slots=True)
class Past:
    """A record and the run that it is of."""

    record: DecisionRecord
    started: RunStarted


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tickets to replay, and the labels that people confirmed of just these texts, by ticket."""

    past: Sequence[Past]
    gold: Mapping[str, Mapping[str, str]]


def choose(house: House, asked: Asked) -> Chosen:
    """Read the journal.

    Raises:
        InputError: there is no such run, or nothing to replay.
    """
    if not (house.home / "journal.sqlite").exists():
        raise InputError("Nothing has been decided yet.", remedy="Run `python -m batch run` first.")
    with Journal(house.home / "journal.sqlite") as journal:
        past = select(journal, asked)
        said = {row.source_id: row for row in judged(journal.about_judged(), house.taxonomy).rows}
    return Chosen(past, {p.record.ticket_id: said[p.record.ticket_id].labels for p in past if _same_text(p.record, said)})


def replay(house: House, asked: Asked, chosen: Chosen, advance: Advance = lambda count: None) -> ReplayReport:
    """Decide again and compare; `house` is that of `house_for`.

    Raises:
        InputError: a field that has no threshold, or a template that the model does not read.
        KnowledgeError: the version of the knowledge base that was asked for is not there.
    """
    _require_fields(house.taxonomy, asked.thresholds)
    gate = Gate(asked.thresholds, asked.approve_at)
    answered: dict[str, Result] = {}
    if asked.gate_only:
        suspects = _suspects(house)
        found = {
            p.record.ticket_id: regated(p.record, p.started, house.taxonomy, gate, suspects.get(p.started.versions.fit))
            for p in chosen.past
        }
        answered = {ticket: result for ticket, result in found.items() if result is not None}
        advance(len(answered))
    left = [p.record for p in chosen.past if p.record.ticket_id not in answered]
    decided, leaks, refitted = _decided(house, left, asked, advance) if left else ({}, Leaks({}, frozenset()), False)
    rows = [_replayed(p, answered, decided, leaks, chosen.gold) for p in chosen.past]
    return report_of(rows, asked.as_json(), refitted=refitted)


def select(journal: Journal, asked: Asked) -> list[Past]:
    """The latest decision of each ticket of the run, or of all live runs since the moment; those without a text are left out."""
    latest: dict[str, Past] = {}
    for entry in _live(journal, asked.since) if asked.since else [find_run(journal, asked.run)]:
        for record in journal.records(run=entry.run, kind="decision"):
            if isinstance(record, DecisionRecord) and text_of(record) and (asked.since is None or record.at >= asked.since):
                latest[record.ticket_id] = Past(record, entry.started)
    if not latest:
        raise InputError("There is no decision to replay.", remedy="Name another run, or an earlier day in --since.")
    return list(latest.values())[-asked.limit if asked.limit else 0 :]


def _live(journal: Journal, since: datetime) -> list[RunEntry]:
    """The runs that may have decided since then; a dry one wrote nothing, so nobody lives with what it decided."""
    return [entry for entry in journal.runs() if not entry.started.dry_run and _end(entry) >= since]


def _end(entry: RunEntry) -> datetime:
    """When the run ended; of one that was killed nobody knows, so it counts as going on."""
    return entry.finished.at if entry.finished else now()


def house_for(house: House, asked: Asked) -> House:
    """The house with what is to be different in its settings; the same one where nothing is."""
    settings, llm = house.settings, house.settings.llm
    changes: dict[str, Any] = {
        name: value for name, value in (("model", asked.model), ("adapter", asked.adapter), ("template", asked.prompt)) if value
    }
    if changes:
        settings = settings.model_copy(update={"llm": llm.model_copy(update=changes)})
    if asked.approve_at is not None:
        settings = settings.model_copy(update={"critic": settings.critic.model_copy(update={"approve_at": asked.approve_at})})
    if asked.target is not None:
        settings = settings.model_copy(update={"taxonomy": _with_target(house, asked.target)})
    return house if settings is house.settings else replace(house, settings=settings)


def _decided(
    house: House, records: Sequence[DecisionRecord], asked: Asked, advance: Advance
) -> tuple[dict[str, Result], Leaks, bool]:
    """What the pipeline says of these tickets, by ticket."""
    _require_version(house, asked.kb)
    _require_template(house, asked.prompt)
    fitted, refitted = _fitted(house)
    leaks = leaks_of(records, house)
    cleaned = {record.ticket_id: _cleaned(record) for record in records}
    pipeline = house.pipeline(fitted)
    pipeline = replace(
        pipeline,
        clean=lambda ticket: cleaned[ticket.id],
        search=leaks.without(pipeline.search),
        thresholds=_thresholds(pipeline, asked.thresholds),
    )
    results: dict[str, Result] = {}
    for part in _parts(records):
        for decision in pipeline.decide([Ticket(r.ticket_id, "", "", r.revision) for r in part]):
            results[decision.ticket.id] = result_of(decision.outcome)
        advance(len(part))
    return results, leaks, refitted


def _replayed(
    past: Past, answered: Mapping[str, Result], decided: Mapping[str, Result], leaks: Leaks, gold: Mapping[str, Mapping[str, str]]
) -> Replayed:
    ticket = past.record.ticket_id
    learned = ticket in leaks.learned
    new = answered.get(ticket) or decided[ticket]
    known = {} if learned else gold.get(ticket, {})
    return Replayed(ticket, past.record.run, recorded(past.record), new, known, ticket in answered, learned)


def _fitted(house: House) -> "tuple[Fitted, bool]":
    """The fit in use where it belongs to this house, else one that is kept apart; and whether it is that."""
    from experts.artifacts import load_fitted

    for home in (house.home, house.home / "replay"):
        try:
            return load_fitted(home, house.taxonomy, house.knowledge.version, house.models), home != house.home
        except FitError:
            continue
    return house.fit(home=house.home / "replay"), True


def _suspects(house: House) -> dict[str, frozenset[str]]:
    """fit -> the exemplars that its critic suspects: of the fit in use, the only one that is kept."""
    from experts.artifacts import current_fit

    about = current_fit(house.home)
    return {about["version"]: frozenset(about["critic"]["suspects"])} if about else {}


def _thresholds(pipeline: Pipeline, changed: Mapping[str, float]) -> Mapping[str, Any]:
    return {name: replace(t, value=changed.get(name, t.value)) for name, t in pipeline.thresholds.items()}


def _cleaned(record: DecisionRecord) -> CleanTicket:
    return CleanTicket(
        record.ticket_id,
        record.subject,
        record.body,
        record.revision,
        language=record.language,
        redactions=record.redactions,
        removed=record.removed,
    )


def _parts(records: Sequence[DecisionRecord]) -> Iterator[Sequence[DecisionRecord]]:
    return (records[start : start + TOGETHER] for start in range(0, len(records), TOGETHER))


def _same_text(record: DecisionRecord, said: Mapping[str, Any]) -> bool:
    return record.ticket_id in said and said[record.ticket_id].text == text_of(record)


def fillable(taxonomy: Taxonomy) -> tuple[str, ...]:
    """The fields that may be filled in: those for which a threshold means something."""
    return tuple(name for name, spec in taxonomy.fields.items() if spec.mode is Mode.AUTOFILL)


def _require_fields(taxonomy: Taxonomy, thresholds: Mapping[str, float]) -> None:
    able = fillable(taxonomy)
    for name in thresholds:
        if name not in able:
            raise InputError(
                f"The field {name!r} is never filled in, so it has no threshold.",
                remedy=f"Fields that may be: {', '.join(able) or 'none'}.",
            )


def _require_version(house: House, wanted: str) -> None:
    """The index keeps one version: the one that serves."""
    version = house.knowledge.version
    if wanted and not version.startswith(wanted):
        raise KnowledgeError(
            f"The version {wanted} of the knowledge base is not here any more; there is {version}.",
            remedy="Restore a backup that holds it into another home (`restore FILE --home FOLDER`) and replay with that one.",
        )


def _require_template(house: House, wanted: str) -> None:
    model = house.language_model
    if wanted and (model is None or model.template != wanted):
        reads = f"reads prompts of {model.template} only" if model else "is none"
        raise InputError(
            f"The language model {reads}, so {wanted} can't be tried.", remedy="Name a model that reads it with --model."
        )


def _with_target(house: House, target: float) -> Any:  # noqa: ANN401 - a Path
    """A file with the taxonomy, in which every field has this target."""
    import yaml

    from batch.files import save

    taxonomy = house.taxonomy
    fields = {name: spec.model_copy(update={"target_precision": target}) for name, spec in taxonomy.fields.items()}
    path = house.home / "replay" / "taxonomy.yaml"
    content = taxonomy.model_copy(update={"fields": fields}).model_dump(mode="json")
    save(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    return path
