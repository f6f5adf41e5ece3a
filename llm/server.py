"""A language model behind an OpenAI-compatible server: vLLM, llama.cpp's server, Ollama, a hosted one."""

import hashlib
import ipaddress
import os
import string
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Self, TypeAlias

import httpx

from core.errors import ModelError, SettingsError
from llm.base import Answer
from llm.completions import answer
from llm.dialects import Dialect, address, bounds_text, completion, request
from llm.transport import Line, Policy
from prompts.prompt import Prompt

Outcome: TypeAlias = Answer | ModelError

LETTERS = tuple(string.ascii_uppercase + string.ascii_lowercase)
"""One token each in practically every tokenizer, also after a quote."""


class ServerModel:
    """A model that is asked over HTTP, several prompts at a time. Greedy, with a fixed seed.

    Args:
        url: the server's address, such as `http://localhost:8000` or `https://models.example.org/v1`.
        model: its name at the server.
        dialect: the form in which the server takes a JSON schema (`llm.dialects`).
        key_variable: environment variable with the key; "" for none. The key is in no setting, message or log.
        budget: tokens of a rendered prompt.
        template: the triage template.
        concurrency: requests at a time.
        timeout_s: seconds for one answer.
        attempts: failures after which a request gives up (`llm.transport`).
        transport: another way to the server, for tests.

    Raises:
        SettingsError: the address is none, or the key's variable is not set.
    """

    def __init__(
        self,
        url: str,
        model: str,
        dialect: Dialect,
        key_variable: str = "",
        *,
        budget: int = 3000,
        template: str = "triage.v2",
        concurrency: int = 4,
        timeout_s: float = 60.0,
        attempts: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        place = address(_checked(url), dialect)
        self._model = model
        self._name = f"{model}@{place.netloc.decode()}"
        self._dialect = dialect
        self._budget = budget
        self._template = template
        self._concurrency = concurrency
        self._policy = Policy(timeout=timeout_s, attempts=attempts)
        # A proxy of the environment is for the network, never for this machine.
        self._line = Line(place, _key(key_variable), self._policy, trust_env=not _is_local(place.host), transport=transport)
        self._kept: dict[str, tuple[float, Outcome]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._line.close()

    @property
    def name(self) -> str:
        return self._name

    @property
    def aliases(self) -> Sequence[str]:
        return LETTERS

    @property
    def learned(self) -> frozenset[str]:
        return frozenset()

    @property
    def budget(self) -> int:
        return self._budget

    @property
    def template(self) -> str:
        return self._template

    def count(self, text: str) -> int:
        """A token for every three bytes of UTF-8, rounded up: above what common tokenizers need for Spanish and English.

        Long numbers and identifiers may need more; the server's context should leave some room over the budget.
        """
        return -(-len(text.encode(errors="replace")) // 3)

    def answer(self, prompts: Sequence[Prompt], progress: Callable[[int], None] | None = None) -> list[Answer]:
        """One answer a prompt, in order; `progress` is told of each as it comes.

        Where one of them fails, the others are answered all the same and kept for `Policy.rest` seconds, the failure too: a
        caller who then asks for parts of the batch, to find the culprit, does not make the server answer anything twice.

        Raises:
            ModelError: the first prompt that failed, and why.
        """
        asked = [request(self._dialect, self._model, prompt, self._budget) for prompt in prompts]
        outcomes = self._outcomes(prompts, asked, progress)
        answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        self._keep(asked, outcomes, failed=len(answers) < len(outcomes))
        for outcome in outcomes:
            if isinstance(outcome, ModelError):
                raise outcome
        return answers

    def _outcomes(
        self, prompts: Sequence[Prompt], asked: Sequence[bytes], progress: Callable[[int], None] | None
    ) -> list[Outcome]:
        if not prompts:
            return []
        pool = ThreadPoolExecutor(min(self._concurrency, len(prompts)), thread_name_prefix="llm")
        try:
            futures = [pool.submit(self._outcome, prompt, body) for prompt, body in zip(prompts, asked, strict=True)]
            for _ in as_completed(futures):
                if progress:
                    progress(1)
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)

    def _outcome(self, prompt: Prompt, body: bytes) -> Outcome:
        until, kept = self._kept.get(_digest(body), (0.0, None))
        if kept is not None and time.monotonic() < until:
            return kept
        try:
            said = completion(self._dialect, self._line.post(body))
            read = self.count(prompt.system + prompt.user)
            return answer(prompt, said, bounded=bounds_text(self._dialect), read=read)
        except ModelError as error:
            return error

    def _keep(self, asked: Sequence[bytes], outcomes: Sequence[Outcome], *, failed: bool) -> None:
        now = time.monotonic()
        fresh = {digest: kept for digest, kept in self._kept.items() if kept[0] > now}
        if failed:
            until = now + self._policy.rest
            fresh = {_digest(body): (until, outcome) for body, outcome in zip(asked, outcomes, strict=True)} | fresh
        self._kept = fresh


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _key(variable: str) -> dict[str, str]:
    if not variable:
        return {}
    key = os.environ.get(variable, "").strip()
    if not key:
        message = f"The environment variable {variable}, which is to hold the language model's key, is not set."
        raise SettingsError(message, remedy="Set it, or empty TAMIZ_LLM__KEY_VARIABLE.")
    if not (key.isascii() and key.isprintable()):
        message = f"The key in {variable} has characters that can't be sent."
        raise SettingsError(message, remedy="Copy it again without line breaks.")
    return {"Authorization": f"Bearer {key}"}


def _checked(url: str) -> httpx.URL:
    try:
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise httpx.InvalidURL("no http address")
    except httpx.InvalidURL as error:
        message = f"The address of the language model's server can't be used: {error}."
        raise SettingsError(message, remedy="Give one such as http://localhost:8000 in TAMIZ_LLM__URL.") from error
    return parts


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
