"""Folding of names, so that a label matches whatever its case, accents and spacing; texts as models are shown them."""

import re
import unicodedata

_PSEUDONYM = re.compile(r"<([a-z]+):[0-9a-f]{8}>")


def fold(text: str) -> str:
    """Lower case, no accents, single spaces: `"  En  ESPERA "` and `"en espera"` fold alike; so do `"Mañana"` and `"manana"`."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(bare.casefold().replace("_", " ").split())


def without_keys(text: str) -> str:
    """`<email:0123abcd>` as `<email>`: the digits mean nothing to a model, and differ from home to home."""
    return _PSEUDONYM.sub(r"<\1>", text)
