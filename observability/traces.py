"""A run's decisions as MLflow traces: one for each ticket, a span for each stage and each answer of a language model.

Made from the journal afterwards, so that no run waits for MLflow; what is there already is not sent again. What a trace shows is
what the journal holds: cleaned and redacted.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from core.errors import ShippingError
from observability.records import DecisionRecord, Generated
from observability.tracking import experiment, quiet

EXPERIMENT = "tamiz"
RUN_TAG, DECISION_TAG = "tamiz.run", "tamiz.decision"
STAGES = ("clean", "embed", "rephrase", "summarize", "retrieve", "experts", "language", "fuse", "review", "judge")
"""In the order of the pipeline; each is a ticket's share of its batch."""
_TYPES = {"retrieve": "RETRIEVER", "embed": "EMBEDDING"}
_NS = 1_000_000_000
_ASKED_IN = {"rephrase": "rephrase", "summary": "summarize", "critic": "review"}
PAGE = 200


def trace(decisions: Iterable[DecisionRecord], run: str, uri: str, folder: Path) -> Iterator[bool]:
    """Send the decisions of one run; for each whether it was new.

    With a database and no server the spans go to `folder`.

    Raises:
        ShippingError: MLflow can't be reached or refuses.
    """
    quiet()
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        mlflow.set_tracking_uri(uri)
        place = experiment(mlflow.MlflowClient(), EXPERIMENT, folder)
        known = _known(place, run)
        for decision in decisions:
            if decision.digest not in known:
                _send(decision, run, place)
            yield decision.digest not in known
        mlflow.flush_trace_async_logging()
    except (MlflowException, OSError) as error:
        remedy = "Check the address; what was sent stays, and the command can be run again."
        raise ShippingError(f"MLflow at {uri} does not take the traces: {error}.", remedy=remedy) from error


def _known(experiment: str, run: str) -> set[str]:
    from mlflow import MlflowClient

    client, found, token = MlflowClient(), set[str](), None
    while True:
        page = client.search_traces(
            locations=[experiment],
            filter_string=f"tag.`{RUN_TAG}` = '{run}'",
            max_results=PAGE,
            page_token=token,
            include_spans=False,
        )
        found.update(one.info.tags.get(DECISION_TAG, "") for one in page)
        token = page.token
        if not token:
            return found


def _send(decision: DecisionRecord, run: str, experiment: str) -> None:
    import mlflow

    seconds = {stage: decision.seconds.get(stage) or 0.0 for stage in STAGES if stage in decision.seconds}
    end = int(decision.at.timestamp() * _NS)
    start = end - int(sum(seconds.values()) * _NS)
    root = mlflow.start_span_no_context(
        "ticket",
        span_type="CHAIN",
        inputs={"subject": decision.subject, "body": decision.body},
        attributes={"ticket": decision.ticket_id, "language": decision.language, "attempt": str(decision.attempt)},
        tags={RUN_TAG: run, DECISION_TAG: decision.digest, "outcome": decision.outcome},
        experiment_id=experiment,
        start_time_ns=start,
    )
    for stage, took in seconds.items():
        begun, start = start, start + int(took * _NS)
        _stage(root, decision, stage, begun, start)
    fields = {name: {"label": one.label, "confidence": one.confidence} for name, one in decision.fusion.items()}
    root.end(
        outputs={
            "outcome": decision.outcome,
            "score": decision.verdict.score if decision.verdict else None,
            "fields": fields,
            "causes": [cause.code for cause in decision.causes],
        },
        end_time_ns=end,
    )


def _stage(root: Any, decision: DecisionRecord, stage: str, start: int, end: int) -> None:  # noqa: ANN401 - mlflow's LiveSpan
    import mlflow

    span = mlflow.start_span_no_context(stage, span_type=_TYPES.get(stage, "UNKNOWN"), parent_span=root, start_time_ns=start)
    for answer in decision.generations:
        if _ASKED_IN.get(answer.task, "language") == stage:
            _answer(span, answer, start, end)
    found = [{"page_content": "", "metadata": {"id": n.exemplar, "similarity": n.similarity}} for n in decision.neighbours]
    span.end(outputs=found if stage == "retrieve" else None, end_time_ns=end)


def _answer(stage: Any, answer: Generated, start: int, end: int) -> None:  # noqa: ANN401 - mlflow's LiveSpan
    """A language model's, with the names of the semantic conventions where they exist."""
    import mlflow

    tokens = {"gen_ai.usage.input_tokens": answer.read, "gen_ai.usage.output_tokens": answer.forced + answer.generated}
    span = mlflow.start_span_no_context(
        answer.task,
        span_type="LLM",
        parent_span=stage,
        inputs={"prompt": answer.prompt},
        attributes={"gen_ai.request.model": answer.model, "template": answer.template},
        start_time_ns=start,
    )
    span.set_attributes(tokens)
    span.end(outputs={"completion": answer.completion}, end_time_ns=end)
