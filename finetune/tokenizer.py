"""The shipped model's tokenizer: byte-level BPE for Spanish and English, with one token for each mark of the compact prompt."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ALIASES = 128
BUCKETS = 10
CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = ("field", "option", "context", "past", "so", "ticket", "proposal")
SKELETON = ('{"', '": "', '", "', '"}')
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def special_tokens() -> Iterator[str]:
    """Every mark that a text from outside can't contain, because its `<|` is broken up before."""
    yield from CHAT
    yield from (f"<|{mark}|>" for mark in MARKS)
    yield from (f"<|near{bucket}|>" for bucket in range(BUCKETS))
    yield from (f"<|{number}|>" for number in range(ALIASES))


def train_tokenizer(texts: Iterable[str], size: int) -> "PreTrainedTokenizerFast":
    """A tokenizer with `size` tokens, trained on `texts`; digits stand alone and accents are kept."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    words = Regex(r"\s?\p{L}+|\p{N}|\s?[^\s\p{L}\p{N}]+|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = list(special_tokens())
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SKELETON),
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in SKELETON])
    fast: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerFast = fast(
        tokenizer_object=tokenizer,
        pad_token=CHAT[0],
        eos_token=CHAT[2],
        additional_special_tokens=specials[3:],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    return made
