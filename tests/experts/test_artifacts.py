"""What was fitted, on disk: the same numbers when it is read again, and never half of it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import FitError, StorageError
from core.pipeline import fuse
from core.proposal import propose
from experts import artifacts
from experts.artifacts import FORMAT, REFIT, current_fit, load_fitted, save_fitted
from experts.fitted import Fitted
from tests.experts.expert_examples import TAXONOMY, company, evidence, past

KNOWLEDGE, EMBEDDER = "kb-1", "words@1"
FILES = {"fit.json", "words.json", "characters.json", "arrays.safetensors"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which the example company's fit is in use."""
    save_fitted(company()[1], tmp_path, KNOWLEDGE, EMBEDDER)
    return tmp_path


def load(home: Path, **other: Any) -> Fitted:  # noqa: ANN401 - arguments of load_fitted
    expected = {"taxonomy": TAXONOMY, "knowledge_version": KNOWLEDGE, "embedder": EMBEDDER, **other}
    return load_fitted(home, **expected)


def folder(home: Path) -> Path:
    return home / "fit" / (home / "fit" / "current").read_text()


# --- round trip --------------------------------------------------------------------------------------------------------


def test_read_again_it_says_the_same_to_the_last_bit(home: Path) -> None:
    exemplars, fitted = company()
    again, seen = load(home), evidence(past(80, seed=5), exemplars)
    assert [e.name for e in again.experts] == [e.name for e in fitted.experts]
    before, after = ({e.name: e.log_probs(seen) for e in f.experts} for f in (fitted, again))
    for name, said in before.items():
        assert set(said) == set(after[name])
        for field, log_p in said.items():
            np.testing.assert_array_equal(log_p, after[name][field])
    one, two = fuse(fitted.fusion, before), fuse(again.fusion, after)
    triages = propose(TAXONOMY, seen, one)
    assert triages == propose(TAXONOMY, seen, two)
    verdicts = fitted.critic.judge(seen, before, one, triages)
    assert verdicts == again.critic.judge(seen, after, two, triages)
    assert len({v.score for v in verdicts}) > 40


def test_read_again_it_holds_the_same_settings(home: Path) -> None:
    fitted, again = company()[1], load(home)
    assert again.critic == fitted.critic
    for name in ("taxonomy", "fields", "k", "fusion", "thresholds", "quality", "encoder"):
        assert getattr(again, name) == getattr(fitted, name)
    assert again.linear.vocabulary.terms == fitted.linear.vocabulary.terms


def test_read_and_written_again_it_is_the_same(home: Path, tmp_path: Path) -> None:
    save_fitted(load(home), tmp_path / "other", KNOWLEDGE, EMBEDDER)
    one, two = (load_file(folder(h) / "arrays.safetensors") for h in (home, tmp_path / "other"))
    assert one.keys() == two.keys()
    for key, array in one.items():
        np.testing.assert_array_equal(array, two[key])


def test_what_is_in_use_can_be_told_without_reading_it_all(home: Path) -> None:
    about = current_fit(home)
    assert about is not None
    assert about["version"] == folder(home).name
    assert (about["format"], about["knowledge_version"], about["embedder"]) == (FORMAT, KNOWLEDGE, EMBEDDER)
    assert about["taxonomy"] == TAXONOMY.digest
    assert about["thresholds"]["category"]["value"] == company()[1].thresholds["category"].value
    assert current_fit(home / "nowhere") is None


# --- files -------------------------------------------------------------------------------------------------------------


def test_there_are_only_json_and_safetensors_and_nothing_that_runs_when_read(home: Path) -> None:
    assert {p.name for p in folder(home).iterdir()} == FILES
    assert {p.name for p in (home / "fit").iterdir()} == {"current", folder(home).name}
    for path in folder(home).iterdir():
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        else:
            size = int.from_bytes(path.read_bytes()[:8], "little")
            json.loads(path.read_bytes()[8 : 8 + size])


def test_only_the_version_in_use_is_kept(home: Path) -> None:
    first = folder(home)
    second = save_fitted(company()[1], home, "kb-2", EMBEDDER)
    assert {p.name for p in (home / "fit").iterdir()} == {"current", second}
    assert not first.exists()
    assert load(home, knowledge_version="kb-2").k == 8


def test_saving_the_same_twice_changes_nothing(home: Path) -> None:
    save_fitted(company()[1], home, KNOWLEDGE, EMBEDDER)
    assert len(list((home / "fit").iterdir())) == 2
    assert load(home).fusion == company()[1].fusion


