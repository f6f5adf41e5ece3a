"""A service desk over plain HTTP and JSON, with effectively-once writeback per (ticket, revision).

The guarded writeback: read the ticket; where it bears the marker of this very writeback there is nothing to do; where its
revision is another, nothing is written; else one update sets fields, comment and marker together, under the revision that
was read. Whatever happens to the answer of that update, the ticket is read again and its marker tells what became of it.
The update itself is never repeated blindly.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from core.errors import DeskError, RevisionConflict, RowError
from core.pauses import retry_after
from core.text import fold
from core.ticket import Ticket
from core.trail import Change, Comment
from servicedesk.address import checked, headers, is_local
from servicedesk.desk import DeskState, WriteResult
from servicedesk.retry import RETRYABLE, Attempts, Policy
from servicedesk.wire import MARKER, WireComments, WirePage, WireTicket, WireTrail, decoded, problem

REVISION = "revision"
"""Key of the marker with the revision that the writeback was decided on."""
DEFAULT_POLICY = Policy()
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Failure:
    """A request that did not succeed. `lasting`: trying again is of no use. `after`: seconds the desk asks to wait."""

    error: DeskError
    lasting: bool = False
    after: float = 0.0


class HttpDesk:
    """One service desk. Thread-safe but for `problems` and `settled`, which belong to the latest listing.

    Args:
        url: address of the desk, such as `https://desk.example.org`.
        token: bearer token; never part of a message.
        actor: the name under which the desk's audit trail shows the changes.
        policy: retries and timeouts.
        page_size: tickets asked for at a time.

    Raises SettingsError for an address that is none; every other error is a DeskError with what to do about it.
    """

    def __init__(
        self, url: str, *, token: str = "", actor: str = "tamiz", policy: Policy = DEFAULT_POLICY, page_size: int = 200
    ) -> None:
        self.url = checked(url)
        self.actor = actor
        self.problems: list[RowError] = []
        self.settled: list[str] = []
        self._policy = policy
        self._page_size = page_size
        self._reached = False
        # A proxy of the environment is for the network, never for this machine.
        self._client = httpx.Client(base_url=url, headers=headers(token, actor), trust_env=not is_local(self.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def open_tickets(self, limit: int | None = None, *, settled: bool = False) -> Iterator[Ticket]:
        """Open tickets, oldest first, page by page; at most `limit`.

        One that can't be read is added to `problems` (row: its place in the listing, from 1) and left out. One that has not
        changed since our last writeback is added to `settled` and left out, unless `settled` is True.
        """
        self.problems, self.settled = [], []
        given = 0
        for row, raw in enumerate(self._listing({"status": "open"}) if limit != 0 else (), 1):
            state = self._row(raw, row)
            if state is not None and state.settled and not settled:
                self.settled.append(state.ticket.id)
            elif state is not None:
                yield state.ticket
                given += 1
            if given == limit:
                return

    def updated_since(self, moment: datetime | None) -> Iterator[DeskState]:
        """Every ticket, whatever its status, that was made or changed at `moment` or later (None: all), in order of creation.

        Page by page, while people go on working: one that changes meanwhile may come in either form. One that can't be read is
        added to `problems`.
        """
        self.problems, self.settled = [], []
        query = {} if moment is None else {"updated_since": moment.isoformat()}
        states = (self._row(raw, row) for row, raw in enumerate(self._listing(query), 1))
        yield from (state for state in states if state is not None)

    def history(self, ticket_id: str) -> list[Change]:
        """A ticket's audit trail, oldest first."""
        content = self._read(f"{_path(ticket_id)}/history", Attempts(self._policy)).content
        try:
            return [one.change() for one in WireTrail.model_validate(decoded(content)).history]
        except ValueError as error:
            raise self._unreadable(f"history of ticket {ticket_id}") from error

    def comments(self, ticket_id: str) -> list[Comment]:
        """What was written under a ticket, oldest first, our own comments too."""
        content = self._read(f"{_path(ticket_id)}/comments", Attempts(self._policy)).content
        try:
            return [one.comment() for one in WireComments.model_validate(decoded(content)).comments]
        except ValueError as error:
            raise self._unreadable(f"comments of ticket {ticket_id}") from error

    def get(self, ticket_id: str) -> DeskState:
        """A ticket as it stands at the desk."""
        return self._get(ticket_id, Attempts(self._policy))

    def write(
        self,
        ticket_id: str,
        *,
        revision: str,
        fields: Mapping[str, str],
        comment: str,
        marker: Mapping[str, str],
        ours: Mapping[str, str] = _NOTHING,
    ) -> WriteResult:
        """Write fields ("" empties one), an internal comment ("" for none) and the marker, once, to the ticket at `revision`.

        `ours` are fields that hold what we wrote earlier, which may be replaced. `marker` identifies the decision (its digest)
        and has to be the same whenever the same writeback is tried again, so it holds no time and no run number. A field that
        holds something else is left alone and reported as skipped.

        Raises RevisionConflict where the ticket has changed otherwise; nothing was written then. Raises DeskError where the
        desk did not do it, or it is not known; calling again with the same marker is always safe.
        """
        mark = {**marker, REVISION: revision}
        attempts = Attempts(self._policy)
        sent: dict[str, str] | None = None
        while (state := self._get(ticket_id, attempts)).marker != mark:
            _same_revision(state, revision)
            sent, skipped = _free(state.fields, fields, ours)
            outcome = self._update(ticket_id, revision, _body(ticket_id, sent, comment, mark), attempts)
            if isinstance(outcome, DeskState):
                _verify(outcome, sent, mark)
                return WriteResult(outcome.ticket.revision, written=True, skipped=skipped)
            self._pause(outcome, attempts)
        if sent is None:
            return WriteResult(state.ticket.revision, written=False, skipped=_free(state.fields, fields, ours)[1])
        if state.settled:  # else somebody has changed it since, and may have changed these fields
            _verify(state, sent, mark)
        return WriteResult(state.ticket.revision, written=True, skipped=skipped)

    def _listing(self, query: Mapping[str, str]) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self._page({**query, "limit": str(self._page_size), **({"cursor": cursor} if cursor else {})})
            yield from page.tickets
            if page.next is None:
                return
            if page.next == cursor:
                raise DeskError("The desk's listing does not advance.", remedy="Report it to whoever runs the desk.")
            cursor = page.next

    def _page(self, query: Mapping[str, str]) -> WirePage:
        response = self._read("/tickets", Attempts(self._policy), query)
        try:
            return WirePage.model_validate(decoded(response.content))
        except ValueError as error:
            raise self._unreadable("listing") from error

    def _row(self, raw: object, row: int) -> DeskState | None:
        try:
            return WireTicket.model_validate(raw).state()
        except ValidationError as error:
            self.problems.append(problem(error, row))
            return None

    def _get(self, ticket_id: str, attempts: Attempts) -> DeskState:
        return self._parsed(self._read(_path(ticket_id), attempts), ticket_id)

    def _parsed(self, response: httpx.Response, ticket_id: str) -> DeskState:
        try:
            state = WireTicket.model_validate(decoded(response.content)).state()
        except ValueError as error:
            raise self._unreadable(f"ticket {ticket_id}") from error
        if state.ticket.id != ticket_id:
            raise self._unreadable(f"ticket {ticket_id} (it is of ticket {state.ticket.id})")
        return state

    def _read(self, path: str, attempts: Attempts, query: Mapping[str, str] | None = None) -> httpx.Response:
        """GET, as often as the policy allows."""
        while isinstance(outcome := self._send("GET", path, attempts, params=query), _Failure):
            self._pause(outcome, attempts)
        return outcome

    def _update(self, ticket_id: str, revision: str, body: str, attempts: Attempts) -> DeskState | _Failure:
        """PATCH once. A failure that is not lasting says nothing of whether the desk did it."""
        headers = {"If-Match": f'"{revision}"', "Content-Type": "application/json"}
        outcome = self._send("PATCH", _path(ticket_id), attempts, content=body.encode(), headers=headers)
        if isinstance(outcome, _Failure):
            return outcome
        try:
            return self._parsed(outcome, ticket_id)
        except DeskError as error:
            return _Failure(error)

    def _pause(self, failure: _Failure, attempts: Attempts) -> None:
        """Wait before the next attempt, or raise where there is none."""
        limit = None if self._reached else self._policy.knocks
        if failure.lasting or not attempts.again(failure.after, limit=limit):
            raise failure.error

    def _send(self, method: str, path: str, attempts: Attempts, **request: Any) -> httpx.Response | _Failure:  # noqa: ANN401
        try:
            response = self._client.request(method, path, timeout=attempts.timeout, **request)
        except httpx.ConnectError as error:
            remedy = "Start the desk there, or correct its address in the settings."
            return _Failure(self._no_answer("Nothing answers", remedy, f" ({error})"))
        except httpx.TimeoutException:
            return _Failure(self._no_answer("No answer in time", "Run again later; what was written is recognised."))
        except httpx.RequestError as error:
            what = f"The connection broke ({type(error).__name__})"
            return _Failure(self._no_answer(what, "Run again; what was written is recognised."))
        self._reached = True
        return response if response.is_success else self._refusal(response, path)

    def _no_answer(self, what: str, remedy: str, why: str = "") -> DeskError:
        return DeskError(f"{what} at {self.url}{why}.", remedy=remedy)

    def _unreadable(self, what: str) -> DeskError:
        return DeskError(
            f"The answer of {self.url} for the {what} can't be read.", remedy="Check that the address is the desk's."
        )

    def _refusal(self, response: httpx.Response, path: str) -> _Failure:
        status = response.status_code
        error = DeskError(f"{self.url} answered {status} for {path}.", remedy=_remedy(status))
        # A conflict is for the caller to look into: the marker and the revision tell whose it was.
        return _Failure(error, status not in RETRYABLE and status != 409, retry_after(response.headers.get("retry-after", "")))


