"""Summaries by a model of their own, with random weights: how it is asked and what is made of the answer."""

import json
from dataclasses import replace

from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from llm.summarizer import LanguageSummarizer
from prompts.render import SUMMARY
from tests.llm.model_examples import HOSTILE, tiny_checkpoint
from tests.prompts.prompt_examples import TAXONOMY, TICKET, about

KEY = b"0123456789abcdef"
MODEL = LocalModel(Checkpoint(str(tiny_checkpoint())), template="triage.v2", budget=1500)
SUMMARIZER = LanguageSummarizer(MODEL, TAXONOMY, KEY, context="Faro es la VPN.")


def test_each_ticket_gets_one_line() -> None:
    tickets = [
        replace(about(text.encode("utf-8", "ignore").decode()).ticket, id=f"T-{place}") for place, text in enumerate(HOSTILE)
    ]
    told = SUMMARIZER.summarize(tickets)
    assert len(told) == len(tickets)
    for one in told:
        content = json.loads(one.generation.completion)
        assert content.keys() == {"summary"}
        assert one.text == content["summary"]
        assert len(one.text) <= SUMMARY.longest
        assert "\n" not in one.text
        assert (one.generation.task, one.generation.template) == ("summary", "summary.v1")


def test_the_ticket_is_fenced_and_its_language_named() -> None:
    prompt = SUMMARIZER.prompt(replace(TICKET, language="es"))
    assert "Faro es la VPN." in prompt.user
    assert TICKET.body in prompt.user
    assert "(Spanish)" in prompt.system
    fence = prompt.user.split("-ticket>")[0].rpartition("<")[2]
    assert f"</{fence}-ticket>" in prompt.user
    assert fence in prompt.system
