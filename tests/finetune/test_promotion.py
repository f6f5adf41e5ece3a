"""What is promoted and what is not, the champion's file, and the way back, over a real registry and a real adapter."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError, ModelError
from finetune.comparison import Said, better_by, compared, require_same_prompts
from finetune.promotion import Terms, promote, rollback
from finetune.registry import Registry, Version
from finetune.tuning import Plan, tune
from llm.champion import adapter_digest, champion_file, digest_of, read_champion
from llm.checkpoint import Checkpoint
from tests.finetune.lesson_examples import card, written
from tests.llm.model_examples import tiny_checkpoint

BASE = tiny_checkpoint()
TEST = [written(number, "test") for number in range(20)]
FORCED = Terms(force=True, reason="a test")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of the tiny base."""
    made = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("run")
        plan = Plan(str(BASE), "", "x", "data-1", rank=2, epochs=1, batch=4, seed=seed)
        lessons = [written(number, "train") for number in range(4)]
        made.append(tune(plan, card(), lessons, TEST[:2], folder, str(BASE), lambda figures: None).adapter)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose registry's tables are made once; every test has versions of its own."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def registry(home: Path) -> Registry:
    champion_file(home).unlink(missing_ok=True)
    made = Registry(home, "triage")
    made.name("champion", None)
    made.name("challenger", None)
    return made


def registered(registry: Registry, adapter: Path) -> Version:
    tags = {
        "task": "triage",
        "base": str(BASE),
        "revision": "",
        "base_digest": digest_of(Checkpoint(str(BASE))),
        "digest": adapter_digest(adapter),
        "precision": "fp32",
        "template": "compact.v3",
        "budget": "500",
        "data": "data-1",
    }
    return registry.register(adapter, [], {"rank": 2}, [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}], tags)


def sides(right: int, rival: int) -> dict[str, Said]:
    """A challenger that has the first `right` tickets right, and a champion that has the last `rival`."""
    wrong = {"field": "neither"}
    ours = [one.gold if place < right else wrong for place, one in enumerate(TEST)]
    theirs = [one.gold if place >= len(TEST) - rival else wrong for place, one in enumerate(TEST)]
    return {"challenger": Said("version 1", ours), "champion": Said("the base", theirs)}


def figures(right: int, rival: int, champion: str = "") -> dict[str, Any]:
    return {**compared(TEST, sides(right, rival)), "champion_digest": champion, "data": "data-1", "version": "1"}


def test_figures_of_a_comparison() -> None:
    found = figures(15, 10)
    assert found["overall"]["challenger"]["accuracy"] == 0.75
    assert found["paired"]["champion"] == {"difference": 0.25, "better": 10, "worse": 5, "p": pytest.approx(0.3018, abs=1e-4)}
    field = found["fields"]["field"]
    assert (field["n"], field["champion"]["accuracy"]) == (20, 0.5)
    low, high = field["challenger"]["accuracy_ci"]
    assert low < 0.75 < high
    assert field["mcnemar_p"]["champion"] == pytest.approx(0.3018, abs=1e-4)


@pytest.mark.parametrize(
    ("right", "rival", "margin", "better"),
    [
        (20, 0, 0.0, True),
        (15, 10, 0.0, False),
        (18, 10, 0.5, False),
        (20, 10, 0.5, True),
        (10, 10, 0.0, False),
        (0, 20, 0.0, False),
    ],
)
def test_better_means_by_the_margin_and_not_by_chance(right: int, rival: int, margin: float, better: bool) -> None:
    assert better_by(figures(right, rival), "champion", margin, 0.05) is better


