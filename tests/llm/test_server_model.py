"""The client of language model servers against a real one: a process that serves a tiny Qwen2 checkpoint over HTTP."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pytest

from core.errors import ModelError, SettingsError
from finetune.architecture import Size, random_model
from finetune.tokenizer import train_tokenizer
from llm.base import Answer, LanguageModel
from llm.checkpoint import Checkpoint
from llm.dialects import Dialect, bounds_text, request
from llm.server import ServerModel
from prompts.prompt import FreeText, Prompt
from prompts.render import Style, render
from tests.llm.front import Reply, front
from tests.llm.model_examples import serving
from tests.prompts.prompt_examples import PAST, QUESTION, TAXONOMY, about

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
TEXTS = [" ".join(row) for row in PAST] * 20 + ["Answer with the code of one option, and a summary in Zürich 東京."]
SIZE = Size(hidden=64, layers=2, heads=2, feed_forward=128, context=4096)
USED = "ABCDEFGHI"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights; the aliases lean towards where a value begins, so that most are among the likeliest tokens."""
    import torch

    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(TEXTS, 640)
    model: Any = random_model(SIZE, tokenizer, 3)
    with torch.no_grad():
        ids = torch.tensor([tokenizer.encode('{"category": "', add_special_tokens=False)])
        leaning = model.model(ids).last_hidden_state[0, -1]
        weights = model.get_input_embeddings().weight
        weights.mul_(8)
        for letter in tokenizer.encode(USED, add_special_tokens=False):
            weights[letter] += 1.5 * leaning / leaning.norm()
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def url(checkpoint: Path) -> Iterator[str]:
    with serving(checkpoint) as (address, _):
        yield address


