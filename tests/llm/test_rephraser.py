"""A ticket put into words to search with, by a model with random weights: how it is asked and what is made of the answer."""

import json
from dataclasses import replace

from llm.checkpoint import Checkpoint
from llm.local import LocalModel
from llm.rephraser import QUERY, LanguageRephraser
from tests.llm.model_examples import HOSTILE, tiny_checkpoint
from tests.prompts.prompt_examples import TAXONOMY, TICKET, about

KEY = b"0123456789abcdef"
CHECKPOINT = Checkpoint(str(tiny_checkpoint()))
MODEL = LocalModel(CHECKPOINT, template="triage.v2", budget=1500)
REPHRASER = LanguageRephraser(MODEL, TAXONOMY, KEY, context="Faro es la VPN.")


def test_each_ticket_gets_one_query_and_keeps_its_id() -> None:
    tickets = [
        replace(about(text.encode("utf-8", "ignore").decode()).ticket, id=f"T-{place}") for place, text in enumerate(HOSTILE)
    ]
    told = REPHRASER.rephrase(tickets)
    assert [one.query.id for one in told] == [ticket.id for ticket in tickets]
    for one, ticket in zip(told, tickets, strict=True):
        content = json.loads(one.generation.completion)
        assert content.keys() == {"query"}
        assert len(content["query"]) <= QUERY.longest
        assert one.query.text == (content["query"] or ticket.text)
        assert (one.generation.task, one.generation.template) == ("rephrase", "rephrase.v1")


def test_the_ticket_is_fenced_and_the_operators_words_are_read() -> None:
    prompt = REPHRASER.prompt(TICKET)
    assert "Faro es la VPN." in prompt.user
    assert TICKET.body in prompt.user
    fence = prompt.user.split("-ticket>")[0].rpartition("<")[2]
    assert len(fence) == 8
    assert f"</{fence}-ticket>" in prompt.user
    assert fence in prompt.system
    assert fence != LanguageRephraser(MODEL, TAXONOMY, b"f" * 16).prompt(TICKET).user


def test_a_model_that_says_nothing_leaves_the_tickets_own_words() -> None:
    class Mute(LocalModel):
        def _written(self, prompts, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
            return [("", 0)] * len(prompts)

    mute = Mute(CHECKPOINT, template="triage.v2", budget=1500)
    (told,) = replace(REPHRASER, model=mute).rephrase([TICKET])
    assert told.query == TICKET