def test_a_better_challenger_is_promoted_and_rolled_back(registry: Registry, adapters: Sequence[Path], home: Path) -> None:
    first = registered(registry, adapters[0])
    registry.evaluated(first, figures(20, 5))
    champion, _ = promote(registry, home, Terms(margin=0.1))
    assert read_champion(home) == champion
    assert (champion.version, champion.previous) == (first.number, None)
    assert registry.version("champion") is not None
    assert registry.version("challenger") is None
    second = registered(registry, adapters[1])
    registry.evaluated(second, figures(20, 5))
    with pytest.raises(InputError, match="against another champion"):
        promote(registry, home, Terms())
    registry.evaluated(second, figures(20, 5, champion.digest))
    later, _ = promote(registry, home, Terms())
    assert later.previous == champion
    assert later.adapter != champion.adapter
    assert rollback(registry, home) == (later, champion)
    assert read_champion(home) == champion
    back = registry.version("challenger")
    assert back is not None
    assert back.number == second.number
    assert rollback(registry, home) == (champion, None)
    assert read_champion(home) is None
    assert registry.version("champion") is None
    with pytest.raises(InputError, match="No model is promoted"):
        rollback(registry, home)


def test_one_that_is_not_better_is_refused_with_both_figures(registry: Registry, adapters: Sequence[Path], home: Path) -> None:
    version = registered(registry, adapters[0])
    with pytest.raises(InputError, match="has not been evaluated"):
        promote(registry, home, Terms())
    registry.evaluated(version, figures(15, 10))
    with pytest.raises(InputError, match=r"0\.750 of the labels right and the base 0\.500, over 20"):
        promote(registry, home, Terms())
    assert read_champion(home) is None
    assert registry.version("challenger") is not None


def test_force_needs_a_reason_and_is_recorded(registry: Registry, adapters: Sequence[Path], home: Path) -> None:
    registered(registry, adapters[0])
    with pytest.raises(InputError, match="needs a reason"):
        promote(registry, home, Terms(force=True))
    promote(registry, home, FORCED)
    champion = registry.version("champion")
    assert champion is not None
    assert champion.tags["forced"] == "a test"


def test_the_same_promotion_again_completes_and_adds_nothing(registry: Registry, adapters: Sequence[Path], home: Path) -> None:
    version = registered(registry, adapters[0])
    promote(registry, home, FORCED)
    registry.name("champion", None)  # as if it had been killed before the aliases
    registry.name("challenger", version.number)
    again, _ = promote(registry, home, FORCED)
    assert again.previous is None
    champion = registry.version("champion")
    assert champion is not None
    assert champion.number == version.number


def test_without_a_challenger_there_is_nothing_to_promote(registry: Registry, home: Path) -> None:
    with pytest.raises(InputError, match="no challenger"):
        promote(registry, home, Terms())


def test_a_champion_that_was_changed_is_not_used(registry: Registry, adapters: Sequence[Path], home: Path) -> None:
    registered(registry, adapters[0])
    champion, _ = promote(registry, home, FORCED)
    file, config = champion_file(home), home / champion.adapter / "adapter_config.json"
    whole, settings = file.read_text(encoding="utf-8"), config.read_text(encoding="utf-8")
    config.write_text(settings + " ", encoding="utf-8")
    with pytest.raises(ModelError, match="has been changed"):
        read_champion(home)
    config.unlink()
    with pytest.raises(ModelError, match="is missing"):
        read_champion(home)
    config.write_text(settings, encoding="utf-8")
    assert read_champion(home) == champion
    for broken in ("{", "[]", "{}", json.dumps({**json.loads(whole), "adapter": "../elsewhere"})):
        file.write_text(broken, encoding="utf-8")
        with pytest.raises(ModelError, match="can't be read"):
            read_champion(home)


def test_an_adapter_is_not_loaded_on_another_base(registry: Registry, adapters: Sequence[Path], home: Path) -> None:
    registered(registry, adapters[0])
    champion, _ = promote(registry, home, FORCED)
    assert champion.checkpoint(home).model.peft_config
    file = champion_file(home)
    file.write_text(file.read_text(encoding="utf-8").replace(str(BASE), str(tiny_checkpoint(1))), encoding="utf-8")
    other = read_champion(home)
    assert other is not None
    with pytest.raises(ModelError, match="was trained on"):
        other.checkpoint(home)


def test_a_model_of_other_prompts_is_not_compared() -> None:
    checkpoint = Checkpoint(str(BASE))
    require_same_prompts(checkpoint, "compact.v3", card(), TEST)
    with pytest.raises(InputError, match=r"reads triage\.v2") as refused:
        require_same_prompts(checkpoint, "triage.v2", card(), TEST)
    assert "--template triage.v2" in refused.value.remedy