def asked(*texts: str, longest: int = 24) -> list[Prompt]:
    letters = Style("triage.v2", USED, 1400, lambda text: len(text.encode()) // 3)
    short = FreeText("summary", longest) if longest else None
    return [render(replace(about(text), neighbors=QUESTION.neighbors[:1], free=short), letters) for text in texts]


ONE = asked("la vpn no conecta")
THREE = asked("la vpn no conecta", "he olvidado la clave del correo", "el wifi va lento")


@contextmanager
def model(url: str, dialect: Dialect = "vllm", **more: Any) -> Iterator[ServerModel]:  # noqa: ANN401
    with ServerModel(url, "tiny", dialect, **{"timeout_s": 30.0, **more}) as opened:
        yield opened


def check(prompt: Prompt, answer: Answer) -> None:
    content = json.loads(answer.completion)
    assert list(content) == ["category", "subcategory", "urgency", *(["summary"] if prompt.free else [])]
    assert {c.field: content[c.field] for c in prompt.choices} == answer.labels
    assert content.get("summary", "") == answer.text
    assert len(answer.text) <= 24
    assert not TAXONOMY.violations(answer.labels)
    for said in answer.log_probs.values():
        assert np.exp(said).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_valid_answers_in_order(url: str, dialect: Dialect) -> None:
    done: list[int] = []
    with model(url, dialect) as opened:
        # Nothing ends the free text of random weights where no maxLength is sent.
        prompts = asked("la vpn no conecta", '"}', "東京のサーバー 🔥", longest=24 if bounds_text(dialect) else 0)
        answers = opened.answer(prompts, done.append)
        again = [opened.answer([prompt])[0] for prompt in prompts]
    for prompt, answer, alone in zip(prompts, answers, again, strict=True):
        check(prompt, answer)
        assert answer.completion == alone.completion
        assert answer.read > 100
        assert answer.generated > 10
    assert sum(done) == 3
    assert len({str(a.log_probs) for a in answers}) == 3


def test_it_is_a_language_model(url: str) -> None:
    with model(url) as opened:
        kept: LanguageModel = opened
        assert kept.name == f"tiny@{url.removeprefix('http://')}"
        assert len(set(kept.aliases)) == 52
        assert (kept.budget, kept.template) == (3000, "triage.v2")
        assert kept.count("¿Qué?") == 3
        assert kept.answer([]) == []


def full_softmax(loaded: Checkpoint, tokens: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    import torch

    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([tokens])).logits[0, -1]
    result: np.ndarray[Any, np.dtype[np.float64]] = logits.double().log_softmax(dim=-1).numpy()
    return result


def test_distributions_are_the_models_own(url: str, checkpoint: Path) -> None:
    loaded = Checkpoint(str(checkpoint))
    with model(url) as opened:
        answer = opened.answer(ONE)[0]
    body = request("vllm", "tiny", ONE[0], 3000)
    written = httpx.post(f"{url}/v1/chat/completions", json=json.loads(body), timeout=30).json()["choices"][0]
    entries = written["logprobs"]["content"]
    read = loaded.chat(ONE[0].system, ONE[0].user)
    assert answer.read == len(read)
    covered = 0
    for choice in ONE[0].choices:
        start = len(written["message"]["content"].partition(f'"{choice.field}": "')[0]) + len(choice.field) + 5
        place = next(i for i in range(len(entries)) if sum(len(e["token"]) for e in entries[:i]) == start)
        exact = full_softmax(loaded, read + [e["id"] for e in entries[:place]])
        listed = {e["token"]: e["logprob"] for e in entries[place]["top_logprobs"]}
        listed[entries[place]["token"]] = entries[place]["logprob"]
        known = [i for i, alias in enumerate(choice.aliases) if alias in listed]
        rows = [loaded.encode(choice.aliases[i])[0] for i in known]
        assert [listed[choice.aliases[i]] for i in known] == pytest.approx(exact[rows].tolist(), abs=1e-4)
        mine = answer.log_probs[choice.field][known]
        assert mine - mine[0] == pytest.approx(exact[rows] - exact[rows][0], abs=1e-4)
        others = np.delete(answer.log_probs[choice.field], known)
        assert not others.size or others.max() <= mine.min() + 1e-9
        covered += len(known)
    assert covered >= 5


def test_several_are_asked_at_a_time_and_none_more_than_set(url: str) -> None:
    with front(url, lambda _, true: Reply(true(), seconds=0.2)) as seen, model(seen.url, concurrency=3) as opened:
        assert len(opened.answer(THREE * 2)) == 6
    assert seen.most_at_once == 3


def test_the_key_is_sent_and_never_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    echo = b'{"error": "Incorrect key sk-very-secret"}'
    with front(url, lambda n, true: Reply(echo, 401)) as seen, model(seen.url, key_variable="SOME_KEY") as opened:
        with pytest.raises(ModelError, match=r"answered 401: .*Incorrect key \*\*\*.*Check the key") as caught:
            opened.answer(ONE)
        assert seen.requests[0][0]["Authorization"] == "Bearer sk-very-secret"
        assert "secret" not in f"{caught.value}{opened.name}{vars(opened)}"
    with pytest.raises(SettingsError, match="NO_SUCH_KEY"):
        ServerModel(url, "tiny", "openai", "NO_SUCH_KEY")


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://here", "http://"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(SettingsError, match="TAMIZ_LLM__URL"):
        ServerModel(address, "tiny", "openai")


@pytest.mark.parametrize("failure", [Reply(b"", 429, {"retry-after": "0"}), Reply(b"", 503), Reply(None)])
def test_a_passing_failure_is_got_over(url: str, failure: Reply) -> None:
    with front(url, lambda n, true: failure if n < 2 else Reply(true())) as seen, model(seen.url) as opened:
        check(ONE[0], opened.answer(ONE)[0])
        assert len(seen.requests) == 3


Change = Callable[[Any], object]


def spoiled(change: Change) -> Callable[[int, Callable[[], bytes]], Reply]:
    def reply(_: int, true: Callable[[], bytes]) -> Reply:
        body = json.loads(true())
        change(body["choices"][0])
        return Reply(json.dumps(body).encode())

    return reply


def content(text: str) -> Change:
    return lambda choice: choice["message"].update(content=text)


def tokens(change: Callable[[Any], object]) -> Change:
    return lambda choice: change(choice["logprobs"]["content"])


def every_number(value: float) -> Change:
    def change(entries: list[dict[str, object]]) -> None:
        for entry in entries:
            entry["logprob"] = value

    return tokens(change)


GOOD = '{"category": "A", "subcategory": "D", "urgency": "H", "summary": "x"}'
SPOILED: dict[str, tuple[str, Change]] = {
    "prose": ("it is no JSON", content("The category is A.")),
    "half": ("it is no JSON", content(GOOD[:-3])),
    "array": ("it is no JSON object", content("[1]")),
    "a key twice": ("it has the fields", content(GOOD.replace("{", '{"category": "A", '))),
    "a key too many": ("it has the fields", content(GOOD.replace("{", '{"root": "A", '))),
    "a key missing": ("it has the fields", content(GOOD.replace('"urgency": "H", ', ""))),
    "another alias": ("'Z' is not offered for 'urgency'", content(GOOD.replace('"H"', '"Z"'))),
    "a label": ("is not offered for 'category'", content(GOOD.replace('"A"', '"Accesos"'))),
    "a number": ("'urgency' is not a string", content(GOOD.replace('"H"', "NaN"))),
    "nested": ("'urgency' is not a string", content(GOOD.replace('"H"', '{"H": "H"}'))),
    "nothing": ("it is empty", content("")),
    "refusal": ("it refused", lambda choice: choice["message"].update(refusal="no")),
    "cut off": ("it was cut off", lambda choice: choice.update(finish_reason="length")),
    "no message": ("Field required at choices.0.message", lambda choice: choice.pop("message")),
    "positive": ("one is above 0", every_number(0.5)),
    "NaN": ("one is no number", every_number(float("nan"))),
    "text for a number": ("valid number", tokens(lambda entries: entries[0].update(logprob="much"))),
    "all certain": (
        "more than certain",
        tokens(lambda entries: [t.update(logprob=0) for e in entries for t in e["top_logprobs"]]),
    ),
    "a token missing": ("do not spell", tokens(lambda entries: entries.pop(1))),
    "the end missing": ("do not spell", tokens(lambda entries: entries.__delitem__(slice(4, None)))),
    "no tokens": ("do not spell", tokens(lambda entries: entries.clear())),
    "of another answer": ("do not spell", content(GOOD.replace('"D"', '"E"').replace('{"', '{ "'))),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_wrong_answer_ends_with_its_cause(url: str, case: str) -> None:
    cause, change = SPOILED[case]
    with front(url, spoiled(change)) as seen, model(seen.url) as opened, pytest.raises(ModelError) as caught:
        opened.answer(ONE)
    assert cause in caught.value.message
    assert caught.value.remedy


GARBAGE = {
    "html": ("not of the form of ollama", Reply(b"<html>busy</html>")),
    "nothing": ("not of the form", Reply(b"")),
    "binary": ("not of the form", Reply(b"\xff\x00" * 50)),
    "huge": ("more than", Reply(b" " * (9 * 2**20))),
    "error": ("500: boom", Reply(b"boom", 500)),
    "no model": ("404: .*unknown model", Reply(b'{"error": "unknown model"}', 404)),
    "moved": ("answered 301", Reply(b"", 301, {"location": "http://127.0.0.1:1/"})),
    "long wait": ("answered 429", Reply(b"", 429, {"retry-after": "3600"})),
    "always busy": ("answered 503", Reply(b"", 503)),
    "hung up": ("broke the connection", Reply(None)),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_ends_with_its_cause(url: str, case: str) -> None:
    cause, reply = GARBAGE[case]
    with (
        front(url, lambda n, true: reply) as seen,
        model(seen.url, "ollama", attempts=2) as opened,
        pytest.raises(ModelError, match=cause),
    ):
        opened.answer(ONE)


def test_a_slow_server_costs_its_timeout_once_and_not_once_a_ticket(url: str) -> None:
    slow = Reply(b"{}", seconds=0.8)
    with front(url, lambda n, true: slow) as seen, model(seen.url, timeout_s=0.4, concurrency=1) as opened:
        started = time.monotonic()
        for batch in (THREE, THREE[:1], THREE[1:], THREE[1:2], THREE[2:]):
            with pytest.raises(ModelError, match=r"within 0.4 s"):
                opened.answer(batch)
        assert time.monotonic() - started < 2.4
        assert len(seen.requests) == 2


def test_one_slow_prompt_does_not_shut_out_the_others(url: str) -> None:
    def slow_wifi(number: int, true: Callable[[], bytes]) -> Reply:
        return Reply(true(), seconds=2.0 if b"wifi va lento" in seen.requests[number][1] else 0.0)

    with front(url, slow_wifi) as seen, model(seen.url, timeout_s=1.5, concurrency=1) as opened:
        with pytest.raises(ModelError, match=r"within 1.5 s"):
            opened.answer(THREE)
        answers = opened.answer(THREE[:2])
        with pytest.raises(ModelError, match=r"within 1.5 s"):
            opened.answer(THREE[2:])
        assert [len(answers), len(seen.requests)] == [2, 3]


def test_a_server_that_is_killed_on_the_way(checkpoint: Path) -> None:
    with serving(checkpoint) as (address, process):

        def killing(number: int, true: Callable[[], bytes]) -> Reply:
            if number == 1:
                process.kill()
            return Reply(true())

        with front(address, killing) as seen, model(address) as direct, model(seen.url, concurrency=1, attempts=1) as behind:
            with pytest.raises(ModelError, match="broke the connection"):
                behind.answer(THREE)
            with pytest.raises(ModelError, match="Nothing answers at") as caught:
                direct.answer(THREE)
            assert "Start the server" in caught.value.remedy
            started = time.monotonic()
            with pytest.raises(ModelError, match="is not asked: a moment ago"):
                direct.answer(asked("otra cosa"))
            assert time.monotonic() - started < 0.2


def test_a_server_without_log_probabilities(url: str) -> None:
    with front(url, spoiled(lambda choice: choice.pop("logprobs"))) as seen, model(seen.url) as opened:
        answer = opened.answer(ONE)[0]
    check(ONE[0], answer)
    assert np.exp(answer.log_probs["urgency"]).max() == pytest.approx(0.9)


def test_the_server_refuses_what_it_can_not_do(url: str) -> None:
    chat = {"messages": [{"role": "user", "content": "x"}]}
    wrong: tuple[dict[str, object], ...]
    wrong = ({"messages": []}, {**chat, "stream": True}, {**chat, "top_logprobs": 21}, {**chat, "max_tokens": 4096})
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}
    for body in (*wrong, {**chat, "response_format": schema}):
        assert httpx.post(f"{url}/v1/chat/completions", json=body).status_code in (400, 422)
    assert httpx.get(f"{url}/v1/models").json()["data"][0]["object"] == "model"
    free = httpx.post(f"{url}/v1/chat/completions", json={**chat, "max_tokens": 5}).json()["choices"][0]
    assert free["finish_reason"] in ("length", "stop")
    assert free["logprobs"] is None
