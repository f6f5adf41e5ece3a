"""HTML to text, only where a text is HTML; what a reader would not have seen is handed back apart."""

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from bs4.element import PageElement

_NAMES = (
    "html|head|body|title|meta|link|base|style|script|noscript|div|span|p|br|hr|a|b|i|u|s|em|strong|small|big|sub|sup|font"
    "|center|"
    "table|thead|tbody|tfoot|tr|td|th|caption|col|colgroup|ul|ol|li|dl|dt|dd|h[1-6]|img|blockquote|pre|code|tt|section|article|"
    "header|footer|main|nav|aside|figure|figcaption|form|label|input|button|select|option|textarea|iframe|object|svg|template|"
    "del|ins|mark|q|abbr|address|[ovwxm]:[a-z]+"
)
_TAG = re.compile(rf"<(?:/?(?:{_NAMES})(?:\s[^<>]{{0,2000}})?/?>|!--|!doctype\s)", re.IGNORECASE)
_STRAY = re.compile(rf"<(?!/?(?:{_NAMES})[\s/>]|!doctype\s)", re.IGNORECASE)
_CONDITION = re.compile(r"<!\[[^\]<>]{0,200}\]>")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,7}|#[xX][0-9a-fA-F]{2,6});")
_LONE_AMP = re.compile(rf"&(?!{_ENTITY.pattern[1:]})")
_REPEATED_AMP = re.compile(r"&(?:amp;)+(?=[a-zA-Z#])")
_WHITE = re.compile(r"\s+")
_BLOCKS_NAMES = """
p div br hr tr table ul ol li dl dt dd h1 h2 h3 h4 h5 h6 blockquote pre section article header footer title address
"""
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_CELLS = frozenset(("td", "th"))
_DROPPED_NAMES = """
script style head noscript template iframe object svg select
"""
_DROPPED = frozenset(_DROPPED_NAMES.split())
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:[^.\d]|$)|opacity\s*:\s*0(?:[^.\d]|$)", re.I
)
_END_OF_PRE = "\n\n"
_OPEN_QUOTE, _CLOSE_QUOTE = "\ue001", "\ue002"  # private use: `characters.visible` has taken out any of the sender's own


def to_text(text: str) -> tuple[str, list[str]]:
    """`text` without markup, and the pieces that its reader never saw (comments, hidden elements).

    Text that holds no known tag only has its entities resolved: `<user>` and `a < b` are not markup. A quotation becomes
    lines that start with "> ".
    """
    text, comments = _without_comments(text)
    if not _TAG.search(text):
        return _resolved(text), comments
    soup, whole = _parsed(text), _TAG.match(text.lstrip()) is not None
    hidden: list[str] = []
    seen = "".join(_walk(soup, hidden, whole))
    return _quoted(seen), comments + hidden


def _resolved(text: str) -> str:
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), _REPEATED_AMP.sub("&", text)) if "&" in text else text


def _without_comments(text: str) -> tuple[str, list[str]]:
    """Comments out. One that is never closed stays: a browser would hide the rest of the mail, and so would we."""
    kept, comments, at = [], [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        comments.append(text[start + 4 : end])
        at = end + 3
    return ("".join(kept) + text[at:], comments) if comments else (text, [])


def _parsed(text: str) -> "BeautifulSoup":
    from bs4 import BeautifulSoup

    return BeautifulSoup(
        _STRAY.sub("&lt;", _LONE_AMP.sub("&amp;", _CONDITION.sub("", _REPEATED_AMP.sub("&", text)))), "html.parser"
    )


def _walk(soup: "BeautifulSoup", hidden: list[str], whole: bool) -> Iterator[str]:
    """The text in reading order. A stack and not recursion: mail nests deep. `whole`: line ends are only white space."""
    from bs4 import NavigableString, Tag

    stack: list[PageElement | str] = [soup]
    preformatted = 0
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            if node.name in _DROPPED or _unseen(node):
                hidden.append(node.get_text(" "))
                continue
            preformatted += node.name == "pre"
            before, after = _marks(node)
            yield before
            stack.append(after)
            stack.extend(reversed(node.contents))
        elif type(node) is NavigableString:
            yield _WHITE.sub(" ", node) if whole and not preformatted else str(node)
        elif type(node) is str:
            preformatted -= node is _END_OF_PRE
            yield node


def _marks(node: "Tag") -> tuple[str, str]:
    if node.name == "blockquote":
        return _OPEN_QUOTE, _CLOSE_QUOTE
    if node.name == "pre":
        return "\n", _END_OF_PRE
    if node.name == "p":
        return "\n", "\n"
    if node.name in _BLOCKS:
        return "", "\n"
    return ("", " ") if node.name in _CELLS else ("", "")


def _unseen(node: "Tag") -> bool:
    return bool(node.attrs) and ("hidden" in node.attrs or bool(_UNSEEN.search(str(node.attrs.get("style", "")))))


def _quoted(text: str) -> str:
    """Quotations, marked by a character before and after, become lines that start with "> "."""
    if _OPEN_QUOTE not in text:
        return text
    depth, parts = 0, []
    for piece in re.split(f"([{_OPEN_QUOTE}{_CLOSE_QUOTE}])", text):
        if piece in (_OPEN_QUOTE, _CLOSE_QUOTE):
            depth += 1 if piece == _OPEN_QUOTE else -1
            parts.append("\n")
        else:
            parts.append("\n".join("> " + line for line in piece.split("\n")) if depth else piece)
    return "".join(parts)
