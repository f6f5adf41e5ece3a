"""The model that comes along is the one that its card speaks of, and it answers."""

import hashlib
from pathlib import Path

import numpy as np

from batch.models import SHIPPED_BUDGET, SHIPPED_TEMPLATE
from llm.champion import SHIPPED, base_source
from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from prompts.render import Style, render
from tests.prompts.prompt_examples import QUESTION

FOLDER = Path(base_source(SHIPPED))


def test_the_card_speaks_of_these_files() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = [file for file in FOLDER.iterdir() if file.is_file() and file.name != "README.md"]
    assert sum(file.stat().st_size for file in files) < 25_000_000
    for file in files:
        assert f"| {file.name} | {hashlib.sha256(file.read_bytes()).hexdigest()} |" in card
    assert SHIPPED_TEMPLATE in card


def test_it_follows_its_nearest_exemplar() -> None:
    model = LocalModel(Checkpoint(str(FOLDER)), template=SHIPPED_TEMPLATE, budget=SHIPPED_BUDGET)
    (answer,) = model.answer([render(QUESTION, Style(model.template, model.aliases, model.budget, model.count))])
    nearest = QUESTION.neighbors[0].exemplar.labels
    assert answer.labels["category"] == nearest["category"] == "Red"
    assert all(np.exp(said).sum() > 0.999 for said in answer.log_probs.values())
