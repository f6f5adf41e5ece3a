"""Random taxonomies over the incidents of a world: fields, label sets, and rules between them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.taxonomy import API_PREFIX, RESOLUTION_FIELD, FieldSpec, Label, Mode, Rule, Taxonomy
from finetune.synthetic import naming
from finetune.synthetic.incident import Incident, World
from finetune.synthetic.labelling import Labelling, labelling
from finetune.synthetic.lexicon import Lexicon, parts, raw

MOST_LABELS = 20
"""Labels of one field."""
ALL_LABELS = 60
"""Labels of all fields together."""
_WEIGHTS = {
    "area": 8,
    "sub": 9,
    "symptom": 7,
    "service": 6,
    "domain": 3,
    "kind": 4,
    "urgency": 5,
    "scope": 4,
    "priority": 2,
    "team": 6,
    "cause": 2,
    "department": 2,
    "site": 2,
    "pair": 2,
    RESOLUTION_FIELD: 4,
}
_COUNTS = {1: 20, 2: 24, 3: 22, 4: 14, 5: 9, 6: 6, 7: 5}
_TEAM_BASES = ("area", "sub", "sub", "domain", "service")
_NEEDS = {"urgency": {"urgency"}, "scope": {"scope"}, "priority": {"urgency", "scope"}}
_SAID = {"cause", "department", "site", "domain"}
_ENDS = {
    "fault": {"manual": 6, "reassign": 3, "api": 2, "wait": 2},
    "alert": {"manual": 6, "reassign": 5},
    "request": {"manual": 4, "api": 4, "wait": 3, "reassign": 1},
    "question": {"close": 1},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One field: what it depends on and its labels. `explained` are values that need no exemplar."""

    field: str
    dimension: str
    labelling: Labelling

    def value(self, incident: Incident) -> str:
        """The value of its dimension."""
        return naming.VALUE[self.dimension](incident)

    def label(self, incident: Incident) -> str:
        """The right label."""
        return self.labelling.label_of[self.value(incident)]

    def readable(self, incident: Incident) -> bool:
        """Whether the names and definitions are enough to label this incident."""
        needs = _NEEDS.get(self.dimension, set())
        return self.value(incident) in self.labelling.explained and (needs <= incident.said or self.labelling.defined)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A taxonomy, how its labels come about, and what every ticket must say so that they can be known."""

    taxonomy: Taxonomy
    plans: tuple[Plan, ...]
    always: frozenset[str]


def build_scheme(rng: random.Random, lexicon: Lexicon, world: World) -> Scheme:
    """One to seven fields, at most ALL_LABELS labels."""
    wanted = rng.choices(list(_COUNTS), list(_COUNTS.values()))[0]
    plans: dict[str, Plan] = {}
    systems = tuple(rng.sample(parts(raw("labels")["systems"]), k=rng.randint(1, 3)))
    for dimension in _dimensions(rng, wanted):
        room = ALL_LABELS - sum(len(plan.labelling.labels) for plan in plans.values())
        plan = _plan(rng, lexicon, world, dimension, min(MOST_LABELS, room), systems)
        if plan and plan.field not in plans and 2 <= len(plan.labelling.labels) <= room:
            plans[plan.field] = plan
    if not plans:
        return build_scheme(rng, lexicon, world)
    rules, first = _rules(rng, lexicon, tuple(plans.values()))
    ordered = sorted(plans.values(), key=lambda plan: plan.field != first)
    taxonomy = Taxonomy(
        version="1",
        fields={plan.field: FieldSpec(labels=plan.labelling.labels, mode=Mode.SUGGEST) for plan in ordered},
        systems=systems if RESOLUTION_FIELD in plans else (),
        rules=rules,
    )
    return Scheme(taxonomy, tuple(ordered), _always(rng, tuple(plans.values())))


def _dimensions(rng: random.Random, count: int) -> list[str]:
    """Different dimensions, the usual ones more often, in random order."""
    keys = sorted(_WEIGHTS, key=lambda name: rng.random() ** (1 / _WEIGHTS[name]), reverse=True)
    return keys[:count]


def _always(rng: random.Random, plans: Sequence[Plan]) -> frozenset[str]:
    """What each field asks for must mostly be said."""
    said = {plan.dimension for plan in plans if plan.dimension in _SAID}
    for plan in plans:
        if rng.random() < 0.6:
            said |= _NEEDS.get(plan.dimension, set())
    return frozenset(said - ({"cause"} if rng.random() < 0.3 else set()))


def _plan(rng: random.Random, lexicon: Lexicon, world: World, dimension: str, most: int, systems: Sequence[str]) -> Plan | None:
    if most < 2:
        return None
    if dimension == RESOLUTION_FIELD:
        return Plan(RESOLUTION_FIELD, "sub", _endings(rng, lexicon, world, systems))
    base = rng.choice(_TEAM_BASES) if dimension == "team" else dimension
    values = [*naming.values(base, world)]
    if len(values) < 2:
        return None
    values += _strangers(rng, lexicon, base, values)
    limit = most if rng.random() < 0.7 else rng.randint(2, 12)
    labels = labelling(rng, lexicon, world, base, values, min(limit, most), "team_names" if dimension == "team" else "")
    return Plan(rng.choice(lexicon.fields[dimension]), base, labels)


def _strangers(rng: random.Random, lexicon: Lexicon, dimension: str, values: Sequence[str]) -> list[str]:
    """Values that do not occur in this world: labels that are never right."""
    used = {one.group for one in lexicon.symptoms.values()}
    pools: Mapping[str, Sequence[str]] = {
        "area": sorted(lexicon.areas),
        "sub": sorted(used),
        "symptom": sorted(lexicon.symptoms),
    }
    pool = [value for value in pools.get(dimension, ()) if value not in values]
    return rng.sample(pool, k=min(len(pool), rng.choice((0, 0, 1, 2, 4))))


def _endings(rng: random.Random, lexicon: Lexicon, world: World, systems: Sequence[str]) -> Labelling:
    """The product's own resolution kinds, by group of symptoms; one policy for each organisation."""
    kind_of = {one.group: one.kind for one in reversed(world.symptoms)}
    label_of = {group: _end(rng, kind, systems) for group, kind in kind_of.items()}
    names = list(dict.fromkeys(["manual", *label_of.values()]))
    if len(names) < 2:
        names.append("close")
    defined = rng.random() < 0.5
    labels = tuple(Label(name=name, definition=_ending(name, lexicon, world.language) if defined else {}) for name in names)
    told = {group for group, kind in kind_of.items() if kind == "question" and _all_questions(group, world)}
    return Labelling(labels, label_of, frozenset(told), defined)