def _free(held: Mapping[str, str], wanted: Mapping[str, str], ours: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The wanted fields that are empty at the desk or still ours, and those that hold something else, with what they hold."""
    other = {name: value for name, value in wanted.items() if fold(held.get(name, "")) != fold(value)}
    free = {name: value for name, value in other.items() if fold(held.get(name, "")) in ("", fold(ours.get(name, "")))}
    return free, {name: held[name] for name in other if name not in free}


def _body(ticket_id: str, fields: Mapping[str, str], comment: str, mark: Mapping[str, str]) -> str:
    key = hashlib.sha256(json.dumps([ticket_id, sorted(mark.items())]).encode()).hexdigest()
    return json.dumps(
        {
            "fields": {name: value or None for name, value in fields.items()},
            "comment": comment,
            "public": False,
            "properties": {MARKER: mark},
            "idempotency_key": key,
        }
    )


def _same_revision(state: DeskState, revision: str) -> None:
    current = state.ticket.revision
    if current == revision:
        return
    decided = (state.marker or {}).get(REVISION) == revision
    why = "another decision was written for it" if decided else "somebody changed it in the meantime"
    message = f"Ticket {state.ticket.id} is at revision {current}, not {revision}: {why}; nothing was written."
    raise RevisionConflict(message, remedy="Run again to decide on the ticket as it is now.")


def _verify(state: DeskState, fields: Mapping[str, str], mark: Mapping[str, str]) -> None:
    """The desk holds what was written. Raises DeskError."""
    lost = [name for name, value in fields.items() if state.fields.get(name, "").strip() != value.strip()]
    if state.marker != mark:
        lost.append(MARKER)
    if lost:
        message = f"The desk took the update of ticket {state.ticket.id} but does not hold {', '.join(lost)} as written."
        raise DeskError(message, remedy="Look at the ticket and at the desk's rules for these fields.")


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Check the token in the settings and what it is allowed to do."
    if status == 404:
        return "Check the address of the desk and that the ticket still exists."
    if status in RETRYABLE or status >= 500:
        return "The desk is overloaded or failing; run again later, what was written is recognised."
    if 300 <= status < 400:
        return "The desk is at another address; set that one."
    return "The desk does not accept this request; check its address and version."


def _path(ticket_id: str) -> str:
    return f"/tickets/{quote(ticket_id, safe='')}"
