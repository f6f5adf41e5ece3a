"""Small real parts for the tests of the core: a taxonomy, exemplars, neighbours."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from core.fusion import normalise
from core.taxonomy import Taxonomy
from core.ticket import Exemplar, Neighbor
from core.triage import LogProbs, Proposal, Resolution, Triage, Verdict

TAXONOMY_FILE = Path(__file__).parents[2] / "mocks" / "examples" / "taxonomy.yaml"

SMALL = """
version: "1"
fields:
  category:
    mode: autofill
    target_precision: 0.9
    labels: [{name: Red, synonyms: {es: [redes], en: [network]}}, {name: Correo, synonyms: {en: [mail]}}, {name: Acceso}]
  group:
    mode: suggest
    labels: [{name: Telecom}, {name: Mensajería}, {name: Identidad}]
  urgency:
    mode: shadow
    labels: [{name: Alta}, {name: Baja}]
  resolution_kind:
    mode: suggest
    labels: [{name: manual}, {name: close}, {name: reassign}, {name: wait, synonyms: {es: [en espera]}}, {name: "api|directorio"}]
systems: [directorio]
rules:
  - {when: {category: Red}, allow: {group: [Telecom]}}
"""


def small_taxonomy() -> Taxonomy:
    """Three labels of category and group with one rule between them; one field a mode."""
    return Taxonomy.model_validate(yaml.safe_load(SMALL))


def example_taxonomy() -> Taxonomy:
    """The example company's."""
    return Taxonomy.model_validate(yaml.safe_load(TAXONOMY_FILE.read_text()))


def log_p(*rows: tuple[float, ...]) -> LogProbs:
    """Log-probabilities from rows of weights."""
    return normalise(np.log(np.array(rows, dtype=float)))


def neighbor(id_: str, similarity: float = 0.9, resolution: str = "Se arregló.", **labels: str) -> Neighbor:
    """A neighbour with these labels."""
    return Neighbor(Exemplar(id=id_, subject="asunto", body="cuerpo", labels=labels, resolution=resolution), similarity)


def proposal(field: str, label: str, confidence: float, evidence: tuple[str, ...] = ("e1",)) -> Proposal:
    """A proposal that an exemplar carries unless told otherwise."""
    return Proposal(field, label, confidence, {label: confidence}, evidence)


def triage(proposals: Mapping[str, Proposal]) -> Triage:
    """A triage of one ticket."""
    return Triage("t1", "1", proposals, Resolution("manual"))


def verdict(score: float = 90.0, *doubts: str) -> Verdict:
    """A verdict without reasons."""
    return Verdict(score, (), doubts)