def _all_questions(group: str, world: World) -> bool:
    return all(one.kind == "question" for one in world.symptoms if one.group == group)


def _end(rng: random.Random, kind: str, systems: Sequence[str]) -> str:
    name = rng.choices(list(_ENDS[kind]), list(_ENDS[kind].values()))[0]
    return f"{API_PREFIX}{rng.choice(systems)}" if name == "api" else name


def _ending(name: str, lexicon: Lexicon, language: str) -> dict[str, str]:
    end, _, system = name.partition("|")
    return {language: lexicon.ends[end].definitions[language][0].replace("{system}", system)}


def _rules(rng: random.Random, lexicon: Lexicon, plans: Sequence[Plan]) -> tuple[tuple[Rule, ...], str]:
    """With even odds: what an area's label leaves of the groups or symptoms. Also the field that must come first, or ""."""
    wide = next((plan for plan in plans if plan.dimension == "area"), None)
    narrow = next((plan for plan in plans if plan.dimension in {"sub", "symptom"} and plan.field != RESOLUTION_FIELD), None)
    if not wide or not narrow or rng.random() < 0.5:
        return (), ""
    below: dict[str, dict[str, None]] = {}
    for value, label in narrow.labelling.label_of.items():
        area = lexicon.groups[value].area if narrow.dimension == "sub" else lexicon.symptoms[value].area
        above = wide.labelling.label_of.get(area)
        if above:
            below.setdefault(above, {})[label] = None
    rules = tuple(Rule(when={wide.field: label}, allow={narrow.field: tuple(kept)}) for label, kept in below.items())
    return rules, wide.field
