"""`maintain`: what is new comes in, copies go, doubts are put to a person, and nothing is worse, lost or done twice."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import batch.trial
from batch.assemble import House, open_house
from batch.maintaining import LOCK, Orders, maintain
from batch.settings import load_settings
from core.ticket import Exemplar
from knowledge.archive import Archive
from knowledge.base import shelf_at
from knowledge.files import FileLock
from tests.batch.commands_examples import (
    SOME,
    Desk,
    Result,
    copy_home,
    decisions,
    running_desk,
    some_open,
    tamiz,
)
from tests.batch.night_examples import small_home

FINDING = ("--phase", "decisions", "--phase", "duplicates", "--phase", "contradictions")
NOW = (*FINDING, "--phase", "apply", "--phase", "fit")


def night(*arguments: str) -> Result:
    result = tamiz("maintain", *arguments, "--json")
    assert result.code in {0, 3}, result.err
    return result


def base(home: Path) -> dict[str, Exemplar]:
    return {one.id: one for one in shelf_at(home).exemplars()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_home(tmp_path_factory.mktemp("small"))


@pytest.fixture
def planted(small: Path, blank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_home(small / "home", blank)
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(small / "taxonomy.yaml"))
    return blank


def sources(home: Path) -> set[str]:
    return {one.source_id for one in base(home).values()}


def test_a_night_merges_copies_and_puts_contradictions_to_a_person(planted: Path) -> None:
    before = base(planted)
    result = night(*NOW)
    assert result.json["ok"], result.out
    applied = result.json["applied"]
    gone = {entry["old"]["id"] for entry in applied}
    assert {entry["action"] for entry in applied} == {"merged"}
    assert base(planted).keys() == before.keys() - gone
    (first,) = [e for e in applied if "again" in (e["old"]["source_id"] + e["values"]["source"])]
    assert first["reason"] == "copy"
    doubts = [e for e in result.json["proposed"] if e["reason"] == "contradiction"]
    assert "R-other" in {e["old"]["source_id"] for e in doubts}
    assert tamiz("run", "--dry-run", "--limit", "2").code == 0
    again = night(*NOW)
    assert again.json["applied"] == []
    assert again.json["version_after"] == result.json["version_after"]


def test_the_trial_compares_on_the_same_exemplars_and_both_figures_are_reported(planted: Path) -> None:
    result = night(*NOW)
    paired = {one["field"]: one for one in result.json["paired"]}
    assert "category" in paired
    for one in paired.values():
        assert one["n"] <= result.json["count_after"]
        assert one["after"] - one["before"] == pytest.approx((one["won"] - one["lost"]) / one["n"])
        assert not one["worse"]
    for name in ("report", "markdown"):
        text = Path(result.json["paths"][name]).read_text(encoding="utf-8")
        assert result.json["applied"][0]["id"] in text
    assert json.loads(Path(result.json["paths"]["json"]).read_text(encoding="utf-8"))["night"] == result.json["night"]


def test_a_dry_run_changes_nothing(planted: Path) -> None:
    before, pointer = base(planted), (planted / "kb" / "current").read_text()
    result = night(*NOW, "--dry-run")
    assert result.json["applied"]
    assert result.json["paired"]
    assert (base(planted), (planted / "kb" / "current").read_text()) == (before, pointer)
    assert not {"archive", "nights", "backups", "fit"} & {path.name for path in planted.iterdir()}


def test_what_a_night_retired_stays_out_until_a_person_reverts_it(planted: Path, small: Path) -> None:
    applied = night(*NOW).json["applied"]
    left = sources(planted)
    assert tamiz("ingest", small / "more.jsonl").code == 0
    assert tamiz("ingest", small / "history.jsonl", "--prune").code == 0
    assert sources(planted) == left
    entry = applied[0]
    assert tamiz("maintain", "revert", entry["id"], "--who", "ana").code == 0
    back = night(*NOW)
    assert [(e["reason"], e["new"]["id"]) for e in back.json["applied"]] == [("reverted", entry["old"]["id"])]
    assert entry["old"]["id"] in base(planted)
    assert night(*NOW).json["applied"] == []  # nor is it merged again
    assert tamiz("maintain", "revert", "zzz").code == 1


@pytest.mark.slow
def test_an_approved_proposal_is_applied_and_can_be_taken_back(planted: Path) -> None:
    proposed = night(*NOW).json["proposed"]
    entry = next(e for e in proposed if e["reason"] == "contradiction" and e["old"]["source_id"] == "R-other")
    listed = json.loads(tamiz("maintain", "list", "--json").out)["entries"]
    assert entry["id"] in {one["id"] for one in listed}
    tamiz("maintain", "approve", entry["id"], "--who", "ana")
    night(*NOW)
    here = {one.source_id: one for one in base(planted).values()}
    assert here["R-other"].labels == entry["new"]["labels"]
    assert entry["id"] not in tamiz("maintain", "list").out
    tamiz("maintain", "revert", entry["id"], "--who", "ana")
    night(*NOW)
    assert {one.source_id: one for one in base(planted).values()}["R-other"].labels == entry["old"]["labels"]


@pytest.mark.slow
def test_only_a_part_of_the_base_changes_in_a_night(planted: Path) -> None:
    with open_house(load_settings()) as house:
        found = maintain(house, Orders(frozenset(("duplicates", "apply")), dry_run=True, share=0.0))
        everything = maintain(house, Orders(frozenset(("duplicates", "apply")), dry_run=True, force=True, share=0.0))
    assert len(found.applied) <= 5
    assert len(everything.applied) == len(found.applied) + len(found.deferred)


def test_a_candidate_that_is_worse_is_withheld(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a trial says is taken from the real one, but for its verdict."""
    compared = batch.trial.compared
    monkeypatch.setattr(
        batch.trial, "compared", lambda before, after: [replace(one, worse=True) for one in compared(before, after)]
    )
    before = base(planted)
    result = night(*NOW)
    assert result.code == 3
    assert "category" in result.json["withheld"]
    assert result.json["applied"] == []
    assert base(planted).keys() == before.keys()
    assert Archive(planted).read().owed(set(before)) == []
    assert night(*NOW, "--force").json["applied"]


