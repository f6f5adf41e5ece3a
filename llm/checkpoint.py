"""A checkpoint on disk: tokenizer, weights, adapter. Safetensors only, nothing from outside is executed."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from core.errors import ModelError
from llm.grammar import Masks, one_line

if TYPE_CHECKING:
    from llguidance import LLTokenizer

Precision: TypeAlias = Literal["auto", "fp32", "bf16", "nf4"]

TRAINED_ON = "trained_on.txt"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class Checkpoint:
    """Loaded when first used.

    Args:
        source: a folder, or a name on the model hub with its `revision`.
        adapter: the folder of a PEFT adapter, or None.
        precision: nf4 needs bitsandbytes; auto is bf16 where the processor has it in hardware, else fp32.
    """

    source: str
    revision: str = ""
    adapter: Path | None = None
    precision: Precision = "fp32"

    @cached_property
    def name(self) -> str:
        """Last part of the source, the adapter if there is one, and a digest of the weights."""
        label = Path(self.source).name + (f"+{self.adapter.name}" if self.adapter else "")
        return f"{label}@{self._digest}"

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.source if not Path(self.source).is_dir() else ''} {self.revision}".encode())
        for folder in filter(None, (Path(self.source), self.adapter)):
            for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]) if folder.is_dir() else []:
                digest.update(file.name.encode())
                digest.update(hashlib.file_digest(file.open("rb"), "sha256").digest())
        return digest.hexdigest()[:12]

    @cached_property
    def learned(self) -> frozenset[str]:
        """Digests of the texts that the adapter was trained on, which it names in a file beside its weights."""
        file = self.adapter / TRAINED_ON if self.adapter else None
        return frozenset(file.read_text(encoding="utf-8").split()) if file and file.is_file() else frozenset()

    @cached_property
    def tokenizer(self) -> Any:  # noqa: ANN401 - a transformers tokenizer, whose types are imported late
        from transformers import AutoTokenizer

        with loading(self.source):
            return AutoTokenizer.from_pretrained(self.source, revision=self.revision or None, trust_remote_code=False)

    @cached_property
    def model(self) -> Any:  # noqa: ANN401 - a transformers model, whose types are imported late
        import torch
        from transformers import AutoModelForCausalLM

        device = "cuda" if torch.cuda.is_available() else "cpu"
        half = self.precision == "bf16" or (self.precision == "auto" and native_bf16())
        with loading(self.source):
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.source,
                revision=self.revision or None,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.bfloat16 if half else torch.float32,
                attn_implementation="sdpa",
                **({"quantization_config": nf4()} if self.precision == "nf4" else {}),
            )
            if self.adapter:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, str(self.adapter), use_safetensors=True)
        return model.to(device).eval() if self.precision != "nf4" else model.eval()

    @property
    def pad(self) -> int:
        """A token that stands where nothing is read."""
        return int(self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text without anything added."""
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, specials left out."""
        text: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def chat(self, system: str, user: str) -> list[int]:
        """What is read before the answer begins."""
        return self.encode(chat_text(self.tokenizer, messages(system, user)))

    def turns(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """A chat in the form that the model was trained on, up to where the answer begins."""
        return self.encode(chat_text(self.tokenizer, messages))

    @cached_property
    def alias_ids(self) -> dict[str, int]:
        """alias -> its one token."""
        numbered = [f"<|{i}|>" for i in range(256)]
        own = {alias: tokens[0] for alias in numbered if len(tokens := self.encode(alias)) == 1}
        if own:
            return own
        # Inside a JSON string the quote before it decides how a letter is cut: it must stay one token there.
        quote = self.encode('": "')
        return {c: t[-1] for c in LETTERS if (t := self.encode('": "' + c))[:-1] == quote and len(t) == len(quote) + 1}

    def aliases(self) -> tuple[str, ...]:
        """In the order in which they are dealt."""
        if not self.alias_ids:
            raise ModelError(
                f"The tokenizer of {self.source!r} has no letters of one token.", remedy="Use a model with a common tokenizer."
            )
        return tuple(self.alias_ids)

    def one_line(self, longest: int, rows: int) -> Masks:
        """Masks for free text of one line that ends the JSON object."""
        return Masks(self.guide, one_line(longest), rows)

    @cached_property
    def guide(self) -> "LLTokenizer":
        """The tokenizer as grammars see it, as wide as the model's output."""
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self.tokenizer, n_vocab=int(self.model.config.vocab_size))


def messages(system: str, user: str) -> list[dict[str, str]]:
    """A prompt as a chat."""
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": user}]


def chat_text(tokenizer: Any, turns: Sequence[Mapping[str, str]]) -> str:  # noqa: ANN401 - a transformers tokenizer
    """A chat in the form that the model was trained on, up to where the answer begins."""
    text: str = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
    return text


def native_bf16() -> bool:
    """Whether the processor in use multiplies bfloat16 in hardware; without that a CPU is several times slower with it."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def nf4() -> Any:  # noqa: ANN401 - a transformers configuration, whose types are imported late
    """Weights in 4 bit (NormalFloat, doubly quantised); computed in bf16 on a GPU, in fp32 on a CPU."""
    import torch
    from transformers import BitsAndBytesConfig

    configuration: Any = BitsAndBytesConfig
    compute = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return configuration(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


@contextmanager
def loading(source: str) -> Iterator[None]:
    """The one place that knows what the libraries raise on a bad checkpoint."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"The language model {source!r} can't be loaded: {(str(error) or type(error).__name__).splitlines()[0]}.",
            remedy="Name a folder or a hub model in safetensors format; a hub model must have been downloaded before.",
        ) from error
