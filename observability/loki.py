"""Loki's push API over HTTP: what it takes, what it refuses for good, and how long to wait for it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from core.errors import ShippingError
from core.pauses import retry_after
from observability.masking import mask_text

PATH = "/loki/api/v1/push"
BAD = frozenset({400, 413, 422})
"""Statuses that say that something in the request can't be taken, however often it is sent."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request is sent again."""
_REMEDIES = {
    401: "Put user and password into observability.loki_url (https://user:password@host).",
    403: "Check the user of observability.loki_url and observability.loki_tenant.",
    404: "Check observability.loki_url: it is the address before /loki/api/v1/push.",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How long Loki is waited for.

    `timeout`: seconds for a connection and for each part of an answer. `first` and `longest`: seconds of the first and the
    longest pause; each is twice the one before, less up to half at random, and never shorter than Loki's Retry-After.
    `patience`: seconds of failures in a row after which it gives up; infinity never does.
    """

    timeout: float = 10.0
    first: float = 0.2
    longest: float = 30.0
    patience: float = 60.0


class Loki:
    """One Loki, `url` being the address before /loki/api/v1; a context manager that closes its connections.

    A user and a password may be part of the address; `tenant` is sent as X-Scope-OrgID.
    """

    def __init__(
        self,
        url: str,
        *,
        tenant: str = "",
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        address = parsed_address(url)
        self.shown = shown_address(url)
        self._policy = policy or Policy()
        self._clock = clock
        self._sleep = sleep
        self._target = address.copy_with(path=address.path.rstrip("/") + PATH)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "identity"}
        headers |= {"X-Scope-OrgID": tenant} if tenant else {}
        self._client = httpx.Client(headers=headers, timeout=self._policy.timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def push(self, body: bytes) -> str:
        """Send a gzipped body until Loki has answered; "" where all of it is stored, else why some of it never will be.

        Raises:
            ShippingError: Loki does not answer within the policy's patience, or does not let us in.
        """
        start, failures = self._clock(), 0
        while True:
            said, after = self._once(body)
            if said is None or not after:
                return said or ""
            failures += 1
            pause = self._pause(failures, after)
            if self._clock() - start + pause > self._policy.patience:
                raise ShippingError(
                    f"Loki at {self.shown} does not take logs: {said}.",
                    remedy="Start it or look at its log; what was not sent waits in the journal for the next try.",
                )
            self._sleep(pause)

    def _once(self, body: bytes) -> tuple[str | None, float]:
        """(what went wrong or None, seconds to wait at least before the next try; 0: another try would not help)."""
        try:
            response = self._client.post(self._target, content=body)
        except httpx.HTTPError as error:
            return f"{type(error).__name__} {error}".strip(), _SOON
        if response.is_success:
            return None, 0.0
        said = f"{response.status_code} {_excerpt(response)}".strip()
        if response.status_code in AGAIN:
            return said, max(_SOON, retry_after(response.headers.get("retry-after", "")))
        if response.status_code in BAD:
            return said, 0.0
        remedy = _REMEDIES.get(response.status_code, "Check observability.loki_url.")
        raise ShippingError(f"Loki at {self.shown} refuses: {said}.", remedy=remedy)

    def _pause(self, failures: int, at_least: float) -> float:
        longest = min(self._policy.longest, self._policy.first * 2.0 ** min(failures - 1, 30))
        return max(at_least, longest * random.uniform(0.5, 1.0))


_SOON = 0.001
"""Seconds: a failure after which it is worth trying again, with nothing said about when."""


def parsed_address(url: str) -> httpx.URL:
    """The address. Raises ShippingError where it is none."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ShippingError(f"{mask_text(url)} is no address ({error}).", remedy="Correct observability.loki_url.") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise ShippingError(f"{mask_text(url)!r} is no address of Loki.", remedy="Use one such as http://127.0.0.1:3100.")
    return address


def shown_address(url: str) -> str:
    """The address without user and password. Raises ShippingError where it is none."""
    return str(parsed_address(url).copy_with(username=None, password=None, query=None, fragment=None)).rstrip("/")


def _excerpt(response: httpx.Response) -> str:
    """The first words of an answer, which quotes labels and sizes, never a line."""
    return mask_text(" ".join(response.text[:2000].split())[:300])