# --- stale -------------------------------------------------------------------------------------------------------------

RENAMED = TAXONOMY.model_copy(update={"version": "2"})


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"knowledge_version": "kb-2"}, "knowledge_version"),
        ({"taxonomy": RENAMED}, "taxonomy"),
        ({"embedder": "other@1"}, "embedder"),
        ({"embedder": "other@1", "taxonomy": RENAMED}, "taxonomy, embedder"),
    ],
)
def test_a_fit_of_something_else_is_not_used(home: Path, other: dict[str, Any], named: str) -> None:
    with pytest.raises(FitError) as caught:
        load(home, **other)
    assert caught.value.message == f"The fit was made with another {named}."
    assert caught.value.remedy == REFIT


def test_a_fit_of_another_format_is_not_used(home: Path) -> None:
    edit(home, lambda about: about.update(format=FORMAT - 1))
    with pytest.raises(FitError, match=r"another format\. Run `python -m batch fit`"):
        load(home)


def test_where_nothing_has_been_fitted_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"Nothing has been fitted yet\. Run `python -m batch fit`"):
        load(tmp_path)


# --- damage ------------------------------------------------------------------------------------------------------------


def edit(home: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder(home) / "fit.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    change(about)
    path.write_text(json.dumps(about), encoding="utf-8")


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99, None], ids=["empty", "1%", "half", "99%", "gone"])
def test_a_file_that_is_cut_short_is_an_error_that_says_what_to_do(home: Path, name: str, kept: float | None) -> None:
    path = folder(home) / name
    whole = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(FitError) as caught:
        load(home)
    assert caught.value.remedy == REFIT


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.pop("fusion"),
        lambda about: about["fields"].append("area"),
        lambda about: about["thresholds"]["category"].update(colour="red"),
        lambda about: about["critic"].update(whole=None),
    ],
    ids=["key gone", "field too many", "unknown setting", "null"],
)
def test_numbers_that_do_not_fit_together_are_an_error(home: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit(home, change)
    with pytest.raises(FitError) as caught:
        load(home)
    assert caught.value.remedy == REFIT


def test_an_array_that_is_missing_is_an_error(home: Path) -> None:
    path = folder(home) / "arrays.safetensors"
    arrays = load_file(path)
    save_file({k: a for k, a in arrays.items() if k != "coef.linear.category"}, path)
    with pytest.raises(FitError, match=r"coef\.linear\.category"):
        load(home)


def test_a_pointer_to_nothing_is_no_fit(home: Path) -> None:
    shutil.rmtree(folder(home))
    assert current_fit(home) is None


# --- killed, disk full -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["fit.json", "arrays", "folder", "pointer"])
def test_killed_at_any_moment_the_old_fit_stays(home: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = folder(home)
    with monkeypatch.context() as patch:
        kill_at(moment, patch)
        with pytest.raises(KeyboardInterrupt):
            save_fitted(replace(company()[1], k=9), home, "kb-2", EMBEDDER)
    assert folder(home) == old
    assert load(home).k == 8
    save_fitted(replace(company()[1], k=9), home, "kb-2", EMBEDDER)
    assert load(home, knowledge_version="kb-2").k == 9
    assert len(list((home / "fit").iterdir())) == 2, "what the killed one left is gone"


def kill_at(moment: str, patch: pytest.MonkeyPatch) -> None:
    """Ctrl-C just before this is written or moved into place."""
    if moment == "arrays":
        patch.setattr(artifacts, "_save_arrays", interrupted)
    elif moment == "fit.json":
        patch.setattr(Path, "write_text", interrupted)
    else:
        replace_, calls = os.replace, {"folder": 0, "pointer": 1}[moment]
        remaining = [replace_] * calls
        patch.setattr(os, "replace", lambda *paths: remaining.pop()(*paths) if remaining else interrupted())


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("room", [500, 20_000], ids=["for no json", "for no arrays"])
def test_on_a_full_disk_the_old_fit_stays_and_the_error_says_what_to_do(home: Path, room: int) -> None:
    resource = pytest.importorskip("resource")
    old, (soft, hard) = folder(home), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(StorageError) as caught:
            save_fitted(company()[1], home, "kb-2", EMBEDDER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.remedy == "Free some space and fit again."
    assert folder(home) == old
    assert load(home).k == 8


def test_where_it_cannot_write_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "fit").write_text("a file")
    with pytest.raises(StorageError, match="can't be written"):
        save_fitted(company()[1], tmp_path, KNOWLEDGE, EMBEDDER)
