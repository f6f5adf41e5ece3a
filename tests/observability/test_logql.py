"""LogQL is read as Loki reads it: what it takes, what it refuses and why, and which labels a query names."""

import pytest

from core.errors import InputError
from observability.logql import parse_logql

TAKEN = (
    '{app="tamiz"}',
    '{app="tamiz", kind=~"decision|writeback", state!="accepted", x!~"y"} # all that was held back',
    '{a="b"} |= "x" or "y" != `z` |~ "q.*" !~ `\\d+` |> "<_> x" !> "y"',
    '{a="b"} |= ip("10.0.0.0/8") | x!=ip("10.0.0.1")',
    '{a="b"} | json | c="d" and (e>3 or f<=5ms), g!=1.5e3, h=~"i.*" or j==2KB',
    '{a="b"} | json one="fusion.category.label", two="causes[0].code", three',
    '{a="b"} | logfmt --strict --keep-empty | unpack | decolorize',
    '{a="b"} | regexp `(?P<took>\\d+)ms` | pattern "<_> <word>" | took > 10 | word = "x"',
    '{a="b"} | line_format "{{.c}} {{ .d | upper }}" | label_format e=f, g="{{.h}}" | drop i, j="k" | keep l',
    'count_over_time({a="b"}[5m])',
    'rate({a="b"}[5m] |= "x" | json)',
    'sum(rate(({a="b"} |= "x")[1m] offset 1h))',
    'sum by (c, d) (count_over_time({a="b"} | json [5m])) / on (c) group_left (e) sum by (c) (rate({a="b"}[5m]))',
    'topk(3, sum(bytes_rate({a="b"}[1m])) without (c)) > bool 2 ^ -1',
    'quantile_over_time(0.99, {a="b"} | json | unwrap duration(seconds) | __error__="" [5m]) by (c)',
    'sum_over_time({a="b"} | json | unwrap n [5m]) or vector(0) unless absent_over_time({a="b"}[1h])',
    'label_replace(rate({a="b"}[1m]), "new", "$1", "old", "(.*)")',
    'sort_desc(sum by (x) (avg_over_time({a="b"} | unwrap x [1d])))',
)
REFUSED = {
    "{}": "`}`",
    '{a=~".*"}': "every stream",
    '{a!="b"}': "every stream",
    '{a="b"': "the end",
    '{a="b"} and {c="d"}': "the end of the query",
    '{a="b"} |= x': "a string",
    '{a="b"} | json | ': "a word",
    '{a="b"} | c = ': "a string",
    '{a="b"} | c > "d"': "a number",
    '{a="b"} | unwrap': "a word",
    '{a="\\d"}': "no escape",
    '{a=~"("}': "can't be compiled",
    '{a=~"b(?=c)"}': "looks around",
    '{a="b"} | regexp "x"': "names no group",
    '{a="b"} | pattern "x"': "names no label",
    '"x': "nothing can begin",
    'sum({a="b"})': "count_over_time",
    'count_over_time({a="b"})': "a range",
    'count_over_time({a="b"}[5])': "a duration",
    'sum_over_time({a="b"}[5m])': "needs values",
    'count_over_time({a="b"} | unwrap x [5m])': "counts lines",
    'rate({a="b"}[5m]) by (x)': "takes no grouping",
    'topk(sum(rate({a="b"}[5m])))': "a number",
    'quantile_over_time({a="b"} | unwrap x [5m])': "a number",
    "sum by a (rate({a=\"b\"}[5m]))": "`(`",
    "frate({a=\"b\"}[5m])": "a metric query",
    'rate({a="b"}[5m]) +': "a metric query",
}  # fmt: skip


@pytest.mark.parametrize("query", TAKEN)
def test_what_loki_takes(query: str) -> None:
    assert parse_logql(query).metric is not query.startswith("{")


@pytest.mark.parametrize("query", REFUSED)
def test_what_loki_refuses_is_refused_with_the_reason(query: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_logql(query)
    assert REFUSED[query] in str(refused.value)


def test_the_labels_that_a_query_uses_and_makes() -> None:
    read = parse_logql(
        'sum by (group) (count_over_time({app="tamiz"} | json group="fusion.group.label", plain '
        '| label_format short="{{ .long | printf `.no` }}" | state="x" | score > 3 [5m]))'
    )
    assert [(m.label, m.op, m.value) for (m,) in read.streams] == [("app", "=", "tamiz")]
    assert read.uses == {"app", "group", "long", "state", "score"}
    assert read.makes == {"group", "plain", "short"}
    assert read.paths == {"fusion.group.label", "plain"}
    assert (read.metric, read.extracts) == (True, False)
    assert parse_logql('{app="tamiz"} | json').extracts


def test_the_remedy_says_where() -> None:
    with pytest.raises(InputError, match=r"at character 17 there is `\)`. Expected is `}`."):
        parse_logql('rate({app="tami")')
