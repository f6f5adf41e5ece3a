"""The state of a training run on disk: which plan it is, how far it is, and the tensors to go on with. A kill leaves it whole."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError

if TYPE_CHECKING:
    import torch

Report = Callable[[dict[str, float]], None]
STATE = "state.safetensors"


@dataclass
class Progress:
    """Where a run is: steps done, the best check and what it had, checks since."""

    step: int
    best: dict[str, float]
    waited: int = 0


def trained(model: Any) -> "dict[str, torch.nn.Parameter]":  # noqa: ANN401
    """The parameters that learn, by name: those of the adapter."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def claim(plan: Mapping[str, object], folder: Path) -> None:
    """A folder holds one plan. Raises ModelError where it holds another."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plan.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != plan:
        raise ModelError(f"{folder} holds a run with other settings or data.", remedy="Name another folder with --out.")
    file.write_text(json.dumps(plan, indent=1), encoding="utf-8")


def noting(file: Path, report: Report) -> Report:
    """A report that also goes to the log, a line of JSON each."""

    def note(figures: dict[str, float]) -> None:
        with file.open("a", encoding="utf-8") as log:
            log.write(json.dumps(figures) + "\n")
        report(figures)

    return note


def trim(file: Path, step: int) -> None:
    """Of the log of a killed run keep what the state knows of."""
    lines = read_log(file) if step else []
    file.write_text("".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step), encoding="utf-8")


def read_log(file: Path) -> list[dict[str, float]]:
    """The lines of a log; a last one that a kill left half written is not counted."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def weights(model: Any) -> "dict[str, torch.Tensor]":  # noqa: ANN401
    """A copy of what has been learned."""
    return {name: parameter.detach().clone() for name, parameter in trained(model).items()}


def put(model: Any, kept: "Mapping[str, torch.Tensor]") -> None:  # noqa: ANN401
    """Put a copy back."""
    parameters = trained(model)
    for name, tensor in kept.items():
        parameters[name].data.copy_(tensor)


def save(
    model: Any,  # noqa: ANN401
    optimiser: "torch.optim.Optimizer",
    progress: Progress,
    best: "Mapping[str, torch.Tensor]",
    folder: Path,
) -> None:
    """Weights, the best ones and moments, written beside and then renamed: a kill leaves the old state whole."""
    from safetensors.torch import save_file

    tensors = {f"best/{name}": tensor for name, tensor in best.items()}
    for name, parameter in trained(model).items():
        tensors[f"weight/{name}"] = parameter.detach()
        tensors |= {f"{kind}/{name}": value for kind, value in optimiser.state[parameter].items()}
    beside = folder / "state.tmp"
    about = {"progress": json.dumps(asdict(progress))}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(beside), metadata=about)
    beside.replace(folder / STATE)


def resume(
    model: Any,  # noqa: ANN401
    optimiser: "torch.optim.Optimizer",
    folder: Path,
) -> "tuple[Progress, dict[str, torch.Tensor]]":
    """Put back what `save` wrote: how far it was, and the best weights."""
    from safetensors import safe_open

    file = folder / STATE
    if not file.exists():
        return Progress(0, {}), {}
    parameters, best = trained(model), {}
    with safe_open(str(file), "pt", device=str(model.device)) as state:
        for key in state.keys():  # noqa: SIM118 - no mapping
            kind, _, name = key.partition("/")
            tensor = state.get_tensor(key)
            if kind == "best":
                best[name] = tensor
            elif kind == "weight":
                parameters[name].data.copy_(tensor)
            else:
                optimiser.state[parameters[name]][kind] = tensor.cpu() if kind == "step" else tensor
        return Progress(**json.loads(state.metadata()["progress"])), best
