"""The work behind `data`, `train`, `evaluate`, `promote`, `rollback` and `export`: opens a home, does one thing, shows it."""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from batch import console
from batch.assemble import House, open_house
from batch.settings import load_settings
from core.errors import InputError, StorageError
from finetune import promotion
from finetune.adaptercard import describe
from finetune.collecting import Request, collect, reading_house
from finetune.comparison import Said, answered, compared, require_same_prompts, voted
from finetune.dataset import Card, read_card, read_lessons
from finetune.promotion import Terms, challenger, version_checkpoint
from finetune.registry import Registry
from finetune.rendering import Written
from finetune.runstate import LOG, read_log
from finetune.tuning import Plan, plan_of, tune
from finetune.watching import watched
from llm.champion import SHIPPED, Champion, adapter_digest, base_source, champion_file, digest_of, read_champion
from llm.checkpoint import TRAINED_ON, Checkpoint
from llm.local import LocalModel

CHAMPION, CHALLENGER = "champion", "challenger"


def make_data(config: Path | None, out: Path, task: str, base: str, template: str, budget: int, seed: int) -> None:
    """`data`."""
    with open_house(load_settings(config)) as user:
        request = Request(task, out, base or _configured(user), template, budget, seed)
        with reading_house(user, request) as house:
            card = collect(house, request)
    console.say(
        f"{sum(card.rows.values())} lessons ({', '.join(f'{k} {v}' for k, v in card.rows.items())}), split by {card.split_by},"
        f" data {card.digest}. Read {out / 'card.md'}."
    )


def _configured(house: House) -> str:
    """The settings' local model, else the one that comes with the project."""
    chosen = house.settings.llm
    return chosen.model if chosen.model != "none" and not chosen.url else SHIPPED


def train(
    config: Path | None, data: Path, base: str, out: Path | None, preset: str, changes: Mapping[str, Any], tracking: str
) -> None:
    """`train`."""
    card, house = read_card(data), open_house(load_settings(config))
    registry = Registry(house.home, card.task, tracking)
    before = registry.version("challenger")  # a store that can't be used is known before the work, not after it
    plan, source = _planned(house, card, base, preset, changes)
    folder = out or house.home / "finetune" / f"{card.task}-{card.digest}-{plan.digest}"
    lessons, validation = read_lessons(data, "train"), read_lessons(data, "validation")
    require_same_prompts(Checkpoint(source, plan.revision), card.template, card, lessons)
    with watched("label_accuracy") as report:
        tuned = tune(plan, card, lessons, validation, folder, source, report)
    seen = "".join(f"{one.text_digest}\n" for one in (*lessons, *validation))
    (tuned.adapter / TRAINED_ON).write_text(seen, encoding="utf-8")
    log, tags = read_log(folder / LOG), _tags(plan, card, tuned.adapter)
    files = describe(tuned, plan, card, folder, log, f"python -m finetune {' '.join(sys.argv[1:])}")
    if before is None or before.tags["digest"] != tags["digest"]:
        params = {**asdict(plan), "preset": preset, "learned": tuned.learned, "left_out": tuned.left_out}
        before = registry.register(tuned.adapter, [*files, data / "card.json", data / "card.md"], params, log, tags)
    console.say(
        f"Version {before.number} of {registry.model} is the challenger: label accuracy {tuned.best['label_accuracy']:.3f} on the"
        f" validation tickets after {tuned.best['step']} of {tuned.steps} steps. It is in {tuned.adapter}."
    )


def _planned(house: House, card: Card, base: str, preset: str, changes: Mapping[str, Any]) -> tuple[Plan, str]:
    """The plan, and where the base is loaded from."""
    base = base or card.base
    revision = house.settings.llm.revision if base == house.settings.llm.model else ""
    source = base_source(base)
    digest = digest_of(Checkpoint(source, revision))
    about = {"base": base, "revision": revision, "base_digest": digest, "data": card.digest}
    return plan_of(preset, about, changes), source


def _tags(plan: Plan, card: Card, adapter: Path) -> dict[str, str]:
    """What a version must say so that it can be served."""
    return {
        "task": card.task,
        "base": plan.base,
        "revision": plan.revision,
        "base_digest": plan.base_digest,
        "digest": adapter_digest(adapter),
        "precision": plan.precision,
        "template": card.template,
        "budget": str(card.budget),
        "data": card.digest,
    }


