"""The state of a training run on disk: which plan it is, how far it is, and the tensors to go on with. A kill leaves it whole."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from core.errors import ModelError

if TYPE_CHECKING:
    import torch

Report: TypeAlias = Callable[[dict[str, float]], None]
"""Told the figures of a step by name, `step` among them."""
STATE = "state.safetensors"
LOG = "log.jsonl"


def claim(plan: Mapping[str, object], folder: Path, free: frozenset[str] = frozenset()) -> None:
    """A folder holds one plan; what is `free` may change on the way. Raises ModelError where it holds another."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plan.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else dict(plan)
    if {**found, **{key: plan[key] for key in free}} != plan:
        raise ModelError(f"{folder} holds a run with other settings or data.", remedy="Name another folder, or remove that one.")
    file.write_text(json.dumps(plan, indent=1), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Tensors:
    """What a run learns, by name, and the optimisers that each have some of it."""

    learned: "Mapping[str, torch.nn.Parameter]"
    optimisers: "Sequence[torch.optim.Optimizer]"

    def save(self, folder: Path, about: Mapping[str, Any], best: "Mapping[str, torch.Tensor] | None" = None) -> None:
        """Weights, moments, the best weights so far and a few words about them, written beside and then renamed."""
        from safetensors.torch import save_file

        names: dict[torch.Tensor, str] = {parameter: name for name, parameter in self.learned.items()}
        tensors = {f"weight/{name}": parameter.detach() for parameter, name in names.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in (best or {}).items()}
        for optimiser in self.optimisers:
            for parameter, state in optimiser.state.items():
                tensors |= {f"{kind}/{names[parameter]}": value for kind, value in state.items()}
        beside = folder / "state.tmp"
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, str(beside), metadata={"about": json.dumps(about)})
        beside.replace(folder / STATE)

    def resume(self, folder: Path) -> "tuple[dict[str, Any], dict[str, torch.Tensor]]":
        """Put back what `save` wrote: the words about it, none where there is no state, and the best weights."""
        from safetensors import safe_open

        file = folder / STATE
        if not file.exists():
            return {}, {}
        owner = {id(p): optimiser for optimiser in self.optimisers for group in optimiser.param_groups for p in group["params"]}
        best = {}
        with safe_open(str(file), "pt") as state:
            for key in state.keys():  # noqa: SIM118 - no mapping
                kind, _, name = key.partition("/")
                parameter, tensor = self.learned[name], state.get_tensor(key)
                if kind == "weight":
                    parameter.data.copy_(tensor)
                elif kind == "best":
                    best[name] = tensor.to(parameter.device)
                else:  # an optimiser counts its steps on the CPU
                    owner[id(parameter)].state[parameter][kind] = tensor if kind == "step" else tensor.to(parameter.device)
            about: dict[str, Any] = json.loads(state.metadata()["about"])
        return about, best


def noting(folder: Path, step: int, report: Report) -> Report:
    """A report that also goes to the folder's log, a line of JSON each; of a killed run's log what was saved at `step` stays."""
    file = folder / LOG
    kept = [line for line in read_log(file) if line["step"] <= step] if step else []
    file.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def note(figures: dict[str, float]) -> None:
        with file.open("a", encoding="utf-8") as log:
            log.write(json.dumps(figures) + "\n")
        report(figures)

    return note


def read_log(file: Path) -> list[dict[str, float]]:
    """The lines of a log; a last one that a kill left half written is not counted."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines
