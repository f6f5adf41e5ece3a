"""From what a server wrote to an answer: everything is checked again, nothing is made up.

A choice's distribution is read where its value begins. The likeliest tokens there that spell an alias have the server's own
log-probabilities; the aliases that are not among them share the mass that is left equally, none of them above the least
likely token that was listed. Then they are normalised over the choice's labels.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError
from llm.base import Answer
from llm.dialects import Completion, Token
from prompts.prompt import Choice, FreeText, Prompt, allowed

Floats: TypeAlias = NDArray[np.float64]

UNMEASURED = 0.9
"""Probability of the chosen label where a server offers no log-probabilities; the others share the rest equally."""
FLOOR = 1e-9
"""Least probability of a label: a server's list is short and its numbers are rounded."""
ROUNDING = 1e-3
"""By how much a log-probability may be above 0, or the sum of probabilities above 1, before it counts as wrong."""
SHOWN = 60
"""Characters of a wrong value that a message repeats."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LINE_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def answer(prompt: Prompt, said: Completion, *, bounded: bool, read: int) -> Answer:
    """The answer that a completion gives.

    The labels are decided again in order, under the prompt's rules, from the distributions; each of these is given the
    aliases that the server wrote before it. Where the server can't bound free text (`bounded` is False), a longer one is cut
    after a word and ends in "…". `read`: tokens of the prompt, if the server does not tell.

    Raises:
        ModelError: what was written is not the JSON object that was asked for, or its log-probabilities are wrong.
    """
    values = parsed(prompt, said.text)
    log_probs = distributions(prompt.choices, said, values)
    labels: dict[str, str] = {}
    for choice in prompt.choices:
        labels[choice.field] = _decided(prompt, choice, labels, log_probs[choice.field], values[choice.field])
    text = line(values[prompt.free.field], prompt.free, bounded=bounded) if prompt.free else ""
    content = {**labels, **({prompt.free.field: text} if prompt.free else {})}
    generated = said.generated if said.generated is not None else len(said.tokens or ())
    completed = json.dumps(content, ensure_ascii=False)
    return Answer(labels, log_probs, text, completed, said.read if said.read is not None else read, 0, generated)


def parsed(prompt: Prompt, text: str) -> dict[str, str]:
    """field -> alias, and the free text as it was written.

    Raises:
        ModelError: it is not one JSON object with exactly the prompt's fields, each an alias of its choice.
    """
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"it is no JSON ({str(error)[:SHOWN]})") from error
    if not isinstance(pairs, _Pairs):
        raise _wrong("it is no JSON object")
    for cause in _faults(prompt, pairs):
        raise _wrong(cause)
    return dict(pairs)


class _Pairs(list[tuple[str, str]]):
    """The members of a JSON object as they were written, repeated keys included."""


def _faults(prompt: Prompt, pairs: "_Pairs") -> Iterator[str]:
    wanted = [c.field for c in prompt.choices] + ([prompt.free.field] if prompt.free else [])
    keys = [key for key, _ in pairs]
    if sorted(keys) != sorted(wanted):
        yield f"it has the fields {_shown(keys)} instead of {_shown(wanted)}"
    values = dict(pairs)
    if wrong := [field for field in wanted if not isinstance(values.get(field), str)]:
        yield f"{wrong[0]!r} is not a string"
    for choice in prompt.choices:
        if values[choice.field] not in choice.aliases:
            yield f"{_shown(values[choice.field])} is not offered for {choice.field!r}"


def _wrong(cause: str) -> ModelError:
    remedy = "Check that the server supports JSON schemas for this model, and TAMIZ_LLM__DIALECT."
    return ModelError(f"The answer of the language model's server can't be used: {cause}.", remedy=remedy)


def _shown(value: object) -> str:
    said = repr(value)
    return said if len(said) <= SHOWN else said[: SHOWN - 1] + "…"


def line(text: str, free: FreeText, *, bounded: bool) -> str:
    """Free text on one line without control characters, of at most `free.longest` characters.

    Raises:
        ModelError: it is longer and the server was to bound it; else it is cut after a word and ends in "…".
    """
    plain = "".join(" " if unicodedata.category(c) in _LINE_BREAKS else c for c in text)
    words = " ".join(plain.split())
    if len(words) <= free.longest:
        return words
    if bounded:
        raise _wrong(f"{free.field!r} has {len(words)} characters, {free.longest} are allowed")
    kept = words[: free.longest - 1]
    whole = kept if words[free.longest - 1] == " " else kept.rpartition(" ")[0] or kept
    return whole.rstrip(" ,;:.-") + "…"


def distributions(choices: Sequence[Choice], said: Completion, values: Mapping[str, str]) -> dict[str, Floats]:
    """field -> natural-log probabilities over the choice's labels, shape (labels,).

    Raises:
        ModelError: a log-probability is no number or positive, or the tokens do not spell the answer up to its last choice.
            What comes after is not compared: servers differ in how they show parts of characters.
    """
    if said.tokens is None:
        return {choice.field: _unmeasured(choice, values[choice.field]) for choice in choices}
    starts = _starts(said.text)
    found = {c.field: _token_at(said.tokens, said.text.encode(errors="replace"), starts[c.field], c.field) for c in choices}
    return {c.field: _measured(c, *found[c.field], values[c.field]) for c in choices}


def _unmeasured(choice: Choice, alias: str) -> Floats:
    count = len(choice.aliases)
    if count == 1:
        return np.zeros(1)
    shares = np.full(count, (1.0 - UNMEASURED) / (count - 1))
    shares[choice.aliases.index(alias)] = UNMEASURED
    said: Floats = np.log(shares)
    return said


def _starts(text: str) -> dict[str, int]:
    """field -> where its value begins, in bytes, for an object that holds nothing but strings."""
    strings = [(json.loads(m.group()), len(text[: m.start() + 1].encode(errors="replace"))) for m in _STRING.finditer(text)]
    return {key: start for (key, _), (_, start) in zip(strings[::2], strings[1::2], strict=True)}


def _token_at(tokens: Sequence[Token], text: bytes, start: int, field: str) -> tuple[Token, bytes]:
    """The token that covers a place of the text, and what it has before that place."""
    at = 0
    for token in tokens:
        end = at + len(token.raw)
        if text[at:end] != token.raw:
            break
        if at <= start < end:
            return token, token.raw[: start - at]
        at = end
    raise _wrong(f"the tokens of its log-probabilities do not spell {field!r} as it is in the answer")


def _measured(choice: Choice, token: Token, before: bytes, alias: str) -> Floats:
    listed = dict(token.top)
    listed.setdefault(token.raw, token.log_prob)
    if cause := _numbers_wrong([token.log_prob, *(said for _, said in token.top)]):
        raise _wrong(f"the log-probabilities of {choice.field!r} are wrong: {cause}")
    known = {a: found for a in choice.aliases if (found := _spelled(a, before, listed)) is not None}
    if alias not in known:
        raise _wrong(f"the log-probabilities of {choice.field!r} do not show {alias!r}, which was answered")
    return _spread([known.get(a) for a in choice.aliases], list(listed.values()))


def _numbers_wrong(said: Sequence[float]) -> str:
    if not all(math.isfinite(number) for number in said):
        return "one is no number"
    if max(said) > ROUNDING:
        return "one is above 0"
    if len(said) > 1 and math.fsum(map(math.exp, said[1:])) > 1 + ROUNDING:
        return "together they are more than certain"
    return ""


def _spelled(alias: str, before: bytes, listed: Mapping[bytes, float]) -> float | None:
    """Log-probability of the tokens that spell an alias after `before`, alone or with the quote that ends it."""
    whole = before + alias.encode()
    found = [said for raw, said in listed.items() if raw == whole or raw.startswith(whole + b'"')]
    return float(np.logaddexp.reduce(found)) if found else None


def _spread(known: Sequence[float | None], listed: Sequence[float]) -> Floats:
    """Normalised log-probabilities; those that are None share what the listed tokens leave."""
    missing = sum(said is None for said in known)
    left = max(1.0 - math.fsum(map(math.exp, listed)), FLOOR)
    share = min(math.log(left) - math.log(missing), min(listed)) if missing else 0.0
    said = np.array([share if one is None else one for one in known])
    floored = np.maximum(said - np.logaddexp.reduce(said), math.log(FLOOR))
    result: Floats = floored - np.logaddexp.reduce(floored)
    return result


def _decided(prompt: Prompt, choice: Choice, chosen: Mapping[str, str], said: Floats, alias: str) -> str:
    """The likeliest label that the rules allow; of equal ones the one that was written."""
    places = allowed(prompt.rules, choice, chosen)
    return choice.labels[max(places, key=lambda i: (float(said[i]), choice.aliases[i] == alias))]
