"""The likeliest combination that obeys the rules."""

import itertools
import time

import numpy as np
import pytest
from pydantic import ValidationError

from core.consistency import consistent_labels
from core.fusion import normalise
from core.taxonomy import FieldSpec, Label, Rule, Taxonomy
from core.triage import LogProbs
from tests.core.core_examples import example_taxonomy, log_p, small_taxonomy

FIELDS = ("a", "b", "c")


def random_taxonomy(rng: np.random.Generator) -> Taxonomy | None:
    """Three fields of up to nine labels and some rules with one or two conditions; None where the rules contradict."""
    names = {f: [f"{f}{i}" for i in range(rng.integers(2, 10))] for f in FIELDS}
    rules = []
    for _ in range(rng.integers(1, 8)):
        order = rng.permutation(FIELDS).tolist()
        conditions = order[: rng.integers(1, 3)]
        target = order[-1]
        allowed = rng.choice(names[target], size=rng.integers(1, len(names[target])), replace=False).tolist()
        rules.append(Rule(when={f: str(rng.choice(names[f])) for f in conditions}, allow={target: tuple(allowed)}))
    specs = {f: FieldSpec(labels=tuple(Label(name=name) for name in names[f])) for f in FIELDS}
    try:
        return Taxonomy(version="1", fields=specs, rules=tuple(rules))
    except ValidationError:
        return None


def total(taxonomy: Taxonomy, fused: dict[str, LogProbs], labels: dict[str, str]) -> float:
    return sum(float(fused[f][0, taxonomy.labels(f).index(name)]) for f, name in labels.items())


def brute_force(taxonomy: Taxonomy, fused: dict[str, LogProbs]) -> float | None:
    combinations = (dict(zip(FIELDS, c, strict=True)) for c in itertools.product(*(taxonomy.labels(f) for f in FIELDS)))
    return max((total(taxonomy, fused, c) for c in combinations if not taxonomy.violations(c)), default=None)


def test_equals_brute_force_on_random_taxonomies() -> None:
    rng = np.random.default_rng(0)
    searched = 0
    for _ in range(250):
        taxonomy = random_taxonomy(rng)
        if taxonomy is None:
            continue
        scales = rng.choice([0.5, 3.0, 10.0], size=3).tolist()
        sizes = [len(taxonomy.labels(f)) for f in FIELDS]
        fused = {f: normalise(c * rng.normal(size=(1, n))) for f, c, n in zip(FIELDS, scales, sizes, strict=True)}
        found, best = consistent_labels(taxonomy, fused, 0), brute_force(taxonomy, fused)
        argmax = {f: taxonomy.labels(f)[int(fused[f][0].argmax())] for f in FIELDS}
        searched += bool(taxonomy.violations(argmax))
        if best is None:
            assert found == argmax
        else:
            assert not taxonomy.violations(found)
            assert total(taxonomy, fused, found) == pytest.approx(best, abs=1e-9)
    assert searched > 40


def test_a_label_far_down_the_list_is_found_where_only_it_is_allowed() -> None:
    labels = tuple(Label(name=f"l{i}") for i in range(40))
    taxonomy = Taxonomy(
        version="1",
        fields={"a": FieldSpec(labels=labels[:2]), "b": FieldSpec(labels=labels)},
        rules=(
            Rule(when={"a": "l0"}, allow={"b": ("l39",)}),
            Rule(when={"a": "l1"}, allow={"b": ("l38",)}),
        ),
    )
    falling = normalise(np.linspace(0.0, -4.0, 40)[None, :])
    found = consistent_labels(taxonomy, {"a": log_p((0.9, 0.1)), "b": falling}, 0)
    assert found == {"a": "l0", "b": "l39"}


def test_what_obeys_already_is_the_argmax() -> None:
    fused = {"category": log_p((0.2, 0.5, 0.3)), "group": log_p((0.1, 0.2, 0.7))}
    assert consistent_labels(small_taxonomy(), fused, 0) == {"category": "Correo", "group": "Identidad"}


def test_the_weaker_opinion_gives_way() -> None:
    taxonomy = small_taxonomy()
    sure_of_group = {"category": log_p((0.5, 0.45, 0.05)), "group": log_p((0.05, 0.05, 0.9))}
    assert consistent_labels(taxonomy, sure_of_group, 0) == {"category": "Correo", "group": "Identidad"}
    sure_of_category = {"category": log_p((0.9, 0.05, 0.05)), "group": log_p((0.3, 0.3, 0.4))}
    assert consistent_labels(taxonomy, sure_of_category, 0) == {"category": "Red", "group": "Telecom"}


def test_fields_without_rules_and_other_tickets_are_untouched() -> None:
    fused = {
        "category": log_p((0.1, 0.8, 0.1), (0.9, 0.05, 0.05)),
        "group": log_p((0.1, 0.1, 0.8), (0.1, 0.1, 0.8)),
        "urgency": log_p((0.3, 0.7), (0.6, 0.4)),
    }
    assert consistent_labels(small_taxonomy(), fused, 0) == {"category": "Correo", "group": "Identidad", "urgency": "Baja"}
    assert consistent_labels(small_taxonomy(), fused, 1)["urgency"] == "Alta"


def test_a_field_that_was_not_fitted_is_not_invented() -> None:
    assert consistent_labels(small_taxonomy(), {"category": log_p((0.9, 0.05, 0.05))}, 0) == {"category": "Red"}


def test_where_nothing_obeys_the_argmax_is_left_for_the_critic() -> None:
    labels = (Label(name="x"), Label(name="y"))
    taxonomy = Taxonomy(
        version="1",
        fields={"a": FieldSpec(labels=labels), "b": FieldSpec(labels=labels)},
        rules=(
            Rule(when={"a": "x"}, allow={"b": ("y",)}),
            Rule(when={"a": "y"}, allow={"b": ("y",)}),
            Rule(when={"b": "y"}, allow={"a": ("x",)}),
            Rule(when={"b": "y", "a": "x"}, allow={"b": ("y",)}),
            Rule(when={"b": "x"}, allow={"a": ("x",)}),
        ),
    )
    assert consistent_labels(taxonomy, {"a": log_p((0.1, 0.9)), "b": log_p((0.9, 0.1))}, 0) == {"a": "x", "b": "y"}
    deadlock = taxonomy.model_copy(update={"rules": (*taxonomy.rules[:2], Rule(when={"b": "y"}, allow={"a": ()}))})
    assert consistent_labels(deadlock, {"a": log_p((0.1, 0.9)), "b": log_p((0.9, 0.1))}, 0) == {"a": "y", "b": "x"}


def test_the_example_taxonomy_is_obeyed_and_quickly() -> None:
    taxonomy = example_taxonomy()
    rng = np.random.default_rng(1)
    fused = {f: normalise(2 * rng.normal(size=(200, len(taxonomy.labels(f))))) for f in taxonomy.fields}
    start = time.perf_counter()
    found = [consistent_labels(taxonomy, fused, row) for row in range(200)]
    assert not any(taxonomy.violations(labels) for labels in found)
    assert (time.perf_counter() - start) / 200 < 0.02
