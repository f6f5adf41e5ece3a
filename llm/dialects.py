"""How each kind of server is asked for one JSON object, and where its answer has text, tokens and counts.

openai     response_format json_schema, strict. No maxLength: strict schemas of hosted models may refuse it.
vllm       response_format json_schema; log-probabilities are those before the grammar's mask.
llamacpp   response_format json_object with a flat schema. The flat form of json_schema is documented too, but servers up
           to at least build 10868 ignore it and answer unconstrained.
ollama     `format` on its own /api/chat; its OpenAI-compatible address gives no log-probabilities. `num_ctx` is sent,
           since its default cuts long prompts without a word.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import httpx
from pydantic import BaseModel, Field, ValidationError

from core.errors import ModelError
from prompts.prompt import Prompt, skeleton

Dialect: TypeAlias = Literal["openai", "vllm", "llamacpp", "ollama"]

SEED = 7
TOP = 20
"""Most likely tokens asked for at each place; more than 20 are refused by most servers."""
ANSWER_ROOM = 1024
"""Tokens of context that are kept free for chat marks and answer."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that a server wrote: its bytes, its natural-log probability, and the likeliest ones in its place."""

    raw: bytes
    log_prob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What a server wrote. `tokens` is None where it offers no log-probabilities, a count where it tells none."""

    text: str
    tokens: tuple[Token, ...] | None = None
    read: int | None = None
    generated: int | None = None


def bounds_text(dialect: Dialect) -> bool:
    """Whether the server keeps free text within a maxLength."""
    return dialect != "openai"


def address(url: httpx.URL, dialect: Dialect) -> httpx.URL:
    """Where prompts are sent. A bare host gets the usual path; one that ends in `/v1` or the like is completed."""
    path = url.path.rstrip("/")
    if dialect == "ollama":
        return url.copy_with(path=path.removesuffix("/v1").removesuffix("/api/chat").removesuffix("/api") + "/api/chat")
    return url.copy_with(path=(path.removesuffix("/chat/completions") or "/v1") + "/chat/completions")


def room(prompt: Prompt) -> int:
    """Tokens that the longest answer may take, generously: a token for each byte of the skeleton, two for each character."""
    forced = sum(len(piece.encode()) for piece in skeleton(prompt))
    return forced + 4 * len(prompt.choices) + 2 * (prompt.free.longest if prompt.free else 0) + 32


def schema(prompt: Prompt, *, bounded: bool = True) -> dict[str, object]:
    """The JSON schema of the answer: every choice an enum of its aliases, in order, then the free text.

    Rules between fields are not in it: `completions.answer` decides again under them.
    """
    properties: dict[str, object] = {c.field: {"type": "string", "enum": list(c.aliases)} for c in prompt.choices}
    if prompt.free:
        properties[prompt.free.field] = {"type": "string", **({"maxLength": prompt.free.longest} if bounded else {})}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def request(dialect: Dialect, model: str, prompt: Prompt, budget: int) -> bytes:
    """The body of the request: greedy, with log-probabilities, bounded."""
    form = schema(prompt, bounded=bounds_text(dialect))
    asked = _ollama(prompt, form, budget) if dialect == "ollama" else _chat(dialect, prompt, form)
    messages = [{"role": role, "content": text} for role, text in (("system", prompt.system), ("user", prompt.user)) if text]
    body = {"model": model, "messages": messages, "stream": False, "logprobs": True, "top_logprobs": TOP, **asked}
    return json.dumps(body, ensure_ascii=True).encode()


def _chat(dialect: Dialect, prompt: Prompt, form: Mapping[str, object]) -> dict[str, Any]:
    named = {"name": "answer", "strict": True, "schema": form}
    asked: dict[str, Any] = {"temperature": 0, "seed": SEED, "max_tokens": room(prompt)}
    if dialect == "llamacpp":
        asked["response_format"] = {"type": "json_object", "schema": form}
    else:
        asked["response_format"] = {"type": "json_schema", "json_schema": named}
    if dialect != "openai":  # a model that thinks first would spend the room on that
        asked["chat_template_kwargs"] = {"enable_thinking": False}
    return asked


def _ollama(prompt: Prompt, form: Mapping[str, object], budget: int) -> dict[str, Any]:
    # num_ctx is the same for every prompt: the server loads the model again when it changes.
    context = -(-(budget + ANSWER_ROOM) // 1024) * 1024
    unfiltered = {"top_k": 0, "top_p": 1, "min_p": 0}
    options = {"temperature": 0, "seed": SEED, "num_predict": room(prompt), "num_ctx": context, **unfiltered}
    return {"format": form, "think": False, "options": options}


def completion(dialect: Dialect, body: bytes) -> Completion:
    """What the server wrote.

    Raises:
        ModelError: it is not of the documented form, or says that the answer was refused or cut off.
    """
    try:
        parsed = (_OllamaBody if dialect == "ollama" else _ChatBody).model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        message = f"The server's answer is not of the form of {dialect}: {problem['msg']}{f' at {where}' if where else ''}."
        raise ModelError(message, remedy="Check TAMIZ_LLM__URL and TAMIZ_LLM__DIALECT.") from error
    return parsed.completion()


class _Top(BaseModel):
    token: str
    logprob: float
    raw: list[Annotated[int, Field(ge=0, le=255)]] | None = Field(None, alias="bytes")

    @property
    def text(self) -> bytes:
        """Bytes where the server gives them: a token may be a part of a character."""
        return bytes(self.raw) if self.raw is not None else self.token.encode(errors="replace")


class _Token(_Top):
    top_logprobs: list[_Top] = []

    def token_of(self) -> Token:
        return Token(self.text, self.logprob, tuple((top.text, top.logprob) for top in self.top_logprobs))


class _Content(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Content | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = Field(None, ge=0)
    completion_tokens: int | None = Field(None, ge=0)


class _ChatBody(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None

    def completion(self) -> Completion:
        first, usage = self.choices[0], self.usage or _Usage()
        text = _finished(first.message, first.finish_reason)
        tokens = first.logprobs.content if first.logprobs else None
        return Completion(text, _tokens(tokens), usage.prompt_tokens, usage.completion_tokens)


class _OllamaBody(BaseModel):
    message: _Message
    done_reason: str | None = None
    logprobs: list[_Token] | None = None
    prompt_eval_count: int | None = Field(None, ge=0)
    eval_count: int | None = Field(None, ge=0)

    def completion(self) -> Completion:
        text = _finished(self.message, self.done_reason)
        return Completion(text, _tokens(self.logprobs), self.prompt_eval_count, self.eval_count)


def _tokens(given: Sequence[_Token] | None) -> tuple[Token, ...] | None:
    return tuple(token.token_of() for token in given) if given is not None else None


def _finished(message: _Message, reason: str | None) -> str:
    for cause, remedy in _unfinished(message, reason):
        raise ModelError(f"The server's model gave no whole answer: {cause}.", remedy=remedy)
    return message.content or ""


def _unfinished(message: _Message, reason: str | None) -> Iterator[tuple[str, str]]:
    if message.refusal or reason == "content_filter":
        yield "it refused", "Look at the ticket; triage it by hand."
    if reason == "length":
        yield "it was cut off at the limit of tokens", "Check that the server keeps to the schema and does not think first."
    if not message.content:
        yield "it is empty", "Check that the server's model answers in chat form and does not think first."
