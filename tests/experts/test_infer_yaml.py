"""A taxonomy to YAML and back."""

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from core.taxonomy import FieldSpec, Label, Priority, Rule, Taxonomy
from experts.infer import dump_yaml
from tests.experts.infer_examples import EXAMPLES, company


def test_yaml_reads_back_equal_and_shows_one_label_a_line() -> None:
    text = dump_yaml(company().taxonomy, company().notes)
    assert Taxonomy.model_validate(yaml.safe_load(text)) == company().taxonomy
    labels = sum(len(spec.labels) for spec in company().taxonomy.fields.values())
    assert sum(line.startswith("      - {name: ") for line in text.splitlines()) == labels
    for note in company().notes:
        assert f"# - {note}" in text


def test_the_written_taxonomy_reads_back_equal() -> None:
    written = Taxonomy.model_validate(yaml.safe_load((EXAMPLES / "taxonomy.yaml").read_text()))
    assert Taxonomy.model_validate(yaml.safe_load(dump_yaml(written))) == written


NASTY = st.one_of(
    st.sampled_from(
        ["no", "1", "1.0", "null", "~", "2024-01-01", "a: b", "- x", "#c", "a\nb", "'", '"', "[x]", "{y}", "é", "!t"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
)


@settings(max_examples=60)
@given(name=NASTY, field=NASTY, labels=st.lists(NASTY, min_size=2, max_size=3), word=NASTY, note=NASTY)
def test_any_text_survives_the_yaml(name: str, field: str, labels: list[str], word: str, note: str) -> None:
    spec = FieldSpec(labels=tuple(Label(name=f"{i}{text}", definition={"no": word}) for i, text in enumerate(labels)))
    names = [found.name for found in spec.labels]
    taxonomy = Taxonomy(
        version=word,
        name=name,
        fields={field: spec, f"{field}2": spec},
        rules=(Rule(when={field: names[0]}, allow={f"{field}2": (names[1],)}),),
        priority=Priority(rows=field, columns=f"{field}2", matrix={row: dict.fromkeys(names, word) for row in names}),
    )
    assert Taxonomy.model_validate(yaml.safe_load(dump_yaml(taxonomy, [note]))) == taxonomy
