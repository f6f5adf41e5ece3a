"""Folding of names, so that a label matches whatever its case, accents and spacing."""

import unicodedata


def fold(text: str) -> str:
    """Lower case, no accents, single spaces: `"  En  ESPERA "` and `"en espera"` fold alike; so do `"Mañana"` and `"manana"`."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(bare.casefold().replace("_", " ").split())
