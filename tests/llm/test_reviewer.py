"""The language model as a critic: what it is shown, and what becomes of its answers."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from core.proposal import propose
from core.ticket import Evidence
from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from llm.reviewer import REASON, LanguageReviewer
from tests.llm.model_examples import tiny_checkpoint, tiny_model
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
    said = json.loads(review.generation.completion)
    assert all(said[field] in TAXONOMY.labels(field) for field in PROPOSED)
    assert TICKET.body in review.generation.prompt


def test_what_it_gives_the_proposed_label_is_the_probability_that_it_is_right() -> None:
    """Uncached, from the bare model: what follows the first forced piece, over the aliases of the field."""
    import torch

    prompt = REVIEWER.prompt(TICKET, NEIGHBORS, PROPOSED)
    (choice, *_) = prompt.choices
    checkpoint = tiny_model()._checkpoint
    read = checkpoint.chat(prompt.system, prompt.user) + checkpoint.encode('{"category": "')
    with torch.inference_mode():
        logits = checkpoint.model(torch.tensor([read])).logits[0, -1]
    shares = logits[[checkpoint.alias_ids[alias] for alias in choice.aliases]].softmax(-1)
    (review,) = REVIEWER.review(EVIDENCE, [TRIAGE])
    assert review.right["category"] == pytest.approx(float(shares[choice.labels.index("Red")]), abs=1e-5)


def test_the_proposal_is_offered_and_named_by_its_aliases() -> None:
    prompt = REVIEWER.prompt(TICKET, NEIGHBORS, PROPOSED)
    aliases = [re.search(rf"(<\|\d+\|>)(<\|near\d\|>)?{label}", prompt.user)[1] for label in ("Red", "Wifi", "Alta")]  # type: ignore[index]
    assert prompt.user.rstrip().endswith(f"<|proposal|>{''.join(aliases)}")
    for choice, label, alias in zip(prompt.choices, ("Red", "Wifi", "Alta"), aliases, strict=True):
        assert choice.aliases[choice.labels.index(label)] == alias


def test_it_is_shown_every_other_exemplar_and_so_reaches_beyond_the_authors() -> None:
    near = [replace(NEIGHBORS[i % 3], exemplar=replace(NEIGHBORS[i % 3].exemplar, body=f"word{i}")) for i in range(7)]
    read = replace(REVIEWER, exemplars=3).prompt(TICKET, near, PROPOSED).user
    assert [i for i in range(7) if f"word{i}" in read] == [0, 2, 4]


def test_a_critic_is_told_the_votes_shares_too() -> None:
    assert "<|near9|>Red" in replace(REVIEWER, exemplars=1).prompt(TICKET, NEIGHBORS, PROPOSED).user.split("<|past|>")[0]


def test_a_larger_one_says_why_after_what_is_right_and_only_where_that_is_wanted() -> None:
    model = LocalModel(Checkpoint(str(tiny_checkpoint())), template="triage.v2", budget=1500)
    asked = replace(REVIEWER, model=model, reasons=True)
    (told,), (mute,) = asked.review(EVIDENCE, [TRIAGE]), replace(asked, writes=False).review(EVIDENCE, [TRIAGE])
    said = json.loads(told.generation.completion)
    assert list(said) == [*PROPOSED, "reason"]
    assert said["reason"] == told.reason
    assert len(told.reason) <= REASON.longest
    assert list(json.loads(mute.generation.completion)) == list(PROPOSED)
    assert (mute.reason, mute.generation.prompt) == ("", told.generation.prompt)
    assert mute.right == pytest.approx(told.right, abs=1e-5)
