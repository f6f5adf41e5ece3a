"""The dashboards: what is committed is what the code makes, and each mistake that Grafana would meet is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.words import REASONS
from observability.checks.dashboards import dashboard_faults
from observability.checks.names import STREAMS, holds, kinds
from observability.checks.promql import catalogue, check_promql
from observability.checks.queries import check_logql
from observability.dashboards import files
from observability.journal import Sequenced
from observability.loki_entry import entry
from tests.observability.journal_examples import Example

ROOT = Path(__file__).parents[2]
SOURCES = {"tamiz-loki": "loki", "tamiz-prometheus": "prometheus"}
Change = Callable[[dict[str, Any]], object]


def dashboard(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files()[f"deploy/grafana/dashboards/tamiz-{name}.json"])
    return found


def panel(one: dict[str, Any], title: str) -> dict[str, Any]:
    found: dict[str, Any] = next(panel for panel in one["panels"] if panel["title"] == title)
    return found


def test_what_is_committed_is_what_the_code_makes() -> None:
    made = files()
    assert len(made) == 5
    for name, text in made.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run `python -m batch observe dashboards`"
    committed = {p.relative_to(ROOT).as_posix() for p in (ROOT / "deploy" / "grafana").rglob("*") if p.is_file()}
    assert committed == made.keys()


def test_every_panel_says_in_two_languages_what_it_shows() -> None:
    for name in ("rejected", "operations", "quality"):
        for one in dashboard(name)["panels"]:
            if one["type"] != "row":
                english, spanish = one["description"].split("\n\n")
                assert english
                assert spanish
                assert english != spanish


def test_the_worklist_leads_to_the_review_page_and_to_the_record_below() -> None:
    overrides = panel(dashboard("rejected"), "What was held back")["fieldConfig"]["overrides"]
    links = {one["matcher"]["options"]: one["properties"][0]["value"][0]["url"] for one in overrides}
    assert links["ticket_id"] == "http://127.0.0.1:8650/tickets/${__value.raw:percentencode}"
    assert links["first cause"].startswith("/d/tamiz-rejected?${__url_time_range}&${state:queryparam}&")
    assert links["first cause"].endswith("&var-ticket=${__data.fields.ticket_id:percentencode}")


def test_the_worklist_is_filtered_by_all_that_is_asked_for() -> None:
    one = dashboard("rejected")
    reasons = next(v for v in one["templating"]["list"] if v["name"] == "reason")
    assert reasons["query"].split(",") == list(REASONS)
    query = panel(one, "What was held back")["targets"][0]["expr"]
    for name in ("state", "reason", "field", "group", "model", "template"):
        assert f"${name}" in query


def test_the_names_are_those_that_the_shipper_sends() -> None:
    example = Example()
    for record in (example.started(), example.record()):
        sent = entry(Sequenced(1, record), "j")
        assert sent.labels.keys() == STREAMS["tamiz"].labels
        assert sent.metadata.keys() <= STREAMS["tamiz"].metadata
        assert sent.labels["kind"] in kinds()
    for path in (
        "fusion.any_field.label",
        "causes[0].code",
        "causes[0].values.field",
        "generations[0].template",
        "verdict.score",
    ):
        assert holds(path)
    for path in ("fusion.any_field.lable", "causes.code", "nothing", "generations[0].template.x"):
        assert not holds(path)


@pytest.mark.parametrize("name", ["rejected", "operations", "quality"])
def test_the_dashboards_are_right(name: str) -> None:
    assert list(dashboard_faults(dashboard(name), SOURCES, {f"tamiz-{n}" for n in ("rejected", "operations", "quality")})) == []


def target(one: dict[str, Any], title: str) -> dict[str, Any]:
    found: dict[str, Any] = panel(one, title)["targets"][0]
    return found


BROKEN: dict[str, Change] = {
    "id is missing or another": lambda d: d["panels"][2].update(id=1),
    "does not fit into the grid": lambda d: panel(d, "Dead letters")["gridPos"].update(x=22),
    "asks for nothing": lambda d: panel(d, "Dead letters").update(targets=[]),
    "the same letter": lambda d: panel(d, "Writes")["targets"][1].update(refId="A"),
    "data source is not provisioned": lambda d: target(d, "Dead letters")["datasource"].update(uid="other"),
    "$price, which the dashboard does not define": lambda d: target(d, "Dead letters").update(
        expr="tamiz_loki_dead_letters * $price"
    ),
    "Nothing uses it": lambda d: d["templating"]["list"].append({"name": "spare", "type": "textbox"}),
    "There is no metric tamiz_dead": lambda d: target(d, "Dead letters").update(expr="tamiz_dead"),
    "every stream fits": lambda d: target(d, "The last of them").update(expr='{app=~".*"}'),
}


@pytest.mark.parametrize("said", BROKEN)
def test_each_mistake_is_found(said: str) -> None:
    one = dashboard("operations")
    BROKEN[said](one)
    found = list(dashboard_faults(one, SOURCES, {"tamiz-operations"}))
    assert any(said in " ".join(fault) for _, fault in found), found


def test_a_link_that_leads_nowhere_or_away_is_found() -> None:
    one = dashboard("rejected")
    value = panel(one, "What was held back")["fieldConfig"]["overrides"][0]["properties"][0]["value"]
    value[0]["url"] = "/d/elsewhere?x=${gone}"
    value.append({"url": "https://example.org"})
    found = " ".join(problem for _, (problem, _) in dashboard_faults(one, SOURCES, {"tamiz-rejected"}))
    for said in ("leads to /d/elsewhere", "uses $gone", "leads away"):
        assert said in found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sum(", "can't be read"),
        ("tamiz_tickets", "no metric tamiz_tickets"),
        ('increase(tamiz_tickets_total{team="x"}[1h])', "no label team"),
        ('increase(tamiz_tickets_total{outcome="lost"}[1h])', "no outcome 'lost'"),
        ("sum by (stage) (increase(tamiz_tickets_total[1h]))", "label stage"),
        ("tamiz_tickets_total", "only grows"),
        ("rate(tamiz_review_queue[5m])", "goes up and down"),
        ("histogram_quantile(0.9, rate(tamiz_stage_seconds[5m]))", "no metric tamiz_stage_seconds"),
    ],
)
def test_what_is_wrong_with_a_query_of_prometheus(query: str, said: str) -> None:
    assert said in " ".join(problem for problem, _ in check_promql(query))


@pytest.mark.parametrize(
    "query",
    [
        "histogram_quantile(0.9, sum by (le, stage) (rate(tamiz_stage_seconds_bucket[$__rate_interval])))",
        'max_over_time(tamiz_review_queue{state="waiting"}[1d]) / on (instance) group_left () up',
        "avg_over_time(tamiz_loki_lag_records[1h])",
        'label_replace(tamiz_up, "new", "$1", "job", "(.*)") and on (new) tamiz_up',
    ],
)
def test_a_right_query_of_prometheus(query: str) -> None:
    assert list(check_promql(query)) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('{job="tamiz"}', "which app's streams"),
        ('{app="tamiz", ticket_id="T-1"}', "ticket_id is no label"),
        ('{app="tamiz", kind="decisions"}', "no kind of record decisions"),
        ('{app="tamiz"} | score > 3', "Nothing makes the label score"),
        ('{app="tamiz"} | json s="verdict.points" | s > 3', "No journal record has verdict.points"),
    ],
)
def test_what_is_wrong_with_a_query_of_loki(query: str, said: str) -> None:
    assert said in " ".join(problem for problem, _ in check_logql(query))
    assert list(check_logql('{app="tamiz"} | json | anything > 3')) == []


def test_every_metric_is_known_as_prometheus_has_it() -> None:
    known = catalogue()
    assert known["tamiz_stage_seconds_bucket"].labels == ("stage", "le")
    assert "tamiz_stage_seconds" not in known
    assert {"tamiz_tickets_total", "tamiz_disk_free_bytes", "gen_ai_client_token_usage_sum", "up"} <= known.keys()
