"""Tickets as received and as cleaned, and the past they are compared with."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as received: hostile until proven otherwise, never embedded, logged or kept in this form.

    `revision` is the desk's version of it ("" where the source has none); `labels` are the fields the source already has.
    """

    id: str
    subject: str
    body: str
    revision: str = ""
    mailbox: str = ""
    created: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CleanTicket:
    """A ticket after cleaning and redaction: the only form that goes past the intake.

    `language` is an ISO 639-1 code, or "" where the text is too short to tell. `redactions` counts what was replaced
    by kind (email, phone, iban, ...); `removed` counts what was cut by kind (quoted, signature, invisible, instruction, ...).
    """

    id: str
    subject: str
    body: str
    revision: str = ""
    mailbox: str = ""
    language: str = ""
    redactions: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Subject and body, as everything downstream reads them."""
        return f"{self.subject}\n{self.body}".strip()

    @property
    def digest(self) -> str:
        """SHA-256 of the cleaned text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A resolved ticket, cleaned, with its confirmed labels and its resolution.

    `id` is a UUIDv5 of the content. `labels` holds canonical label names by field; `resolution_kind` is among them where
    known. `duplicate_group` is shared by near-duplicates, so that one incident does not vote many times ("" = not grouped).
    """

    id: str
    subject: str
    body: str
    language: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    resolution: str = ""
    mailbox: str = ""
    source: str = ""
    source_id: str = ""
    resolved_at: str = ""
    duplicate_group: str = ""

    @property
    def text(self) -> str:
        """Subject and body, in the same form as `CleanTicket.text`."""
        return f"{self.subject}\n{self.body}".strip()


@dataclass(frozen=True, slots=True)
class Neighbor:
    """An exemplar near a ticket. `similarity` is the cosine of the dense vectors, -1..1; the order is that of the hybrid rank."""

    exemplar: Exemplar
    similarity: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the experts see of a batch of n tickets: texts, unit vectors (n, d) and the neighbours of each, nearest first."""

    tickets: Sequence[CleanTicket]
    vectors: Vectors
    neighbors: Sequence[Sequence[Neighbor]]
