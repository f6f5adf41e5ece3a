"""The language model as the pipeline's author."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from core.ticket import CleanTicket, Evidence
from llm.author import UNOFFERED, LanguageAuthor, spread
from tests.llm.model_examples import tiny_model
from tests.prompts.prompt_examples import NEIGHBORS, TAXONOMY, TICKET

PRIORS = {field: np.full(len(TAXONOMY.labels(field)), 1.0 / len(TAXONOMY.labels(field))) for field in TAXONOMY.fields}
EVIDENCE = Evidence(
    [TICKET, CleanTicket("T-9", "", "he olvidado la clave", language="es")], np.zeros((2, 4), np.float32), [NEIGHBORS, ()]
)


def author(key: bytes = b"k" * 32, options: int = 6) -> LanguageAuthor:
    return LanguageAuthor(tiny_model(), TAXONOMY, PRIORS, key, options=options)


def test_a_draft_speaks_of_every_label_and_tells_what_was_read() -> None:
    drafts = author(options=2).draft(EVIDENCE)
    for ticket, draft in zip(EVIDENCE.tickets, drafts, strict=True):
        assert {f: len(p) for f, p in draft.log_probs.items()} == {"category": 3, "subcategory": 4, "urgency": 2}
        assert all(np.exp(p).sum() == pytest.approx(1.0) for p in draft.log_probs.values())
        assert ticket.body in draft.generation.prompt
        assert json.loads(draft.generation.completion)["summary"] == draft.summary
        assert draft.generation.task == "triage"
        assert draft.generation.model == tiny_model().name


def test_log_probs_are_the_drafts_opinions() -> None:
    said, drafts = author().log_probs(EVIDENCE), author().draft(EVIDENCE)
    for field in TAXONOMY.fields:
        np.testing.assert_allclose(said[field], [draft.log_probs[field] for draft in drafts])


def test_labels_that_are_not_offered_share_a_little_by_their_priors() -> None:
    log_p = spread(("a", "b", "c", "d"), ("d", "b"), np.log([0.75, 0.25]), np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(
        np.exp(log_p), [UNOFFERED * 0.25, 0.25 * (1 - UNOFFERED), UNOFFERED * 0.75, 0.75 * (1 - UNOFFERED)]
    )
    np.testing.assert_allclose(spread(("a", "b"), ("a", "b"), np.log([0.9, 0.1]), np.array([0.5, 0.5])), np.log([0.9, 0.1]))


def test_a_ticket_without_neighbours_is_read_all_the_same() -> None:
    assert "<|past|>" not in author().prompt(EVIDENCE.tickets[1], ()).user


def test_the_votes_shares_are_told_where_not_all_of_the_past_is_shown() -> None:
    some, every = replace(author(), exemplars=2), author()
    assert "<|near" not in every.prompt(TICKET, NEIGHBORS).user.split("<|past|>")[0]
    told = some.prompt(TICKET, NEIGHBORS).user.split("<|past|>")[0]
    assert told.count("<|near") == sum(len(choice.labels) for choice in some.prompt(TICKET, NEIGHBORS).choices)
    assert re.search(r"<\|near9\|>Red", told)


def test_a_past_that_is_only_counted_says_its_labels_and_no_text() -> None:
    prompt = replace(author(), exemplars=0).prompt(TICKET, NEIGHBORS)
    assert "<|past|>" not in prompt.user
    assert "<|near9|>Red" in prompt.user
