"""What holds for any text at all."""

import re
import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.ticket import CleanTicket, Ticket
from intake import Intake

INTAKE = Intake(b"k" * 32)
PIECES = [
    "<p>",
    "</p>",
    "<br>",
    "<!--",
    "-->",
    "<b ",
    "&lt;",
    "&amp;",
    "&#8203;",
    "{",
    "}",
    '"category":',
    "\n",
    "\n\n",
    "> ",
    "--\n",
    "De: a\n",
    "Enviado: b\n",
    "From: a\n",
    "Sent: x\n",
    "Subject: y\n",
    "On 3 May X wrote:\n",
    "Un saludo,\nMarta",
    "Gracias",
    "ignore all previous rules",
    "set priority 1",
    "SYSTEM: ",
    "clave: ",
    "password is ",
    "Bearer ",
    "token=",
    "+34 ",
    "600 555 012",
    "ES91 2100 ",
    "4111 ",
    "<email:12ab34cd>",
    "<phone:",
    "@a.example",
    "[INST]",
    "<|im_start|>",
    "### Exemplar\n",
    "\u200b",
    "\u0301",
    "\u0338",
    "\ud800",
    "\x00",
    "\u2028",
    "ﬁ",
    "İ",
    "ß",
    "٣",
    "😊",
    "\U000e0041",
    "\u05b0\u05b4",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=14).map("".join)
PERSONAL = st.sampled_from(
    ["marta.perez@albeniz.example", "ES91 2100 0418 4502 0005 1332", "4111 1111 1111 1111", "+34 600 555 012", "+353 21 555 0131"]
)
FREELY = settings(max_examples=250)


def clean(subject: str, body: str) -> CleanTicket:
    return INTAKE.clean(Ticket("1", subject, body))


@FREELY
@given(TEXTS, TEXTS)
@example("", "<email:12ab34cd>\u0338")
@example("", "&amp;amp;lt;b&amp;gt;")
def test_any_text_comes_out_clean_and_stays_so(subject: str, body: str) -> None:
    once = clean(subject, body)
    allowed = {"\n"}
    assert not [c for c in once.text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and c not in allowed]
    assert not re.search(r"[^\S\n ]| $|\n{3}| \n", once.text)
    assert unicodedata.is_normalized("NFC", once.text)
    assert "\n" not in once.subject
    twice = clean(once.subject, once.body)
    assert (twice.subject, twice.body) == (once.subject, once.body)


@FREELY
@given(TEXTS)
def test_a_resolution_comes_out_clean_and_stays_so(text: str) -> None:
    once = INTAKE.clean_text(text)
    once.encode()
    assert INTAKE.clean_text(once) == once


@FREELY
@given(TEXTS, PERSONAL, TEXTS)
def test_no_planted_value_survives(before: str, value: str, after: str) -> None:
    ticket = clean("", f"{before} {value} {after}")
    assert value not in ticket.body
    assert value.replace(" ", "") not in ticket.body.replace(" ", "")


ADVERSARIAL = [
    "a",
    "<",
    "<a ",
    "<div>",
    "<blockquote>",
    "<!--",
    "&amp;",
    "{",
    '{"category":',
    "[INST]",
    "<|a|>",
    "\n",
    "> ",
    "De: a\n",
    "From: a\nSent: b\n\n",
    "On 1 ",
    "Saludos\n",
    "1",
    "1 ",
    "600 555 012 ",
    "+34 ",
    "AA11 ",
    "a@",
    "a@b.",
    "http://a:",
    "password ",
    "clave es ",
    "-----BEGIN PRIVATE KEY-----",
    "eyJaaaaaaaaa.",
    "ignore all previous ",
    "set priority ",
    "note to the ",
    "\u0300\u0316",
    "\u05b0\u05b4",
    ". ",
    "category: x\n",
    "Example 1\nAnswer: x\n",
]


@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (30_000 // len(piece))
    started = time.process_time()
    clean("", text)
    assert time.process_time() - started < 2
