"""Tickets for a user's own taxonomy."""

from pathlib import Path

import pytest
import yaml

from core.taxonomy import Taxonomy
from finetune.synthetic import LabelledTicket, tickets
from finetune.synthetic.matching import meanings

EXAMPLE = Path(__file__).parents[2] / "mocks" / "examples" / "taxonomy.yaml"


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy.model_validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def made(taxonomy: Taxonomy) -> list[LabelledTicket]:
    return list(tickets(taxonomy, 200, 4))


def test_the_same_seed_makes_the_same(taxonomy: Taxonomy, made: list[LabelledTicket]) -> None:
    assert list(tickets(taxonomy, 5, 4)) == made[:5]
    assert list(tickets(taxonomy, 5, 5)) != made[:5]


def test_labels_are_of_the_taxonomy_and_break_no_rule(taxonomy: Taxonomy, made: list[LabelledTicket]) -> None:
    for one in made:
        assert not taxonomy.violations(one.labels)
        for field, label in one.labels.items():
            assert label in taxonomy.labels(field)
        assert len(one.labels) == len(taxonomy.active())
        assert one.body
        assert one.resolution
        assert len(one.summary) <= 120


def test_every_label_has_its_turn(taxonomy: Taxonomy, made: list[LabelledTicket]) -> None:
    for field in taxonomy.active():
        assert {one.labels[field] for one in made} == set(taxonomy.labels(field))


def test_labels_mean_what_their_words_say(taxonomy: Taxonomy) -> None:
    best = {meaning.label.name: meaning.best for meaning in meanings(taxonomy, "subcategory")}
    assert ("sub", "password") in best["Contraseña"]
    assert ("sub", "phishing") in best["Phishing"]
    urgency = {meaning.label.name: meaning.best for meaning in meanings(taxonomy, "urgency")}
    assert urgency == {"Alta": [("urgency", "high")], "Media": [("urgency", "medium")], "Baja": [("urgency", "low")]}


def test_a_label_that_nothing_is_known_of_gets_tickets_in_its_own_words() -> None:
    field = {
        "labels": [
            {"name": "Qzx", "definition": {"en": "Wombat feeding"}, "synonyms": {"en": ["marsupial lunch"]}},
            {"name": "Printing", "definition": {"en": "Printers and toner"}},
        ]
    }
    own = Taxonomy.model_validate({"version": "1", "fields": {"category": field}})
    texts = [one.body.casefold() for one in tickets(own, 40, 0) if one.labels["category"] == "Qzx"]
    said = [text for text in texts if "wombat" in text or "marsupial" in text]
    assert len(said) >= len(texts) * 0.7  # the rest lost it to noise
