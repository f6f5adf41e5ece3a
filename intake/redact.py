"""Personal data out, keyed pseudonyms in: the same value always gives the same one, and nobody without the key can tell which."""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from intake import credentials, identities, phones
from intake.found import FIRST_MASK, MASK, Found

KINDS = ("secret", "email", "iban", "card", "id", "phone")
PSEUDONYM = re.compile(rf"<(?:{'|'.join(KINDS)}):[0-9a-f]{{8}}>")
_HOLDS = re.compile(r"[\d@]|://|pass|pwd|contrase|clave|secret|token|bearer|-----BEGIN|credenc|credent", re.IGNORECASE)
_OVERLAY = re.compile(rf"({PSEUDONYM.pattern})\u0338+")


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """`<kind:xxxxxxxx>`: the first eight hexadecimal digits of the HMAC-SHA256 of kind and value."""
    return f"<{kind}:{hmac.digest(key, f'{kind}:{value}'.encode(), 'sha256').hex()[:8]}>"


def redact(text: str, key: bytes) -> tuple[str, Mapping[str, int]]:
    """`text` with personal data replaced by pseudonyms, and how many of each kind.

    Finders run in turn over the same text, in which what is done is masked by one private-use character each: no finder
    sees into a pseudonym, an older one from an earlier pass included. `text` has none of its own (`characters.visible`).
    """
    if not _HOLDS.search(text):
        return text, {}
    counts: Counter[str] = Counter()
    masks: list[str] = []

    def mask(replacement: str) -> str:
        masks.append(replacement)
        return chr(FIRST_MASK + len(masks) - 1)

    text = PSEUDONYM.sub(lambda match: mask(match[0]), text)
    for finder in (credentials.find, identities.emails, identities.accounts, identities.national, phones.find):
        found = _disjoint(finder(text))
        counts.update(one.kind for one in found)
        text = _replaced(text, found, lambda one: mask(pseudonym(key, one.kind, one.value)))
    restored = MASK.sub(lambda match: masks[ord(match[0]) - FIRST_MASK], text)
    return _OVERLAY.sub(r"\1", restored), dict(counts)


def _disjoint(found: Iterable[Found]) -> list[Found]:
    """In order of place; of two that overlap the one that starts first, or the longer."""
    chosen: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if not chosen or one.start >= chosen[-1].end:
            chosen.append(one)
    return chosen


def _replaced(text: str, found: list[Found], replacement: Callable[[Found], str]) -> str:
    parts, at = [], 0
    for one in found:
        parts += [text[at : one.start], replacement(one)]
        at = one.end
    return "".join(parts) + text[at:]
