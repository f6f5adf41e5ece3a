"""A night that is killed anywhere leaves the base before or the base after, and the next night leaves the base after."""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from batch.assemble import House, open_house
from batch.maintaining import Orders, maintain
from batch.night import PHASES
from batch.settings import load_settings
from core.ticket import CleanTicket
from tests.batch.commands_examples import copy_home, tamiz
from tests.batch.night_examples import small_home

STAGES = (*PHASES, "candidate", "trial", "publish")
LONGEST = {"publish": 0.2, "fit": 1.0, "audit": 1.0, "trial": 1.0}
"""Seconds after a stage has begun up to which a kill may come."""
SERVER = multiprocessing.get_context("forkserver")
"""Forks a process without threads that has the modules already: a fork of this one, with torch's threads, may never wake."""
SERVER.set_forkserver_preload(["batch.maintaining", "batch.trial", "batch.aftermath", "batch.backups", "batch.backup_drill"])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with something to do, and `after`: what a whole night makes of it. Every vector is in the cache."""
    folder = small_home(tmp_path_factory.mktemp("small"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_TAXONOMY", str(folder / "taxonomy.yaml"))
        patch.setenv("TAMIZ_HOME", str(folder / "home"))
        assert tamiz("fit").code == 0
        copy_home(folder / "home", folder / "after")
        patch.setenv("TAMIZ_HOME", str(folder / "after"))
        result = tamiz("maintain", "--json")
        assert result.code == 0, result.err
        assert result.json["applied"]
        yield folder


def searches(home: Path) -> tuple[str, list[list[tuple[str, float]]]]:
    """The version of the base, and what twelve searches find."""
    with open_house(load_settings()) as house:
        assert house.home == home
        exemplars = house.knowledge.exemplars()[:12]
        tickets = [CleanTicket(one.id, one.subject, one.body, language=one.language) for one in exemplars]
        found = house.knowledge.search(tickets, house.remembering.encode([one.text for one in tickets]), 8)
        return house.knowledge.version, [[(n.exemplar.id, n.similarity) for n in near] for near in found]


def night(variables: Mapping[str, str], stage: str, delay: float) -> None:
    """A night that ends by SIGKILL so long after the stage has begun."""

    def progress(name: str) -> None:
        if name == stage:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    os.environ.update(variables)
    with open_house(load_settings()) as house:
        maintain(house, Orders(), progress)


def killed_night(stage: str, delay: float) -> int:
    """A night in a process of its own; its exit code."""
    variables = {name: value for name, value in os.environ.items() if name.startswith("TAMIZ_")}
    process = SERVER.Process(target=night, args=(variables, stage, delay))
    process.start()
    process.join(240)
    assert process.exitcode is not None, "the night neither ended nor died"
    return process.exitcode


def check(small: Path, home: Path, monkeypatch: pytest.MonkeyPatch, stage: str, delay: float) -> str:
    """Kill, look, go on, look; whether the base was the one before or the one after."""
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(small / "taxonomy.yaml"))
    expected = {}
    for name in ("home", "after"):
        monkeypatch.setenv("TAMIZ_HOME", str(small / name))
        version, found = searches(small / name)
        expected[version] = (name, found)
    copy_home(small / "home", home)
    monkeypatch.setenv("TAMIZ_HOME", str(home))
    assert killed_night(stage, delay) == -signal.SIGKILL
    version, found = searches(home)
    name, wanted = expected[version]
    assert found == wanted
    house = House(load_settings(), home)
    with house:
        done = maintain(house, Orders())
    assert done.ok, [one.error for one in done.failed]
    assert expected[searches(home)[0]][0] == "after"
    assert searches(home)[1] == next(found for name, found in expected.values() if name == "after")
    return name


@pytest.mark.parametrize("stage", ["publish"])
def test_a_killed_night_leaves_a_whole_base_and_the_next_finishes(
    small: Path, blank: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    assert check(small, blank, monkeypatch, stage, 0.01) in {"home", "after"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stage", STAGES)
def test_ten_kills_at_every_stage(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    for name in [name for name in os.environ if name.startswith("TAMIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TAMIZ_LLM__MODEL", "none")
    rng = random.Random(stage)
    left = [check(small, tmp_path / str(i), monkeypatch, stage, rng.uniform(0.0, LONGEST.get(stage, 0.4))) for i in range(10)]
    assert set(left) <= {"home", "after"}
