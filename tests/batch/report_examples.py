"""A run and an evaluation as their commands write them, what a hostile ticket would make of them, and a strict reader."""

from html.parser import HTMLParser
from typing import Any

EXEMPLAR = "0b813439-c2fa-5b1f-9d52-00ef9ae085bf"
HOSTILE = (
    "</style></title></svg><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>"
    '"\' style="background:url(https://evil.example)" {{ 7*7 }} {% raw %} $\\frac{1}{0}$ $x --> ]]>\x00\x1b\u202egnp\ud800'
)


def _ticket(identifier: str, outcome: str, score: float | None) -> dict[str, Any]:
    proposal = {
        "label": "Accesos",
        "confidence": 0.9991,
        "mode": "autofill",
        "evidence": [EXEMPLAR, "short-1"],
        "distribution": {"Accesos": 0.9991, "Red": 0.0006},
    }
    return {
        "id": identifier,
        "revision": "3",
        "summary": f"Summary of {identifier}",
        "language": "es",
        "outcome": outcome,
        "score": score,
        "fields": {"category": proposal, "their_own_field": {**proposal, "label": "Uno", "mode": "shadow", "evidence": []}},
        "resolution": {"kind": "reassign", "text": "Restarted.", "exemplar_id": EXEMPLAR, "group": "Redes", "confidence": 0.7},
        "priority": "P2",
        "causes": [{"en": "the critic gives it 64 of 100, under 65", "es": "el crítico le da 64 de 100, menos de 65"}],
        "reasons": [{"en": "there is little text to go by", "es": "hay poco texto en que apoyarse"}],
        "write": "written",
        "attempt": 1,
    }


def run_document() -> dict[str, Any]:
    outcomes = [("T-1", "accepted", 91.2), ("T-2", "suggested", 71.0), ("T-3", "escalated", 64.9), ("T-4", "escalated", None)]
    threshold = {"value": 0.87, "holds": True, "target": 0.9, "n": 412, "precision": 0.956, "lower": 0.931, "coverage": 0.71}
    return {
        "run": "run-7",
        "started": "2026-11-21T01:59:03+00:00",
        "finished": None,
        "source": "mock desk",
        "dry_run": True,
        "totals": {"tickets": 4, "accepted": 1, "suggested": 1, "escalated": 2, "unreadable": 1, "written": 2},
        "causes": [{"code": "rejected", "text": {"en": "under 65", "es": "menos de 65"}, "count": 2}],
        "tickets_per_second": 3.14159,
        "seconds": {"clean": 0.4, "embed": 12.0, "read and clean": float("nan")},
        "tickets": [_ticket(*outcome) for outcome in outcomes],
        "groups": {"Redes": {"accepted": 1, "suggested": 1, "escalated": 1}, "": {"escalated": 1}},
        "thresholds": {
            "category": threshold,
            "urgency": {"value": 2.0, "n": 412, "target": 0.9, "needed": 260, "weakest": "Media"},
        },
        "versions": {"tamiz": "0.1.0", "experts": {"linear": "a1"}},
        "problems": [{"row": 17, "field": "created", "message": "No date.", "remedy": "Write dd/mm/yyyy."}],
        "paths": {"journal": "var/journal.sqlite", "report": None},
    }


def evaluation_document() -> dict[str, Any]:
    reached = {"threshold": 0.8, "coverage": 0.6, "precision": 0.96, "precision_ci": [0.93, 0.98]}
    field = {
        "n": 100,
        "accuracy": 0.86,
        "accuracy_ci": [0.78, 0.915],
        "macro_f1": 0.81,
        "ece": 0.02,
        "aurc": 0.04,
        "coverage_at": {"0.95": reached, "0.98": {"threshold": None, "coverage": 0, "precision": None, "needed": 340}},
        "experts": {"vote": {"accuracy": 0.8, "macro_f1": 0.7, "weight": 0.3}, "label_text": {"accuracy": None}},
        "baselines": {"svm": {"accuracy": 0.84, "macro_f1": 0.8}, "majority": {"accuracy": 0.2, "macro_f1": 0.01}},
        "mcnemar_vs_best_baseline": {"name": "svm", "p": 0.004},
        "curves": {
            "risk_coverage": [[i / 50, i / 400] for i in range(1, 51)],
            "reliability": [[0.3, 0.5, 4], [0.9, 0.88, 90], [0.5, float("nan"), 0]],
            "confusion": {"labels": ["Red", "Correo", ""], "matrix": [[40, 3, 1], [2, 30, 0], [0, 0, 0]]},
        },
    }
    empty = {"n": 0, "accuracy": float("nan"), "coverage_at": {"0.95": {"threshold": 2.0, "precision": float("nan")}}}
    return {
        "n_kb": 4000,
        "n_test": 100,
        "fields": {"category": field, "their_own_field": empty},
        "critic": {"auroc": float("nan"), "ece": 0.03, "errors_caught_at": {"0.05": 0.2, "0.10": None}},
        "seconds": {"fit": 60.0, "test": 4.0},
        "tickets_per_second": 25.0,
        "duplicates_shared": 13,
    }


class Page(HTMLParser):
    """Reads a page strictly: every element that is opened is closed, in order."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"closed but never opened: {tag}"
        assert self._open.pop() == tag, f"{tag} closed out of order"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


FREE_KEYS = {"fields", "groups", "thresholds", "seconds", "distribution", "experts", "baselines", "versions"}
NOT_TEXT = {"outcome", "coverage_at", "errors_caught_at"}


def hostile(value: object, under: str = "") -> object:
    """The document with every free text made hostile, and every key that somebody else chose."""
    if isinstance(value, dict):
        ending = HOSTILE if under in FREE_KEYS else ""
        return {f"{key}{ending}": item if key in NOT_TEXT else hostile(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value
