"""From a completion to an answer: where distributions are read, what rules change, how long text ends; and what is asked."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import httpx
import jsonschema
import numpy as np
import pytest

from core.errors import ModelError
from core.taxonomy import Rule
from llm.completions import FLOOR, UNMEASURED, answer
from llm.dialects import Completion, Dialect, Token, address, completion, request, room, schema
from prompts.prompt import Choice, FreeText, Prompt

AREA = Choice("área", ("Red", "Correo", "Accesos"), ("A", "B", "C"))
URGENCY = Choice("urgency", ("Alta", "Baja"), ("D", "E"))
PROMPT = Prompt("system", "user", (AREA, URGENCY), "triage.v2", FreeText("summary", 20))
TEXT = '{"área": "A", "urgency": "D", "summary": "ok"}'


def said(*pieces: str | tuple[str, Mapping[str, float]], text: str = TEXT) -> Completion:
    """Pieces of the text as tokens; one with probabilities has those as its likeliest tokens."""
    tokens = []
    for piece in pieces:
        word, near = (piece, {piece: 1.0}) if isinstance(piece, str) else piece
        top = tuple((token.encode(), float(np.log(p))) for token, p in near.items())
        tokens.append(Token(word.encode(), float(np.log(near.get(word, 0.01))), top))
    return Completion(text, tuple(tokens))


def read(prompt: Prompt, given: Completion, *, bounded: bool = True) -> dict[str, list[float]]:
    found = answer(prompt, given, bounded=bounded, read=0).log_probs
    return {field: np.exp(values).round(4).tolist() for field, values in found.items()}


BETWEEN = '", "urgency": "'
CASES: dict[str, tuple[list[str | tuple[str, Mapping[str, float]]], list[float], list[float]]] = {
    "all aliases are listed": (
        ['{"área": "', ("A", {"A": 0.4, "B": 0.2, "C": 0.2, "x": 0.1}), BETWEEN, ("D", {"D": 1.0}), '"'],
        [0.5, 0.25, 0.25],
        [1.0, 0.0],
    ),
    "what the list leaves over is shared": (
        ['{"área": "', ("A", {"A": 0.6, "x": 0.3}), BETWEEN, ("D", {"D": 0.9, "E": 0.1}), '"'],
        [0.8571, 0.0714, 0.0714],
        [0.9, 0.1],
    ),
    "never more than the least likely of the list": (
        ['{"área": "', ("A", {"A": 0.3, "x": 0.1}), BETWEEN, ("D", {"D": 0.9, "E": 0.1}), '"'],
        [0.6, 0.2, 0.2],
        [0.9, 0.1],
    ),
    "a quote before or after an alias is in its token": (
        ['{"área":', (' "A', {' "A': 0.5, ' "B': 0.3, ' "C': 0.1, " ": 0.1}), BETWEEN, ("D", {'D"': 0.3, "D": 0.3, "E": 0.2})],
        [0.5556, 0.3333, 0.1111],
        [0.75, 0.25],
    ),
    "more than a quote after it": (
        ['{"área": "', ('A", ', {'A", ': 0.5, "A": 0.1, "B": 0.2, "C": 0.2}), '"urgency": "', ("D", {"D": 0.5, "E": 0.5})],
        [0.6, 0.2, 0.2],
        [0.5, 0.5],
    ),
    "what was written is not on the list": (
        ['{"área": "', ("A", {"B": 0.6, "C": 0.38}), BETWEEN, ("D", {"D": 0.5, "E": 0.5})],
        [0.0101, 0.6061, 0.3838],
        [0.5, 0.5],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_distributions_are_read_where_values_begin(case: str) -> None:
    pieces, area, urgency = CASES[case]
    found = read(PROMPT, said(*pieces))
    assert found["área"] == pytest.approx(area, abs=1e-3)
    assert found["urgency"] == pytest.approx(urgency, abs=1e-3)


def test_characters_that_are_cut_into_tokens_and_another_order_are_no_matter() -> None:
    text = '{"urgency": "E", "summary": "\\u00f1", "área": "B"}'
    whole = text.encode()
    tokens = tuple(Token(whole[i : i + 1], -0.1) for i in range(len(whole)))
    found = answer(PROMPT, Completion(text, tokens, 5, 6), bounded=True, read=0)
    assert found.labels == {"área": "Correo", "urgency": "Baja"}
    assert (found.text, found.read, found.generated) == ("ñ", 5, 6)
    assert list(json.loads(found.completion)) == ["área", "urgency", "summary"]


def test_no_label_is_impossible() -> None:
    given = said('{"área": "', ("A", {"A": 1.0}), '", "urgency": "', ("D", {"D": 1.0, "E": 1e-300}), '"')
    found = answer(PROMPT, given, bounded=True, read=0).log_probs
    assert min(found["área"].min(), found["urgency"].min()) >= np.log(FLOOR) - 1e-6


def test_rules_decide_again_in_order() -> None:
    ruled = replace(PROMPT, rules=(Rule(when={"área": "Red"}, allow={"urgency": ("Baja",)}),))
    assert answer(ruled, Completion(TEXT), bounded=True, read=0).labels == {"área": "Red", "urgency": "Baja"}
    other = Completion(TEXT.replace('"A"', '"B"'))
    assert answer(ruled, other, bounded=True, read=0).labels == {"área": "Correo", "urgency": "Alta"}


def test_without_log_probabilities_the_chosen_label_has_a_fixed_share() -> None:
    assert UNMEASURED == 0.9
    assert read(PROMPT, Completion(TEXT)) == {"área": [0.9, 0.05, 0.05], "urgency": [0.9, 0.1]}
    single = replace(PROMPT, choices=(Choice("área", ("Red",), ("A",)),), free=None)
    assert read(single, Completion('{"área": "A"}')) == {"área": [1.0]}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("La VPN no va", "La VPN no va"),
        (" La\\n\\tVPN\\u0000 \\u2028no  va ", "La VPN no va"),
        ("\\ud800 suelto", "suelto"),
        ("", ""),
        ("La VPN no conecta desde", "La VPN no conecta…"),
        ("La VPN no conecta, nada", "La VPN no conecta…"),
        ("x" * 50, "x" * 19 + "…"),
    ],
)
def test_free_text_is_one_line_and_where_it_is_cut_it_shows(written: str, kept: str) -> None:
    given = Completion(TEXT.replace('"ok"', f'"{written}"'))
    found = answer(PROMPT, given, bounded=False, read=0)
    assert found.text == kept
    assert json.loads(found.completion)["summary"] == kept
    if kept.endswith("…"):
        with pytest.raises(ModelError, match="20 are allowed"):
            answer(PROMPT, given, bounded=True, read=0)


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_every_dialect_carries_the_whole_schema(dialect: Dialect) -> None:
    body = json.loads(request(dialect, "m", PROMPT, 3000))
    form = body.get("format") or body["response_format"].get("schema") or body["response_format"]["json_schema"]["schema"]
    jsonschema.Draft202012Validator.check_schema(form)
    jsonschema.validate(json.loads(TEXT), form)
    for wrong in (TEXT.replace('"A"', '"D"'), TEXT.replace("{", '{"x": "y", '), '{"urgency": "D"}'):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(wrong), form)
    assert list(form["properties"]) == form["required"] == ["área", "urgency", "summary"]
    assert form["properties"]["summary"].get("maxLength") == (None if dialect == "openai" else 20)
    settings = body.get("options", body)
    assert (settings["temperature"], settings.get("num_predict", settings.get("max_tokens"))) == (0, room(PROMPT))
    assert (body["logprobs"], body["top_logprobs"], body["stream"]) == (True, 20, False)
    assert "seed" in settings


def test_llamacpp_is_asked_in_the_flat_form_that_it_obeys() -> None:
    assert json.loads(request("llamacpp", "m", PROMPT, 3000))["response_format"] == {
        "type": "json_object",
        "schema": schema(PROMPT),
    }


@pytest.mark.parametrize(
    ("given", "dialect", "path"),
    [
        ("http://h:1", "vllm", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "vllm", "http://h:1/v1/chat/completions"),
        ("https://h/x/v1beta", "openai", "https://h/x/v1beta/chat/completions"),
        ("https://h/v1/chat/completions", "openai", "https://h/v1/chat/completions"),
        ("http://h:1", "ollama", "http://h:1/api/chat"),
        ("http://h:1/v1", "ollama", "http://h:1/api/chat"),
        ("http://h:1/api/", "ollama", "http://h:1/api/chat"),
    ],
)
def test_addresses_are_completed(given: str, dialect: Dialect, path: str) -> None:
    assert str(address(httpx.URL(given), dialect)) == path


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": 1}}]}'])
def test_another_form_is_named(body: bytes) -> None:
    with pytest.raises(ModelError, match=r"not of the form of vllm.*TAMIZ_LLM__DIALECT"):
        completion("vllm", body)
