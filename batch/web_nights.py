"""The page of the nights: what they propose and what they changed, entry by entry, with a button for each word."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from batch.night_report import Line, line
from batch.night_words import spoken
from batch.pages import page, reader_language
from batch.signin import STALE, Door, refused, sent, visitor_of
from core.errors import InputError
from knowledge.archive import Archive, Filed, Known, Word
from observability.records import now

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

SHOWN = 100
"""Entries of a kind on the page: of those that wait the oldest, of the others the newest; `maintain list --all` has every one."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry with the night that filed it and the last word on it, if there is one."""

    line: Line
    night: str
    word: str
    who: str


def add_nights(app: "FastAPI", home: Path, door: Door, language: str) -> None:
    """Add the page to `app`."""
    from fastapi import Request
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.concurrency import run_in_threadpool

    archive = Archive(home)

    @app.get("/nights")
    def nights(request: Request) -> Response:
        return HTMLResponse(_nights(archive, request, reader_language(request, language)))

    @app.post("/nights/{entry}/{word}")
    async def say(entry: str, word: str, request: Request) -> Response:
        if (answer := refused(request, "reviewer")) is not None:
            return answer
        if await sent(request) is None:
            return PlainTextResponse(STALE, status_code=403)
        visitor = visitor_of(request)
        try:
            said = _word(word)
            filed = await run_in_threadpool(archive.say, entry, said, visitor.user.name, now())
        except InputError as error:
            return PlainTextResponse(f"{error.message} {error.remedy}", status_code=404)
        if visitor.signed_in:
            await run_in_threadpool(door.accounts.note, visitor.user.name, "night", filed.entry.id, said)
        query = f"done={filed.entry.id}&what={said}&lang={reader_language(request, language)}"
        return RedirectResponse(f"/nights?{query}", status_code=303)


def _word(given: str) -> Word:
    if given == "approved":
        return "approved"
    if given == "reverted":
        return "reverted"
    raise InputError(f"There is no {given!r}.", remedy="Use the buttons of the page.")


def _nights(archive: Archive, request: "Request", language: str) -> str:
    known, visitor = archive.read(), visitor_of(request)
    waiting = known.open()
    ids = {filed.entry.id for filed in waiting}
    settled = [filed for i, filed in reversed(list(known.filed.items())) if i not in ids]
    return page(
        "nights",
        language,
        s=partial(_spoken, language),
        visitor=visitor,
        token=visitor.token,
        may=visitor.user.may("reviewer"),
        said=_said(request, known, language),
        waiting=_rows(waiting, known, language),
        settled=_rows(settled, known, language),
        more={"waiting": max(0, len(waiting) - SHOWN), "settled": max(0, len(settled) - SHOWN)},
    )


def _rows(found: Sequence[Filed], known: Known, language: str) -> list[Row]:
    rows = []
    for filed in found[:SHOWN]:
        said = known.words.get(filed.entry.id)
        rows.append(Row(line(filed.entry, language), filed.night, said.word if said else "", said.who if said else ""))
    return rows


def _said(request: "Request", known: Known, language: str) -> str:
    """What was done on the page before, in words."""
    entry, word = request.query_params.get("done", ""), request.query_params.get("what", "")
    if entry not in known.filed or word not in {"approved", "reverted"}:
        return ""
    return f"{entry}: {spoken(word, language)}. {spoken('tonight', language)}"


def _spoken(language: str, key: str, **values: object) -> str:
    return spoken(key, language, **values)
