"""The one retry policy and the one timeout policy of every language model behind HTTP."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import httpx

from core.errors import ModelError
from core.pauses import retry_after

AGAIN = frozenset({429, 502, 503, 504})
"""HTTP statuses after which a request is sent again: a greedy completion may be asked for as often as one likes."""
DOWN = frozenset({502, 503, 504})
"""Those of them that say that nobody is there, not that there is too much to do."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long one request may take, and when it is sent again.

    `timeout`: seconds for a whole answer. `attempts`: failures after which it gives up; one that took `timeout` is the last.
    `first` and `longest`: seconds of the first and the longest pause; each is twice the one before, less up to half at
    random, and never shorter than the server's Retry-After; one that asks for more than `longest` is not waited for.
    `rest`: seconds in which a server that did not answer is not asked again. `most`: bytes of an answer.
    """

    timeout: float = 60.0
    attempts: int = 3
    first: float = 0.25
    longest: float = 20.0
    rest: float = 30.0
    most: int = 8 * 2**20


@dataclass(frozen=True, slots=True)
class _Failure:
    """`again`: worth another attempt. `silent`: nobody answered. `late`: no answer in time. `after`: seconds to wait."""

    error: ModelError
    again: bool = False
    silent: bool = False
    late: bool = False
    after: float = 0.0


class _Refused(Exception):
    """An answer that was stopped while it was read."""


class _TooLate(_Refused):
    pass


class Line:
    """Requests to one address. Thread-safe.

    After a request that nobody answered, however often it was sent, and after two in a row without an answer in time, the
    server counts as down: for `Policy.rest` seconds every request fails at once. So a dead server costs its waits once and
    not once a ticket, and one prompt that takes too long does not shut out the others.
    """

    def __init__(
        self,
        url: httpx.URL,
        headers: Mapping[str, str],
        policy: Policy,
        *,
        trust_env: bool = True,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.shown = str(url.copy_with(username=None, password=None, query=None, fragment=None))
        self._url = url
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._secrets = [part for value in headers.values() for part in value.split() if len(part) > 6]
        self._client = httpx.Client(headers=dict(headers), transport=transport, trust_env=trust_env)
        self._lock = threading.Lock()
        self._late = 0
        self._down: tuple[float, ModelError] | None = None

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def post(self, body: bytes) -> bytes:
        """The server's answer.

        Raises:
            ModelError: there is none, or it says that it failed.
        """
        for attempt in range(1, self._policy.attempts + 1):
            self._refuse_while_down()
            outcome = self._once(body)
            self._note(outcome, last=attempt == self._policy.attempts)
            if isinstance(outcome, bytes):
                return outcome
            pause = max(outcome.after, self._pause(attempt))
            if not outcome.again or attempt == self._policy.attempts or pause > self._policy.longest:
                raise outcome.error
            self._sleep(pause)
        raise ValueError("at least one attempt is needed")

    def _pause(self, attempt: int) -> float:
        return min(self._policy.longest, self._policy.first * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)

    def _refuse_while_down(self) -> None:
        with self._lock:
            if self._down and self._clock() < self._down[0]:
                message = f"The language model's server is not asked: a moment ago it failed. {self._down[1].message}"
                raise ModelError(message, remedy=self._down[1].remedy) from self._down[1]

    def _note(self, outcome: bytes | _Failure, *, last: bool) -> None:
        with self._lock:
            if isinstance(outcome, bytes) or not (outcome.silent or outcome.late):
                self._late, self._down = 0, None
                return
            self._late += outcome.late
            if (outcome.silent and last) or self._late > 1:
                self._down = (self._clock() + self._policy.rest, outcome.error)

    def _once(self, body: bytes) -> bytes | _Failure:
        end = self._clock() + self._policy.timeout
        timeout = httpx.Timeout(self._policy.timeout, connect=min(10.0, self._policy.timeout))
        # identity: a small compressed answer could be a huge one.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers, timeout=timeout) as response:
                content = b"".join(self._bounded(response, end))
                return content if response.is_success else self._refusal(response, content)
        except (httpx.RequestError, _Refused) as error:
            return self._broken(error)

    def _bounded(self, response: httpx.Response, end: float) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > self._policy.most:
                raise _Refused
            if self._clock() > end:
                raise _TooLate
            yield chunk

    def _broken(self, error: Exception) -> _Failure:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            remedy = "Start the server, or correct TAMIZ_LLM__URL."
            return _Failure(self._error(f"Nothing answers at {self.shown} ({error})", remedy), again=True, silent=True)
        if isinstance(error, httpx.TimeoutException | _TooLate):
            what = f"{self.shown} gave no whole answer within {self._policy.timeout:g} s"
            return _Failure(self._error(what, "Use a faster server, or raise TAMIZ_LLM__TIMEOUT_S."), late=True)
        if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
            what = f"{self.shown} broke the connection ({type(error).__name__})"
            return _Failure(self._error(what, "Look at the server's log."), again=True, silent=True)
        if isinstance(error, _Refused):
            what = f"{self.shown} sent more than {self._policy.most} bytes"
            return _Failure(self._error(what, "Check that the address is that of a language model's server."))
        return _Failure(self._error(f"{self.shown} can't be asked ({type(error).__name__})", "Check TAMIZ_LLM__URL."))

    def _refusal(self, response: httpx.Response, content: bytes) -> _Failure:
        status = response.status_code
        error = self._error(f"{self.shown} answered {status}{self._excerpt(content)}", _remedy(status))
        after = retry_after(response.headers.get("retry-after", ""))
        return _Failure(error, again=status in AGAIN, silent=status in DOWN, after=after)

    def _excerpt(self, content: bytes) -> str:
        text = " ".join(content[:2000].decode(errors="replace").split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return f": {text[:200]}" if text else ""

    def _error(self, message: str, remedy: str) -> ModelError:
        return ModelError(message.rstrip(".") + ".", remedy=remedy)


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Check the key in the environment variable that TAMIZ_LLM__KEY_VARIABLE names."
    if status == 404:
        return "Check TAMIZ_LLM__URL, and that the server has the model of TAMIZ_LLM__MODEL."
    if status == 429:
        return "Ask for less at a time (TAMIZ_LLM__CONCURRENCY), or run again later."
    if status >= 500:
        return "Look at the server's log, or run again later."
    return "The server does not accept this request; check TAMIZ_LLM__DIALECT and the server's version."
