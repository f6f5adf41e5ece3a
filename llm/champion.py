"""The champion: the fine-tuned model in use, as one small file that is read without the registry.

`<home>/models/champion.json` names a base, an adapter under the home and everything that a prompt for it must keep. It is
replaced atomically, and what it names is checked by digest before it is used.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.errors import ModelError, StorageError
from llm.checkpoint import Checkpoint, Precision

SHIPPED = "shipped"
"""The base that comes with the project, wherever it is installed."""
_REMEDY = "Put the one before it back with `python -m finetune rollback`, or promote again."


@dataclass(frozen=True, slots=True)
class Champion:
    """A promoted adapter.

    Args:
        task: "triage" or "critic".
        base: "shipped", a folder, or a hub name with its `revision`.
        base_digest: of the base's files, as in `Checkpoint.name`: an adapter is worth nothing on other weights.
        adapter: folder under the home.
        digest: of the adapter's files, see `adapter_digest`.
        template, budget: how its prompts are rendered, as it was trained.
        version: of the registry.
        previous: what `rollback` puts back; None where the configured model was in use.
    """

    task: str
    base: str
    revision: str
    base_digest: str
    adapter: str
    digest: str
    precision: Precision
    template: str
    budget: int
    version: str
    promoted_at: str
    previous: "Champion | None" = None

    def checkpoint(self, home: Path) -> Checkpoint:
        """The weights to load. Raises ModelError where the base is no longer the one that the adapter was trained on."""
        source = base_source(self.base)
        found = digest_of(Checkpoint(source, self.revision))
        if found != self.base_digest:
            raise ModelError(
                f"The base {self.base!r} of the champion is {found}, and it was trained on {self.base_digest}.",
                remedy="Train and promote an adapter for this base, or go back with `python -m finetune rollback`.",
            )
        return Checkpoint(source, self.revision, home / self.adapter, self.precision)


def base_source(base: str) -> str:
    """Where a base is loaded from: the folder of the shipped one, else what was named."""
    return str(Path(__file__).with_name("micro")) if base == SHIPPED else base


def digest_of(checkpoint: Checkpoint) -> str:
    """The part of a checkpoint's name that stands for its weights."""
    return checkpoint.name.rpartition("@")[2]


def adapter_digest(folder: Path) -> str:
    """SHA-256 of an adapter's weights and configuration, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def champion_file(home: Path, task: str = "triage") -> Path:
    """Where the champion of a task is named."""
    return home / "models" / ("champion.json" if task == "triage" else f"champion-{task}.json")


def read_champion(home: Path, task: str = "triage") -> Champion | None:
    """The champion, checked; None where nothing was promoted, or all of it was rolled back.

    Raises:
        ModelError: the file can't be read, or the adapter is missing or not the one that was promoted.
    """
    champion = named_champion(home, task)
    if champion is None:
        return None
    folder = home / champion.adapter
    if not (folder / "adapter_config.json").is_file():
        raise ModelError(f"The champion's adapter {folder} is missing.", remedy=_REMEDY)
    if adapter_digest(folder) != champion.digest:
        raise ModelError(f"The champion's adapter {folder} has been changed: its digest does not match.", remedy=_REMEDY)
    return champion


def named_champion(home: Path, task: str = "triage") -> Champion | None:
    """What the file names, whatever became of the adapter: what `rollback` goes by. Raises ModelError like `read_champion`."""
    file = champion_file(home, task)
    try:
        return _parsed(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        remedy = "Promote again; or remove the file, and the configured model is used."
        raise ModelError(f"The champion's file {file} can't be read ({error}).", remedy=remedy) from error


def write_champion(home: Path, champion: Champion | None, task: str = "triage") -> None:
    """Put a champion in use, or none: the file is replaced at once, or left as it was.

    Raises:
        StorageError: it can't be written.
    """
    file = champion_file(home, task)
    try:
        if champion is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}.draft")
        with beside.open("w", encoding="utf-8") as text:
            text.write(json.dumps(asdict(champion), indent=1) + "\n")
            text.flush()
            os.fsync(text.fileno())
        beside.replace(file)
    except OSError as error:
        raise StorageError(f"{file} can't be written ({error}).", remedy="See to the disk and try again.") from error


def _parsed(found: Any) -> Champion:  # noqa: ANN401 - whatever the file holds
    if not isinstance(found, dict) or set(found) != {field.name for field in fields(Champion)}:
        raise ValueError("it has other keys than a champion")
    previous = found["previous"]
    wrong = [k for k, v in found.items() if k != "previous" and not isinstance(v, int if k == "budget" else str)]
    if wrong or found["precision"] not in ("fp32", "bf16", "nf4"):
        raise ValueError(f"{', '.join(wrong) or 'precision'} can't be used")
    if Path(found["adapter"]).is_absolute() or ".." in Path(found["adapter"]).parts:
        raise ValueError("the adapter is not under the home")
    return Champion(**{**found, "previous": _parsed(previous) if previous is not None else None})
