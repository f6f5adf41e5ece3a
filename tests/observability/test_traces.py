"""MLflow traces: one for each decision, with its stages and answers, and nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from core.errors import ShippingError
from core.triage import Generation
from observability.traces import DECISION_TAG, EXPERIMENT, trace
from tests.observability.journal_examples import Example

RUN = "run-1"


def test_each_decision_is_traced_once_with_its_stages_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called_from, kept = tmp_path / "called-from", tmp_path / "home" / "traces"
    called_from.mkdir()
    monkeypatch.chdir(called_from)
    example = Example()
    written = Generation("triage", "micro", "compact.v3", "the prompt", '{"category":"a1"}', read=400, forced=9, generated=4)
    seconds = {"clean": 0.001, "language": 0.2, "judge": 0.002}
    read = example.from_decision(replace(example.decision("T-1"), generations=(written,), seconds=seconds))
    decisions = [read, example.record("T-2", outcome="refused")]
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert list(trace(decisions[:1], RUN, uri, kept)) == [True]
    assert list(trace(decisions, RUN, uri, kept)) == [False, True]
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment
    found = {one.info.tags[DECISION_TAG]: one for one in client.search_traces(locations=[experiment.experiment_id])}
    assert found.keys() == {one.digest for one in decisions}
    spans = {span.name: span for span in found[read.digest].data.spans}
    assert spans.keys() == {"ticket", "triage", *seconds}
    assert spans["triage"].parent_id == spans["language"].span_id
    assert spans["triage"].attributes["gen_ai.usage.output_tokens"] == 13
    root = spans["ticket"]
    assert (root.end_time_ns - root.start_time_ns) / 1e9 == pytest.approx(sum(seconds.values()), abs=1e-4)
    assert root.outputs["fields"]["category"]["label"] == "network"
    assert root.inputs["body"] == read.body
    assert not list(called_from.iterdir())
    assert any(read.body in file.read_text(encoding="utf-8") for file in kept.rglob("*.json"))


def test_an_mlflow_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShippingError, match="does not take"):
        list(trace([Example().record()], RUN, f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}", tmp_path))
