"""A tiny BERT with random weights and a word list of its own, and texts to train it on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.text import fold
from experts.encoder import EncoderExpert, EncoderSettings
from experts.encoder_training import train_encoder
from experts.outoffold import EncoderOpinions
from tests.experts.expert_examples import FILLERS, TAXONOMY, WORDS, past

FIELDS = ("category", "urgency")
EXEMPLARS = past(60, clarity=1.0)
TEXTS = [e.text for e in EXEMPLARS]
LABELS = [e.labels for e in EXEMPLARS]
FOLDS = np.arange(60) % 3
SIZES = {f: len(TAXONOMY.labels(f)) for f in FIELDS}
GOLD = np.array([TAXONOMY.labels("category").index(row["category"]) for row in LABELS])
STAGES = ["encoder, fold 1 of 3", "encoder, fold 2 of 3", "encoder, fold 3 of 3", "encoder, on everything"]
PER_EPOCH = 5
"""Steps of a fold: forty texts in batches of eight."""


def make_base(home: Path) -> Path:
    """A BERT of two layers, 32 wide, with its tokenizer, as a folder of `from_pretrained`."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    words = vocabulary()
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(home)
    _save_tokenizer(words, home)
    return home


def vocabulary() -> list[str]:
    """Special tokens, the examples' words as BERT folds them, and single characters for all the rest."""
    known = {w for texts in WORDS.values() for ws in texts.values() for w in ws} | {w for ws in FILLERS.values() for w in ws}
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [str(d) for d in range(10)] + ["!"]
    pieces = [*letters, *(f"##{c}" for c in letters), *sorted({fold(w) for w in known} - {*letters}), "urgente"]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]


def _save_tokenizer(words: Sequence[str], home: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", words.index("[CLS]")), ("[SEP]", words.index("[SEP]"))]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(home)  # type: ignore[no-untyped-call]


def settings(base: Path, **changed: Any) -> EncoderSettings:  # noqa: ANN401 - fields of the settings
    """Quick to learn: a high rate, small batches, two epochs."""
    quick = EncoderSettings(str(base), epochs=2, learning_rate=3e-3, batch_size=8, max_tokens=32)
    return replace(quick, **changed)


@dataclass
class Watched:
    """Progress that remembers where it has been; `stop_at` (stage, step) is where it is interrupted."""

    stop_at: tuple[str, int] | None = None
    steps: dict[str, list[int]] = field(default_factory=dict)
    totals: set[int] = field(default_factory=set)

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.steps.setdefault(stage, []).append(done)
        self.totals.add(total)
        if (stage, done) == self.stop_at:
            raise KeyboardInterrupt


def train(
    chosen: EncoderSettings,
    workdir: Path,
    progress: Watched | None = None,
    *,
    labels: Sequence[Mapping[str, str]] = LABELS,
    folds: NDArray[np.intp] = FOLDS,
) -> EncoderOpinions:
    """Train on the sixty texts in three folds."""
    return train_encoder(chosen, workdir, TEXTS, labels, TAXONOMY, FIELDS, folds, progress or Watched())


def path_of(opinions: EncoderOpinions) -> Path:
    """Where the model that serves is."""
    assert isinstance(opinions.expert, EncoderExpert)
    return opinions.expert.path