@pytest.fixture
def desk(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with running_desk(tmp_path / "desk", some_open(tmp_path / "open.jsonl", SOME)) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        yield desk


def test_a_verdict_becomes_part_of_the_base_and_leaves_it_when_taken_back(planted: Path, desk: Desk) -> None:
    home = planted
    assert tamiz("run").code == 0
    ticket = next(d.ticket_id for d in decisions(home) if d.outcome != "accepted" and d.fusion)
    assert tamiz("review", "approve", ticket, "--who", "ana").code == 0
    phases = ("--phase", "collect", "--phase", "apply", "--phase", "fit")
    taken = night(*phases)
    assert [e["reason"] for e in taken.json["applied"]] == ["verdict"], taken.out
    assert ticket in sources(home)
    assert night(*phases).json["applied"] == []
    tamiz("review", "undo", ticket, "--who", "ana")
    with open_house(load_settings()) as house:
        assert len(house.corrections.current().outdated) == 1
    assert [e["reason"] for e in night(*phases).json["applied"]] == ["taken_back"]
    assert ticket not in sources(home)


def test_two_nights_do_not_meet_and_a_home_without_a_base_is_told_so(planted: Path, tmp_path: Path) -> None:
    lock = FileLock.acquire(planted / LOCK)
    assert lock
    result = tamiz("maintain", "--dry-run")
    assert (result.code, "under way" in result.err) == (1, True)
    lock.release()
    house = House(load_settings(), tmp_path / "elsewhere")
    with pytest.raises(Exception, match="no knowledge base"):
        maintain(house, Orders())
    assert tamiz("maintain", "--phase", "nonsense").code == 1
