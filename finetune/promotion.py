"""Promotion and its way back: the adapter's files, the champion's file and the registry's aliases.

The file decides what serves; it is replaced after the adapter is in place and before the aliases, so that a kill between leaves
something that works and that the same command, given again, completes.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from core.errors import InputError, StorageError
from finetune.comparison import better_by
from finetune.registry import Registry, Version
from llm.champion import Champion, adapter_digest, base_source, named_champion, write_champion
from llm.checkpoint import Checkpoint, Precision

RIVAL = "champion"


@dataclass(frozen=True, slots=True)
class Terms:
    """When a challenger is promoted: better by `margin` of overall accuracy and p below `alpha`, or by force for a `reason`."""

    margin: float = 0.0
    alpha: float = 0.05
    force: bool = False
    reason: str = ""


def challenger(registry: Registry) -> Version:
    """The version under the alias. Raises InputError where there is none."""
    found = registry.version("challenger")
    if found is None:
        raise InputError("There is no challenger.", remedy="Train one: `python -m finetune train --data FOLDER`.")
    return found


def version_checkpoint(version: Version, adapter: Path) -> Checkpoint:
    """The weights that a version stands for, with its adapter in a local folder."""
    tags = version.tags
    return Checkpoint(base_source(tags["base"]), tags["revision"], adapter, cast(Precision, tags["precision"]))


def promote(registry: Registry, home: Path, terms: Terms) -> tuple[Champion, dict[str, Any] | None]:
    """Put the challenger in use: (the new champion, the evaluation that it rests on).

    Raises:
        InputError: there is no challenger or no evaluation against what is in use now, or it is not better enough.
        StorageError: the adapter can't be copied.
    """
    version, current = challenger(registry), named_champion(home, registry.task)
    figures = registry.evaluation(version)
    if not terms.force:
        _require_better(figures, current, terms)
    elif not terms.reason.strip():
        raise InputError("A forced promotion needs a reason.", remedy="Give it with --reason.")
    champion = _installed(registry, version, home, current)
    write_champion(home, champion, registry.task)
    how = {"forced": terms.reason} if terms.force else {"margin": str(terms.margin), "alpha": str(terms.alpha)}
    registry.tag(version.number, {"promoted_at": champion.promoted_at, **how})
    registry.name("champion", version.number)
    registry.name("challenger", None)
    return champion, figures


def _require_better(figures: Mapping[str, Any] | None, current: Champion | None, terms: Terms) -> None:
    if figures is None:
        raise InputError(
            "The challenger has not been evaluated.", remedy="Run `python -m finetune evaluate --data FOLDER` first."
        )
    if figures["champion_digest"] != (current.digest if current else ""):
        raise InputError(
            "The challenger was evaluated against another champion than the one in use.",
            remedy="Run `python -m finetune evaluate --data FOLDER` again.",
        )
    if not better_by(figures, RIVAL, terms.margin, terms.alpha):
        raise InputError(
            f"Not promoted: {spoken(figures)}; asked for is a gain of at least {terms.margin:g} with p < {terms.alpha:g}.",
            remedy="Train on more data, or promote with --force and a --reason.",
        )


def spoken(figures: Mapping[str, Any]) -> str:
    """Both figures and the test between them, in one line."""
    ours, theirs = (figures["overall"][role]["accuracy"] for role in ("challenger", RIVAL))
    paired = figures["paired"][RIVAL]
    return (
        f"the challenger has {ours:.3f} of the labels right and {figures['names'][RIVAL]} {theirs:.3f}, over {figures['n']}"
        f" held-out tickets ({paired['better']} better, {paired['worse']} worse, p = {paired['p']:.3g})"
    )


def _installed(registry: Registry, version: Version, home: Path, current: Champion | None) -> Champion:
    """The challenger as champion, its adapter under the home. If it is the champion already, the chain stays as it is."""
    tags = version.tags
    folder = Path("models") / f"{registry.task}-{tags['digest']}"
    with tempfile.TemporaryDirectory(prefix="tamiz-") as into:
        _copied(_fetched(registry, version, Path(into)), home / folder)
    made = Champion(
        task=registry.task,
        base=tags["base"],
        revision=tags["revision"],
        base_digest=tags["base_digest"],
        adapter=folder.as_posix(),
        digest=tags["digest"],
        precision=cast(Precision, tags["precision"]),
        template=tags["template"],
        budget=int(tags["budget"]),
        version=version.number,
        promoted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        previous=current,
    )
    return replace(made, previous=current.previous) if current and current.digest == made.digest else made


def _fetched(registry: Registry, version: Version, into: Path) -> Path:
    source = registry.adapter(version, into)
    if (found := adapter_digest(source)) != version.tags["digest"]:
        raise InputError(
            f"The adapter of version {version.number} is {found}, and {version.tags['digest']} was registered.",
            remedy="Train it again.",
        )
    return source


def _copied(source: Path, target: Path) -> None:
    """A folder's files, complete or not at all."""
    if target.exists() and adapter_digest(target) == adapter_digest(source):
        return
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(source, beside)
        shutil.rmtree(target, ignore_errors=True)
        beside.replace(target)
    except OSError as error:
        raise StorageError(
            f"The adapter can't be copied to {target} ({error}).", remedy="See to the disk and try again."
        ) from error


def rollback(registry: Registry, home: Path) -> tuple[Champion, Champion | None]:
    """Put back what was in use before: (what is no longer in use, what is now; None: the configured model).

    Raises:
        InputError: nothing is promoted.
    """
    current = named_champion(home, registry.task)
    if current is None:
        raise InputError("No model is promoted: the configured one is in use.", remedy="There is nothing to go back to.")
    write_champion(home, current.previous, registry.task)
    registry.name("champion", current.previous.version if current.previous else None)
    if registry.version("challenger") is None:
        registry.name("challenger", current.version)
    registry.tag(current.version, {"rolled_back_at": datetime.now(UTC).isoformat(timespec="seconds")})
    return current, current.previous
