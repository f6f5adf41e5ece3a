"""A place in a LogQL query, and the steps from one token to the next."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from core.errors import InputError
from observability.logql.words import Token, tokens


@dataclass(frozen=True, slots=True)
class Matcher:
    """`label op value` of a stream selector."""

    label: str
    op: str
    value: str


@dataclass(slots=True)
class LogQuery:
    """What a query asks for: one tuple of matchers for each selector; the labels it uses, and those that it makes itself.

    `paths` are places in the line that `json label="path"` names. `extracts` says whether a stage (`json`, `logfmt`, `unpack`)
    turns the line into labels whose names the query does not say.
    """

    metric: bool = False
    streams: list[tuple[Matcher, ...]] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    makes: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    extracts: bool = False


class Cursor:
    """Steps over the tokens of a query; what it meets on the way is gathered in `found`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.found = LogQuery()

    @property
    def _now(self) -> Token:
        return self.tokens[self.at]

    def _take(self) -> Token:
        taken = self._now
        self.at += 1
        return taken

    def _is(self, text: str) -> bool:
        return self._now.kind in ("op", "word") and self._now.text == text

    def _maybe(self, text: str) -> bool:
        if not self._is(text):
            return False
        self.at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._maybe(text):
            raise self._wrong(f"`{text}`")

    def _one_of(self, texts: Collection[str]) -> str:
        if self._now.kind != "op" or self._now.text not in texts:
            raise self._wrong("one of " + " ".join(texts))
        return self._take().text

    def _kind(self, *kinds: str) -> Token:
        if self._now.kind not in kinds:
            raise self._wrong(" or ".join(f"a {kind}" for kind in kinds))
        return self._take()

    def _use(self) -> str:
        name = self._kind("word").text
        self.found.uses.add(name)
        return name

    def _labels(self) -> None:
        self._expect("(")
        if not self._is(")"):
            self._several(self._use)
        self._expect(")")

    def _several(self, one: Callable[[], object]) -> None:
        one()
        while self._maybe(","):
            one()

    def _regex(self, text: str) -> tuple[str, ...]:
        """The names of its groups. RE2's syntax is nearly Python's without look-around and back-references."""
        try:
            compiled = re.compile(text)
        except re.error as error:
            raise self._refused(f"the regular expression {text!r} can't be compiled ({error})", "Correct it.") from error
        if re.search(r"\(\?<?[=!]|\\[1-9]|\(\?P=", text):
            raise self._refused(f"the regular expression {text!r} looks around or back", "Loki's engine (RE2) can't do that.")
        return tuple(compiled.groupindex)

    def _wrong(self, wanted: str) -> InputError:
        here = self._now
        found = f"`{here.text}`" if here.kind != "end" else "the end"
        return self._refused(f"at character {here.position + 1} there is {found}", f"Expected is {wanted}.")

    def _refused(self, what: str, remedy: str) -> InputError:
        return InputError(f"LogQL {self.text!r}: {what}.", remedy=remedy)
