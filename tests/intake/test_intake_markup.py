"""HTML to text, and text that only looks a little like it."""

import pytest

from intake.markup import to_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>uno</p><p>dos</p>", "\nuno\n\ndos\n"),
        ("uno<br>dos<br/>tres", "uno\ndos\ntres"),
        ("<div>a\n  b</div>", "a b\n"),
        ("<pre>a\n  b</pre>", "\na\n  b\n\n"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b \n\n"),
        ("caf&eacute; &lt;b&gt; &#8364;", "café <b> €"),
        ("<b>x</b> &lt;user&gt;", "x <user>"),
        ("línea uno\nlínea <b>dos</b>", "línea uno\nlínea dos"),
        ("<blockquote>viejo<br>dos</blockquote>nuevo", "\n> viejo\n> dos\nnuevo"),
        ("<p>a &amp;amp; b</p>", "\na & b\n"),
    ],
)
def test_markup_becomes_text(markup: str, text: str) -> None:
    assert to_text(markup)[0] == text


@pytest.mark.parametrize(
    "text",
    [
        "if a < b and b > c",
        "C:\\Users\\<user>\\x",
        "Marta <marta@a.example>",
        "<email:12ab34cd> llama",
        "a&b=1&copy=2",
        "<3",
        "<<<",
    ],
)
def test_what_is_no_markup_stays(text: str) -> None:
    assert to_text(text) == (text, [])
    assert to_text(f"<b>{text}</b>")[0] == text


def test_what_nobody_saw_is_handed_back_apart() -> None:
    seen, hidden = to_text(
        "<style>p{}</style><script>f()</script><p>hola</p><!-- nota --><span style='display: none'>oculto</span><i hidden>x</i>"
    )
    assert seen.strip() == "hola"
    assert [piece.strip() for piece in hidden] == ["nota", "p{}", "f()", "oculto", "x"]


def test_an_open_comment_hides_nothing() -> None:
    assert to_text("<p>hola</p><!-- el resto") == ("\nhola\n<!-- el resto", [])


def test_deep_nesting_does_not_recurse() -> None:
    assert to_text("<div>" * 5_000 + "hondo")[0].strip() == "hondo"
