"""Small real parts of a pipeline: words as vectors, cosine search, a vote, a critic that follows a script."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import ModelError
from core.fusion import FieldFusion, normalise
from core.gate import Threshold
from core.pipeline import Critic, Expert, Pipeline
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor, Ticket, Vectors
from core.triage import LogProbs, Opinions, Reason, Review, Triage, Verdict
from tests.core.core_examples import small_taxonomy

TAXONOMY = small_taxonomy()
WORDS = ("wifi", "vpn", "correo", "buzón", "clave", "cuenta", "lento", "caído")
PAST = (
    ("e0", "wifi caído", "Red", "Telecom", "close", "Se reinició el punto de acceso."),
    ("e1", "vpn lento wifi", "Red", "Telecom", "manual", "Se cambió el canal."),
    ("e2", "correo buzón lento", "Correo", "Mensajería", "close", "Se vació la papelera."),
    ("e3", "buzón caído", "Correo", "Mensajería", "wait", "A la espera del proveedor."),
    ("e4", "clave cuenta", "Acceso", "Identidad", "api|directorio", "Se restableció la clave."),
    ("e5", "cuenta lento", "Acceso", "Identidad", "close", "Se explicó al usuario."),
)
EXEMPLARS = tuple(
    Exemplar(id_, subject, "", labels={"category": c, "group": g, "urgency": "Baja", "resolution_kind": k}, resolution=text)
    for id_, subject, c, g, k, text in PAST
)
FIELDS = ("category", "group", "resolution_kind")
SURE = Threshold(0.5, 0.9, 500, 0.97, 0.95, 0.9)


def clean(ticket: Ticket) -> CleanTicket:
    if "veneno" in ticket.body:
        raise ValueError(f"can't clean {ticket.body!r}")
    return CleanTicket(ticket.id, ticket.subject.lower(), ticket.body.lower(), ticket.revision)


def refuse(ticket: CleanTicket) -> Reason | None:
    return None if ticket.text else Reason("empty")


def encode(texts: Sequence[str]) -> Vectors:
    counts = np.array([[text.split().count(word) for word in WORDS] for text in texts], dtype=np.float32)
    unit: Vectors = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-6)
    return unit


KNOWN = encode([e.text for e in EXEMPLARS])


def search(tickets: Sequence[CleanTicket], vectors: Vectors, k: int, avoid: Sequence[Collection[str]]) -> list[list[Neighbor]]:
    cosine = vectors @ KNOWN.T
    near = []
    for row, avoided in zip(cosine, avoid, strict=True):
        order = [i for i in np.argsort(-row, kind="stable") if row[i] > 0 and EXEMPLARS[i].id not in avoided]
        near.append([Neighbor(EXEMPLARS[i], float(row[i])) for i in order[:k]])
    return near


@dataclass(frozen=True)
class Vote:
    """Each neighbour speaks for its label; `breaks` makes it fail on a text."""

    name: str = "vote"
    breaks: str = ""

    def log_probs(self, evidence: Evidence) -> Mapping[str, LogProbs]:
        if self.breaks and any(self.breaks in ticket.text for ticket in evidence.tickets):
            raise ModelError("The model ran out of memory.", remedy="Use a smaller batch.")
        return {f: normalise(np.array([self._scores(f, near) for near in evidence.neighbors])) for f in FIELDS}

    def _scores(self, name: str, near: Sequence[Neighbor]) -> list[float]:
        return [sum(6 * n.similarity for n in near if n.exemplar.labels[name] == label) for label in TAXONOMY.labels(name)]


Judge = Callable[[Triage], Verdict]


@dataclass
class ScriptedCritic:
    """Judges by a function and remembers what it was shown."""

    says: Judge = lambda triage: Verdict(80.0, (Reason("likely_right"),))
    seen: list[Triage] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)

    def judge(
        self,
        evidence: Evidence,
        opinions: Opinions,
        fused: Mapping[str, LogProbs],
        triages: Sequence[Triage],
        reviews: Sequence[Review] = (),
    ) -> list[Verdict]:
        self.seen.extend(triages)
        self.reviews.extend(reviews)
        return [self.says(triage) for triage in triages]


class SilentCritic:
    """Leaves out the last verdict."""

    def judge(
        self,
        evidence: Evidence,
        opinions: Opinions,
        fused: Mapping[str, LogProbs],
        triages: Sequence[Triage],
        reviews: Sequence[Review] = (),
    ) -> list[Verdict]:
        return [Verdict(99.0, ()) for _ in triages[1:]]


def pipeline(critic: Critic | None = None, experts: Sequence[Expert] = (Vote(),)) -> Pipeline:
    return Pipeline(
        taxonomy=TAXONOMY,
        clean=clean,
        refuse=refuse,
        encode=encode,
        search=search,
        experts=experts,
        fusion={name: FieldFusion({"vote": 1.0}, 1.0) for name in FIELDS},
        thresholds={"category": SURE},
        critic=critic or ScriptedCritic(),
        k=4,
    )


def ticket(id_: str, subject: str, body: str = "") -> Ticket:
    return Ticket(id_, subject, body, revision="7")


BATCH = (
    ticket("a", "Wifi caído"),
    ticket("b", "Correo buzón lento"),
    ticket("c", ""),
    ticket("d", "Clave cuenta"),
    ticket("e", "nada que ver"),
)
