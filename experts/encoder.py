"""The encoder expert: the embedder fine-tuned end to end, or by LoRA, with one linear head a field. Runs on a CPU."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import FitError
from core.ticket import Evidence
from core.triage import LogProbs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the encoder is trained. `base` is a directory or name of a transformers encoder; `lora_rank` 0 trains all weights.

    `max_tokens` cuts texts; `learning_rate` is that of the encoder, the heads learn ten times faster.
    """

    base: str
    epochs: int = 3
    learning_rate: float = 2e-4
    batch_size: int = 32
    max_tokens: int = 96
    label_smoothing: float = 0.05
    weight_decay: float = 0.01
    lora_rank: int = 0
    seed: int = 0


class EncoderModel:
    """An encoder with mean pooling and one linear head a field. `sizes`: field -> number of labels.

    `pretrained` False makes the architecture of `base` with random weights, for `load_state`.
    """

    def __init__(self, base: str | Path, sizes: Mapping[str, int], lora_rank: int = 0, *, pretrained: bool = True) -> None:
        import torch
        from transformers import AutoConfig, AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self.sizes = dict(sizes)
        self.tokenizer = AutoTokenizer.from_pretrained(str(base), trust_remote_code=False)
        if pretrained:
            self.encoder = AutoModel.from_pretrained(str(base), trust_remote_code=False, use_safetensors=True)
        else:
            config = AutoConfig.from_pretrained(str(base))
            self.encoder = AutoModel.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
        self.config = self.encoder.config
        width = int(self.config.hidden_size)
        if lora_rank:
            from peft import LoraConfig, get_peft_model

            targets = ["query", "key", "value", "dense"]
            self.encoder = get_peft_model(self.encoder, LoraConfig(r=lora_rank, lora_alpha=2 * lora_rank, target_modules=targets))
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(width, size) for name, size in self.sizes.items()})
        self.dropout = torch.nn.Dropout(0.1)

    def tokenize(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text, at most `max_tokens`."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
        return ids

    def logits(self, ids: Sequence[Sequence[int]]) -> "dict[str, torch.Tensor]":
        """field -> (texts, labels) in fp32."""
        import torch

        width = max(map(len, ids))
        tokens = torch.zeros(len(ids), width, dtype=torch.long)
        mask = torch.zeros(len(ids), width, dtype=torch.long)
        for row, text in enumerate(ids):
            tokens[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
            hidden = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        pooled = self.dropout((hidden * weights).sum(1) / weights.sum(1))
        return {name: head(pooled) for name, head in self.heads.items()}

    def train(self, mode: bool = True) -> None:
        """Switch dropout on or off everywhere."""
        for part in (self.encoder, self.heads, self.dropout):
            part.train(mode)

    def log_probs(self, texts: Sequence[str], max_tokens: int, batch_size: int = 64) -> dict[str, LogProbs]:
        """field -> (texts, labels); texts are batched by length."""
        import torch

        self.train(False)
        ids = self.tokenize(texts, max_tokens)
        order = np.argsort([len(i) for i in ids], kind="stable")
        result = {name: np.empty((len(texts), size)) for name, size in self.sizes.items()}
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                for name, logits in self.logits([ids[i] for i in rows]).items():
                    result[name][rows] = torch.log_softmax(logits.double(), -1).numpy()
        return result

    def state(self) -> "dict[str, torch.Tensor]":
        """All weights by name."""
        encoder = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        return {**encoder, **{f"heads.{k}": v for k, v in self.heads.state_dict().items()}}

    def load_state(self, state: "Mapping[str, torch.Tensor]") -> None:
        """The inverse of `state`."""
        self.encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")})
        self.heads.load_state_dict({k.removeprefix("heads."): v for k, v in state.items() if k.startswith("heads.")})

    def parameters(self) -> "Iterator[torch.nn.Parameter]":
        """Every weight that is trained."""
        yield from (p for p in self.encoder.parameters() if p.requires_grad)
        yield from self.heads.parameters()


def native_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; without that bf16 is several times slower than fp32."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(slots=True)
class EncoderExpert:
    """A trained encoder on disk, loaded when it is first asked."""

    path: Path
    _loaded: tuple[EncoderModel, EncoderSettings] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return "encoder"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels)."""
        model, settings = self._model()
        return model.log_probs([ticket.text for ticket in evidence.tickets], settings.max_tokens)

    def _model(self) -> tuple[EncoderModel, EncoderSettings]:
        if self._loaded is None:
            self._loaded = load_encoder(self.path)
        return self._loaded


def save_encoder(model: EncoderModel, settings: EncoderSettings, path: Path) -> None:
    """Write weights (safetensors), architecture, tokenizer and settings to a directory that stands on its own."""
    from safetensors.torch import save_file

    path.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(path)
    model.tokenizer.save_pretrained(path)
    save_file({k: v.contiguous() for k, v in model.state().items()}, path / "weights.safetensors")
    (path / "encoder.json").write_text(json.dumps({"settings": asdict(settings), "sizes": model.sizes}, indent=1))


def load_encoder(path: Path) -> tuple[EncoderModel, EncoderSettings]:
    """Read what `save_encoder` wrote.

    Raises:
        FitError: there is no encoder at `path`, or it is incomplete.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        about = json.loads((path / "encoder.json").read_text())
        settings = EncoderSettings(**about["settings"])
        model = EncoderModel(path, about["sizes"], settings.lora_rank, pretrained=False)
        model.load_state(load_file(path / "weights.safetensors"))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise FitError(
            f"The encoder at {path} can't be read ({str(error)[:200]}).", remedy="Run `python -m batch fit --encoder` again."
        ) from error
    return model, settings