def evaluate(config: Path | None, data: Path, json_out: Path | None, tracking: str) -> None:
    """`evaluate`: the test part is opened here and nowhere else."""
    card, house = read_card(data), open_house(load_settings(config))
    registry = Registry(house.home, card.task, tracking)
    version, champion = challenger(registry), read_champion(house.home, card.task)
    lessons = read_lessons(data, "test")
    with tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
        adapter = registry.adapter(version, Path(folder))
        trained = version_checkpoint(version, adapter)
        _require_unseen(trained, lessons)
        ours = _side(f"version {version.number}", trained, version.tags["template"], card, lessons)
    sides = {CHALLENGER: ours, CHAMPION: _rival(house.home, champion, trained, card, lessons), "vote": voted(lessons)}
    figures = {
        **compared(lessons, sides),
        "data": card.digest,
        "version": version.number,
        "champion_digest": champion.digest if champion else "",
        "seen_by_champion": _seen(champion.checkpoint(house.home), lessons) if champion else 0,
    }
    registry.evaluated(version, figures)
    if json_out:
        _write(json_out, json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    show(figures)


def _rival(home: Path, champion: Champion | None, trained: Checkpoint, card: Card, lessons: Sequence[Written]) -> Said:
    """The champion; where there is none, the challenger's base without an adapter."""
    if champion is None:
        bare = Checkpoint(trained.source, trained.revision)
        return _side(f"the base {bare.name}", bare, card.template, card, lessons)
    return _side(f"champion {champion.version}", champion.checkpoint(home), champion.template, card, lessons)


def _side(name: str, checkpoint: Checkpoint, template: str, card: Card, lessons: Sequence[Written]) -> Said:
    """What one model says of the test; its weights are let go of afterwards."""
    require_same_prompts(checkpoint, template, card, lessons)
    said = answered(name, LocalModel(checkpoint, template=card.template, budget=card.budget), card, lessons)
    vars(checkpoint).pop("model", None)
    return said


def _seen(checkpoint: Checkpoint, lessons: Sequence[Written]) -> int:
    """How many of the test's texts a model was trained or chosen on."""
    return sum(one.text_digest in checkpoint.learned for one in lessons)


def _require_unseen(checkpoint: Checkpoint, lessons: Sequence[Written]) -> None:
    if seen := _seen(checkpoint, lessons):
        raise InputError(
            f"The challenger was trained on {seen} of the {len(lessons)} test tickets.",
            remedy="Evaluate it on the data that it was trained with, or train again.",
        )


def show(figures: Mapping[str, Any]) -> None:
    """The figures as a table on standard output."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    roles = list(figures["overall"])
    table = Table("field", "n", *roles, *(f"p vs {role}" for role in roles[1:]), box=SIMPLE_HEAD, pad_edge=False)
    overall = [f"{figures['overall'][role]['accuracy']:.3f}" for role in roles]
    table.add_row("all labels", str(figures["n"]), *overall, *(f"{figures['paired'][r]['p']:.3g}" for r in roles[1:]))
    for field, row in figures["fields"].items():
        cells = [_cell(row[role]) for role in roles]
        table.add_row(console.printable(field), str(row["n"]), *cells, *(f"{row['mcnemar_p'][r]:.3g}" for r in roles[1:]))
    console.out().print(table)
    if figures["seen_by_champion"]:
        console.say(f"The champion was trained on {figures['seen_by_champion']} of these tickets, which flatters it.")


def _cell(side: Mapping[str, Any]) -> str:
    low, high = side["accuracy_ci"]
    return f"{side['accuracy']:.3f} ({low:.3f}–{high:.3f}) F1 {side['macro_f1']:.3f}"


def promote(config: Path | None, task: str, terms: Terms, tracking: str) -> None:
    """`promote`."""
    home = open_house(load_settings(config)).home
    champion, figures = promotion.promote(Registry(home, task, tracking), home, terms)
    console.say(f"Version {champion.version} is the champion ({champion.adapter}); {champion_file(home, task)} names it.")
    if terms.force:
        console.say(f"It was forced: {terms.reason}.")
    if figures:
        console.say(f"Of its evaluation: {promotion.spoken(figures)}.")


def rollback(config: Path | None, task: str, tracking: str) -> None:
    """`rollback`."""
    home = open_house(load_settings(config)).home
    gone, now = promotion.rollback(Registry(home, task, tracking), home)
    console.say(
        f"Version {gone.version} is out of use; now {f'version {now.version}' if now else 'the configured model'} serves."
    )


def export(config: Path | None, task: str, to: Path, *, merged: bool) -> None:
    """`export`: the champion, for other servers."""
    home = open_house(load_settings(config)).home
    champion = read_champion(home, task)
    if champion is None:
        raise InputError("No model is promoted.", remedy="Promote one with `python -m finetune promote`.")
    if to.exists() and any(to.iterdir()):
        raise InputError(f"{to} is not empty.", remedy="Name a new folder.")
    if merged:
        _merge(champion.checkpoint(home), to)
        console.say(f"The merged checkpoint is in {to}.")
        return
    try:
        shutil.copytree(home / champion.adapter, to, dirs_exist_ok=True)
    except OSError as error:
        raise StorageError(f"{to} can't be written ({error}).", remedy="Name another folder with --to.") from error
    console.say(f"vllm serve {base_source(champion.base)} --enable-lora --lora-modules tamiz-{task}={to}")


def _merge(checkpoint: Checkpoint, to: Path) -> None:
    """Base and adapter as one checkpoint in the base's own number format; an adapter of a 4-bit base goes into the whole one."""
    from transformers import AutoConfig

    whole = Checkpoint(checkpoint.source, checkpoint.revision, checkpoint.adapter)
    dtype = AutoConfig.from_pretrained(whole.source, revision=whole.revision or None, trust_remote_code=False).dtype
    model = whole.model.merge_and_unload()
    model.to(dtype or model.dtype).save_pretrained(str(to))
    whole.tokenizer.save_pretrained(str(to))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{file} can't be written ({error}).", remedy="Name another file.") from error
