"""A small server for one causal language model: `python -m llm.serving FOLDER`. JSON schemas are kept by construction.

It answers `/v1/chat/completions` in the forms of OpenAI, vLLM and llama.cpp, and Ollama's `/api/chat`, all at once. Always
greedy; one completion at a time. Log-probabilities are the model's own, before the grammar rules tokens out.
"""

import argparse
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from core.errors import InputError, ModelError, TamizError
from llm.checkpoint import Checkpoint
from llm.grammar import legal

if TYPE_CHECKING:
    from fastapi import FastAPI
    from llguidance import LLMatcher

SEPARATORS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""The white space that models of this project are trained on."""
LONGEST = 4096


class Message(BaseModel):
    """One turn of the chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class Question(BaseModel):
    """What is asked for, in any server's form; unknown members are passed over."""

    messages: list[Message] = Field(min_length=1)
    response_format: dict[str, Any] = {}
    structured_outputs: dict[str, Any] = {}
    json_schema: dict[str, Any] | None = None
    format: dict[str, Any] | str = ""
    options: dict[str, Any] = {}
    max_tokens: int = Field(512, ge=1, le=LONGEST)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)
    stream: Literal[False] = False

    @property
    def schema_asked(self) -> Mapping[str, Any] | None:
        """The JSON schema, wherever it stands."""
        own = self.format if isinstance(self.format, dict) else None
        wrapped = self.response_format.get("json_schema", {}).get("schema")
        asked = (own, wrapped, self.response_format.get("schema"), self.structured_outputs.get("json"), self.json_schema)
        return next((schema for schema in asked if schema), None)


@dataclass(frozen=True, slots=True)
class Written:
    """A token that was written, its natural-log probability, and the likeliest ones in its place, best first."""

    token: int
    log_prob: float
    top: Sequence[tuple[int, float]]


class Engine:
    """A checkpoint that writes under a grammar."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self._checkpoint.name

    def load(self) -> None:
        """Read weights and tokenizer now. Raises ModelError."""
        _ = self._checkpoint.model, self._checkpoint.guide

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a chat, up to where the answer begins."""
        return self._checkpoint.turns([message.model_dump() for message in messages])

    def write(self, read: Sequence[int], schema: Mapping[str, Any] | None, longest: int, top: int) -> list[Written]:
        """At most `longest` tokens, the likeliest that the schema allows each time.

        Raises:
            InputError: the schema can't be kept, or the chat is too long for the model.
        """
        context = int(self._checkpoint.model.config.max_position_embeddings)
        if len(read) + longest > context:
            message = f"The chat has {len(read)} tokens and the answer up to {longest}; the model has room for {context}."
            raise InputError(message, remedy="Send less.")
        with self._turn:
            return list(self._tokens(read, self._matcher(schema), longest, top))

    def raw(self, token: int) -> bytes:
        """The bytes of a token."""
        return self._checkpoint.guide.decode_bytes([token])

    @cached_property
    def _ends(self) -> frozenset[int]:
        known: Any = self._checkpoint.model.generation_config.eos_token_id
        listed = known if isinstance(known, list) else [known]
        return frozenset(end for end in [*listed, self._checkpoint.tokenizer.eos_token_id] if end is not None)

    def _matcher(self, schema: Mapping[str, Any] | None) -> "LLMatcher | None":
        from llguidance import LLMatcher

        if schema is None:
            return None
        grammar = LLMatcher.grammar_from_json_schema(dict(schema), overrides=SEPARATORS)  # type: ignore[arg-type]
        matcher = LLMatcher(self._checkpoint.guide, grammar, log_level=0)
        if matcher.is_error():
            raise InputError(f"The schema can't be kept: {matcher.get_error()[:200]}.", remedy="Use a simpler one.")
        return matcher

    def _tokens(self, read: Sequence[int], matcher: "LLMatcher | None", longest: int, top: int) -> Iterator[Written]:
        import torch

        model, cache, following = self._checkpoint.model, None, list(read)
        with torch.inference_mode():
            for _ in range(longest):
                ids = torch.tensor([following], device=model.device)
                out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = out.past_key_values
                log_probs = out.logits[0, -1].float().log_softmax(dim=-1).cpu().numpy()
                allowed = log_probs if matcher is None else np.where(legal(matcher, len(log_probs)), log_probs, -np.inf)
                token = int(allowed.argmax())
                if token in self._ends:
                    return
                yield _written(token, log_probs, top)
                if matcher is not None and (not matcher.consume_token(token) or matcher.is_stopped()):
                    return
                following = [token]


