"""Lines about a ticket, by a model with random weights: how it is asked and what is made of the answer."""

import json
from dataclasses import replace

import pytest

from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from llm.scribe import REPHRASE, SUMMARIZE, LanguageScribe, Task
from tests.llm.model_examples import HOSTILE, tiny_checkpoint
from tests.prompts.prompt_examples import TAXONOMY, TICKET, about

KEY = b"0123456789abcdef"
CHECKPOINT = Checkpoint(str(tiny_checkpoint()))
MODEL = LocalModel(CHECKPOINT, template="triage.v2", budget=1500)
SCRIBE = LanguageScribe(MODEL, TAXONOMY, KEY, context="Faro es la VPN.")
TICKETS = [replace(about(text.encode("utf-8", "ignore").decode()).ticket, id=f"T-{place}") for place, text in enumerate(HOSTILE)]


def test_each_ticket_gets_one_query_and_keeps_its_id() -> None:
    told = SCRIBE.rephrase(TICKETS)
    assert [one.query.id for one in told] == [ticket.id for ticket in TICKETS]
    for one, ticket in zip(told, TICKETS, strict=True):
        content = json.loads(one.generation.completion)
        assert content.keys() == {"query"}
        assert len(content["query"]) <= REPHRASE.line.longest
        assert one.query.text == (content["query"] or ticket.text)
        assert (one.generation.task, one.generation.template) == ("rephrase", "rephrase.v1")


def test_each_ticket_gets_one_summary() -> None:
    told = SCRIBE.summarize(TICKETS)
    assert len(told) == len(TICKETS)
    for one in told:
        content = json.loads(one.generation.completion)
        assert content.keys() == {"summary"}
        assert one.text == content["summary"]
        assert len(one.text) <= SUMMARIZE.line.longest
        assert "\n" not in one.text
        assert (one.generation.task, one.generation.template) == ("summary", "summary.v1")


@pytest.mark.parametrize("task", [REPHRASE, SUMMARIZE], ids=lambda task: task.name)
def test_the_ticket_is_fenced_and_the_operators_words_are_read(task: Task) -> None:
    prompt = SCRIBE.prompt(task, replace(TICKET, language="es"))
    assert "Faro es la VPN." in prompt.user
    assert TICKET.body in prompt.user
    assert "Spanish" in prompt.system
    fence = prompt.user.split("-ticket>")[0].rpartition("<")[2]
    assert len(fence) == 8
    assert f"</{fence}-ticket>" in prompt.user
    assert fence in prompt.system
    assert fence not in replace(SCRIBE, key=b"f" * 16).prompt(task, TICKET).user


def test_a_model_that_says_nothing_leaves_the_tickets_own_words() -> None:
    class Mute(LocalModel):
        def _written(self, prompts, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
            return [("", 0)] * len(prompts)

    mute = replace(SCRIBE, model=Mute(CHECKPOINT, template="triage.v2", budget=1500))
    assert mute.rephrase([TICKET])[0].query == TICKET
    assert mute.summarize([TICKET])[0].text == ""
