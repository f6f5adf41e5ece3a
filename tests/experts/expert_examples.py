"""A small made-up past in two languages, an embedder of words, an exact search, and a fit on them."""

import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import yaml

from core.taxonomy import Taxonomy
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor, Vectors
from experts.fit import fit
from experts.fitted import Fitted
from experts.outoffold import as_ticket

SPEC = """
version: "1"
fields:
  category:
    mode: autofill
    target_precision: 0.85
    labels:
    - {name: Red, synonyms: {es: [wifi, conexión], en: [network, router]}}
    - {name: Correo, synonyms: {es: [buzón], en: [mail, inbox]}}
    - {name: Acceso, synonyms: {es: [contraseña], en: [password, login]}}
    - {name: Impresora, synonyms: {es: [papel, tóner], en: [printer, paper]}}
    - {name: Telefonía, synonyms: {es: [centralita, auricular], en: [phone, headset]}}
  urgency:
    mode: suggest
    labels: [{name: Alta}, {name: Baja}]
  area:
    mode: shadow
    labels: [{name: Norte}, {name: Sur}]
  closed:
    mode: "off"
    labels: [{name: Sí}, {name: Nada}]
"""
WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Red": {
        "es": ("wifi", "conexión", "cable", "antena", "señal"),
        "en": ("network", "router", "switch", "ethernet", "signal"),
    },
    "Correo": {
        "es": ("buzón", "remitente", "adjunto", "correo", "firma"),
        "en": ("mail", "inbox", "attachment", "sender", "spam"),
    },
    "Acceso": {
        "es": ("contraseña", "cuenta", "bloqueada", "permiso", "clave"),
        "en": ("password", "login", "account", "locked", "token"),
    },
    "Impresora": {
        "es": ("papel", "tóner", "bandeja", "imprimir", "escáner"),
        "en": ("printer", "paper", "tray", "toner", "scanner"),
    },
}
FILLERS = {
    "es": ("desde", "ayer", "oficina", "equipo", "ayuda", "tarde"),
    "en": ("since", "today", "office", "laptop", "please", "again"),
}
CATEGORIES = tuple(WORDS)
"""The categories that have examples; Telefonía has none."""


def example_taxonomy() -> Taxonomy:
    """Four fields, one of each mode; the first has a label that no ticket carries."""
    return Taxonomy.model_validate(yaml.safe_load(SPEC))


TAXONOMY = example_taxonomy()


class WordEmbedder:
    """Words hashed into signed buckets: texts that share words are near. It is an `Encoder` of the knowledge base."""

    name, precision, dimension = "words@1", "fp32", 256

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.1
            for word in re.findall(r"\w+", text.lower()):
                hashed = zlib.crc32(word.encode())
                row[1 + hashed % (self.dimension - 1)] += 1 if hashed & 1024 else -1
        if progress:
            progress(len(texts))
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


encode = WordEmbedder().encode


def past(count: int, seed: int = 0, clarity: float = 0.7) -> list[Exemplar]:
    """`count` resolved tickets; each of a ticket's four telling words is of its own category with probability `clarity`,
    else of any. One in three has no urgency, and none an area."""
    rng = np.random.default_rng(seed)
    return [_exemplar(rng, f"{seed}-{number:04d}", clarity) for number in range(count)]


def _exemplar(rng: np.random.Generator, id_: str, clarity: float) -> Exemplar:
    category = CATEGORIES[int(rng.integers(4))]
    language = ("es", "en")[int(rng.integers(2))]
    urgent = bool(rng.integers(2))
    about = [category if rng.random() < clarity else CATEGORIES[int(rng.integers(4))] for _ in range(4)]
    telling = [str(rng.choice(WORDS[c][language])) for c in about]
    body = [*telling[2:], *rng.choice(FILLERS[language], 3), f"pc{int(rng.integers(10_000)):04d}", *["urgente!"] * urgent]
    labels = {"category": category, "urgency": "Alta" if urgent else "Baja"}
    if rng.random() < 1 / 3:
        del labels["urgency"]
    return Exemplar(id_, " ".join(telling[:2]), " ".join(body), language=language, labels=labels, resolution=f"Caso {id_}.")


@dataclass
class ExactSearch:
    """Cosine search over exemplars, without what is excluded; keeps what it was asked to leave out."""

    exemplars: Sequence[Exemplar]
    excluded: list[frozenset[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vectors = encode([e.text for e in self.exemplars])

    def __call__(
        self, tickets: Sequence[CleanTicket], vectors: Vectors, k: int, exclude: Sequence[Collection[str]]
    ) -> list[list[Neighbor]]:
        self.excluded = [frozenset(ids) for ids in exclude]
        return [self._nearest(row, k, ids) for row, ids in zip(vectors @ self.vectors.T, self.excluded, strict=True)]

    def _nearest(self, cosines: Vectors, k: int, excluded: frozenset[str]) -> list[Neighbor]:
        order = [int(i) for i in np.argsort(-cosines, kind="stable") if self.exemplars[i].id not in excluded]
        return [Neighbor(self.exemplars[i], float(cosines[i])) for i in order[:k]]


def evidence(tickets: Sequence[Exemplar], known: Sequence[Exemplar] = (), k: int = 8) -> Evidence:
    """The tickets with their neighbours among `known`."""
    cleaned, vectors = [as_ticket(e) for e in tickets], encode([e.text for e in tickets])
    near = ExactSearch(known)(cleaned, vectors, k, [()] * len(tickets)) if known else [[] for _ in tickets]
    return Evidence(cleaned, vectors, near)


def fitted_on(exemplars: Sequence[Exemplar], taxonomy: Taxonomy = TAXONOMY, seed: int = 0) -> Fitted:
    """A whole fit, without encoder."""
    vectors = encode([e.text for e in exemplars])
    return fit(taxonomy, exemplars, vectors, ExactSearch(exemplars), encode, k=8, folds=3, seed=seed)


@cache
def company() -> tuple[list[Exemplar], Fitted]:
    """A past of 240 tickets and what was fitted on it; made once."""
    exemplars = past(240)
    return exemplars, fitted_on(exemplars)