def _written(token: int, log_probs: NDArray[np.float32], top: int) -> Written:
    best = np.argsort(-log_probs, kind="stable")[:top]
    return Written(token, float(log_probs[token]), [(int(i), float(log_probs[i])) for i in best])


def application(engine: Engine) -> "FastAPI":
    """The web application of an engine."""
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse

    app = FastAPI(title="Tamiz language model", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/v1/chat/completions")
    def completions(question: Question) -> dict[str, Any]:
        return _as_openai(engine, _completed(engine, question, question.max_tokens))

    @app.post("/api/chat")
    def chat(question: Question) -> dict[str, Any]:
        longest = min(int(question.options.get("num_predict", question.max_tokens)), LONGEST)
        return _as_ollama(engine, _completed(engine, question, longest))

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": engine.name, "object": "model"}]}

    @app.exception_handler(TamizError)
    def refused(_request: object, error: TamizError) -> JSONResponse:
        return JSONResponse({"error": {"message": str(error)}}, status_code=400)

    return app


@dataclass(frozen=True, slots=True)
class _Done:
    """A completion in every server's words."""

    text: str
    logprobs: list[dict[str, Any]] | None
    reason: str
    read: int
    generated: int


def _completed(engine: Engine, question: Question, longest: int) -> _Done:
    read = engine.chat(question.messages)
    written = engine.write(read, question.schema_asked, longest, question.top_logprobs)
    text = b"".join(engine.raw(one.token) for one in written).decode(errors="replace")
    logprobs = [_entry(engine, one) for one in written] if question.logprobs else None
    return _Done(text, logprobs, "length" if len(written) == longest else "stop", len(read), len(written))


def _entry(engine: Engine, one: Written) -> dict[str, Any]:
    top = [_named(engine, token, log_prob) for token, log_prob in one.top]
    return {**_named(engine, one.token, one.log_prob), "top_logprobs": top}


def _named(engine: Engine, token: int, log_prob: float) -> dict[str, Any]:
    raw = engine.raw(token)
    return {"id": token, "token": raw.decode(errors="replace"), "bytes": list(raw), "logprob": log_prob}


def _as_openai(engine: Engine, done: _Done) -> dict[str, Any]:
    message = {"role": "assistant", "content": done.text}
    logprobs = {"content": done.logprobs} if done.logprobs is not None else None
    choice = {"index": 0, "message": message, "finish_reason": done.reason, "logprobs": logprobs}
    usage = {"prompt_tokens": done.read, "completion_tokens": done.generated, "total_tokens": done.read + done.generated}
    return {"object": "chat.completion", "model": engine.name, "choices": [choice], "usage": usage}


def _as_ollama(engine: Engine, done: _Done) -> dict[str, Any]:
    counts = {"prompt_eval_count": done.read, "eval_count": done.generated}
    answer = {"model": engine.name, "message": {"role": "assistant", "content": done.text}, "done": True}
    return {**answer, "done_reason": done.reason, **counts, **({"logprobs": done.logprobs} if done.logprobs else {})}


def serve(engine: Engine, host: str, port: int) -> None:
    """Serve until interrupted; the address is printed when the model is ready. Raises InputError where the port is taken."""
    import uvicorn

    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listener:
        try:
            listener.bind((host, port))
            listener.listen(128)
        except OSError as error:
            raise InputError(f"Nothing can listen on {host} port {port}: {error}.", remedy="Choose another port.") from error
        engine.load()
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"http://{shown}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(application(engine), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0, or 2 where the model or the port can't be used."""
    parser = argparse.ArgumentParser(prog="python -m llm.serving", description="Serve a causal language model over HTTP.")
    parser.add_argument("folder", help="a checkpoint in safetensors format, or a hub name")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one")
    parser.add_argument("--precision", choices=("fp32", "bf16", "nf4"), default="fp32")
    given = parser.parse_args(arguments)
    try:
        serve(Engine(Checkpoint(given.folder, precision=given.precision)), given.host, given.port)
    except (InputError, ModelError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
