"""The streams of LogQL: a selector and the stages of its pipeline."""

import re
from collections.abc import Callable

from observability.logql.cursor import Cursor, Matcher
from observability.logql.words import CONVERSIONS

COMPARISONS = ("=", "!=", "=~", "!~")
LINE_FILTERS = ("|=", "!=", "|~", "!~", "|>", "!>")


class Streams(Cursor):
    """Recursive descent over a stream: one method a rule of the grammar."""

    def _stream(self) -> bool:
        self._selector()
        return self._stages()

    def _selector(self) -> None:
        self._expect("{")
        matchers = [self._matcher()]
        while self._maybe(","):
            matchers.append(self._matcher())
        self._expect("}")
        if not any(_narrows(one) for one in matchers):
            raise self._refused(
                "every stream fits this selector", 'Add a matcher whose value can\'t be empty, such as job="tamiz".'
            )
        self.found.streams.append(tuple(matchers))

    def _matcher(self) -> Matcher:
        label, op = self._use(), self._one_of(COMPARISONS)
        value = self._kind("string").value
        if op in ("=~", "!~"):
            self._regex(value)
        return Matcher(label, op, value)

    def _stages(self) -> bool:
        """The stages of a pipeline; says whether one of them unwraps."""
        unwraps = False
        while self._now.kind == "op" and (self._now.text in LINE_FILTERS or self._now.text == "|"):
            if self._now.text == "|":
                self._take()
                unwraps = self._stage() or unwraps
            else:
                self._line_filter()
        return unwraps

    def _line_filter(self) -> None:
        op = self._take().text
        self._line_value(op)
        while self._maybe("or"):
            self._line_value(op)

    def _line_value(self, op: str) -> None:
        if self._maybe("ip"):
            self._expect("(")
            self._kind("string")
            self._expect(")")
            return
        value = self._kind("string").value
        if op in ("|~", "!~"):
            self._regex(value)

    def _stage(self) -> bool:
        stage: Callable[[], None] | None = {
            "json": self._json, "logfmt": self._json, "unpack": self._unpack, "decolorize": lambda: None, "regexp": self._regexp,
            "pattern": self._pattern, "line_format": self._template, "label_format": self._label_format, "drop": self._drop,
            "keep": self._drop,
        }.get(self._now.text)  # fmt: skip
        if self._now.text == "unwrap":
            self._take()
            self._unwrap()
            return True
        if stage is None:
            self._label_filter()
        else:
            self._take()
            stage()
        return False

    def _json(self) -> None:
        """`json` or `logfmt`: everything, or the labels that are named with where they come from."""
        while self._now.kind == "flag":
            self._take()
        if self._now.kind != "word":
            self.found.extracts = True
            return
        self._several(self._extraction)

    def _extraction(self) -> None:
        made = self._kind("word").text
        self.found.paths.add(self._kind("string").value if self._maybe("=") else made)
        self.found.makes.add(made)

    def _unpack(self) -> None:
        self.found.extracts = True

    def _regexp(self) -> None:
        names = self._regex(self._kind("string").value)
        if not names:
            raise self._refused("`regexp` names no group", "Write (?P<label>...) in it.")
        self.found.makes.update(names)

    def _pattern(self) -> None:
        names = [name for name in re.findall(r"<(\w+)>", self._kind("string").value) if name != "_"]
        if not names:
            raise self._refused("`pattern` names no label", "Write <label> in it.")
        self.found.makes.update(names)

    def _template(self) -> None:
        self.found.uses.update(_fields(self._kind("string").value))

    def _label_format(self) -> None:
        self._several(self._renaming)

    def _renaming(self) -> None:
        made = self._kind("word").text
        self._expect("=")
        if self._now.kind == "string":
            self._template()
        else:
            self._use()
        self.found.makes.add(made)

    def _drop(self) -> None:
        self._several(self._dropped)

    def _dropped(self) -> None:
        self._use()
        if self._now.text in COMPARISONS:
            self._take()
            self._kind("string")

    def _unwrap(self) -> None:
        if self._now.text in CONVERSIONS and self.tokens[self.at + 1].text == "(":
            self._take()
            self._expect("(")
            self._use()
            self._expect(")")
        else:
            self._use()

    def _label_filter(self) -> None:
        """Comparisons joined by `and`, `or` and commas, with parentheses."""
        if self._maybe("("):
            self._label_filter()
            self._expect(")")
        else:
            self._comparison()
        if self._maybe("and") or self._maybe("or") or self._maybe(","):
            self._label_filter()

    def _comparison(self) -> None:
        self._use()
        op = self._one_of((*COMPARISONS, "==", ">", ">=", "<", "<="))
        if op in ("=~", "!~"):
            self._regex(self._kind("string").value)
        elif op in ("=", "!=") and self._maybe("ip"):
            self._expect("(")
            self._kind("string")
            self._expect(")")
        elif op == "=" or (op == "!=" and self._now.kind == "string"):
            self._kind("string", "number", "duration", "bytes")
        else:
            self._maybe("-")
            self._kind("number", "duration", "bytes")


def _narrows(matcher: Matcher) -> bool:
    """Whether the matcher keeps a stream out that lacks the label: Loki wants one such in each selector."""
    if matcher.op == "=":
        return bool(matcher.value)
    return matcher.op == "=~" and not re.fullmatch(matcher.value, "")


def _fields(template: str) -> set[str]:
    """The labels that a Go template reads: {{.name}}; what is inside its string literals is none."""
    inside = re.findall(r"\{\{(.*?)\}\}", template)
    return {name for part in inside for name in re.findall(r"(?<![\w.)])\.([A-Za-z_]\w*)", re.sub(r'"[^"]*"|`[^`]*`', "", part))}
