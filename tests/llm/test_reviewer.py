"""The language model as a critic: what it is shown, and what becomes of its verdicts."""

import json
import re

import numpy as np
import pytest

from core.proposal import propose
from core.ticket import Evidence
from llm.reviewer import LanguageReviewer, contrasted
from tests.llm.model_examples import tiny_model
from tests.prompts.prompt_examples import NEIGHBORS, TAXONOMY, TICKET

PRIORS = {field: np.full(len(TAXONOMY.labels(field)), 1.0 / len(TAXONOMY.labels(field))) for field in TAXONOMY.fields}
EVIDENCE = Evidence([TICKET], np.zeros((1, 4), np.float32), [NEIGHBORS])
FUSED = {
    "category": np.log([[0.1, 0.8, 0.1]]),
    "subcategory": np.log([[0.1, 0.1, 0.7, 0.1]]),
    "urgency": np.log([[0.7, 0.3]]),
}
TRIAGE = propose(TAXONOMY, EVIDENCE, FUSED)[0]
PROPOSED = {field: proposal.label for field, proposal in TRIAGE.proposals.items()}
REVIEWER = LanguageReviewer(tiny_model(), TAXONOMY, PRIORS, b"k" * 32, options=3)


def test_a_review_gives_a_probability_for_every_proposed_field_and_tells_what_was_read() -> None:
    (review,) = REVIEWER.review(EVIDENCE, [TRIAGE])
    assert list(review.right) == ["category", "subcategory", "urgency"]
    assert all(0.0 < p < 1.0 for p in review.right.values())
    assert review.generation.task == "critic"
    assert set(json.loads(review.generation.completion).values()) <= {"right", "wrong"}
    assert TICKET.body in review.generation.prompt


def test_its_probabilities_are_those_of_the_two_verdicts_after_the_prompt() -> None:
    """Uncached, from the bare model: what follows the first forced piece, over the two aliases."""
    import torch

    prompt = REVIEWER.prompt(TICKET, NEIGHBORS, PROPOSED)
    checkpoint = tiny_model()._checkpoint
    read = checkpoint.chat(prompt.system, prompt.user) + checkpoint.encode('{"category": "')
    with torch.inference_mode():
        logits = checkpoint.model(torch.tensor([read])).logits[0, -1]
    right, wrong = (checkpoint.alias_ids[alias] for alias in checkpoint.aliases()[:2])
    (review,) = REVIEWER.review(EVIDENCE, [TRIAGE])
    assert review.right["category"] == pytest.approx(float(logits[[right, wrong]].softmax(-1)[0]), abs=1e-5)


def test_the_proposal_is_offered_and_named_by_its_aliases() -> None:
    prompt = REVIEWER.prompt(TICKET, NEIGHBORS, PROPOSED)
    aliases = [re.search(rf"(<\|\d+\|>){label}", prompt.user)[1] for label in ("Red", "Wifi", "Alta")]  # type: ignore[index]
    assert prompt.user.rstrip().endswith(f"<|proposal|>{''.join(aliases)}")
    assert {"<|0|>", "<|1|>"}.isdisjoint(aliases)
    assert [choice.aliases for choice in prompt.choices] == [("<|0|>", "<|1|>")] * 3


def test_it_is_shown_what_speaks_for_and_what_speaks_against() -> None:
    wifi = {"category": "Red", "subcategory": "Wifi"}
    assert [n.exemplar.labels["subcategory"] for n in contrasted(NEIGHBORS, wifi)] == ["Wifi", "VPN", "Contraseña"]
    assert contrasted((), wifi) == []
    assert list(contrasted(NEIGHBORS[:1], wifi)) == list(NEIGHBORS[:1])
