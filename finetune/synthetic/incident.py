"""What happened, before anybody writes it down; and the small world that the incidents of one episode are drawn from."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any

from finetune.synthetic import invented
from finetune.synthetic.deal import Split
from finetune.synthetic.lexicon import LANGUAGES, Kind, Lexicon, Symptom

URGENCIES = ("high", "medium", "low")
SCOPES = ("one", "team", "site", "all")
REGISTERS = {"formal": 3, "hurried": 4, "angry": 2, "telegraphic": 3, "technical": 2, "rambling": 5, "polite": 4}
CHANNELS = {"mail": 10, "form": 3, "phone": 2, "chat": 3}
SPOKEN = {"form": "form", "phone": "phone", "chat": "chat", "monitor": "monitor"}
"""Channels with templates of their own; mail is written in a register."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of one organisation: of a kind, with a name of its own ("" where people only say what it is)."""

    kind: Kind
    name: str = ""

    @property
    def key(self) -> str:
        """What tells it from the others of its world."""
        return self.name or self.kind.id


@dataclass(frozen=True, slots=True)
class Incident:
    """One case. `said` are those of scope, urgency, cause, department and site that the ticket mentions.

    Scope is one of SCOPES, urgency one of URGENCIES; where they are not said they are what is taken for granted.
    `detail` seeds what no label depends on: which thing, which error code, who writes.
    """

    symptom: Symptom
    service: Service | None
    scope: str
    urgency: str
    cause: str
    department: str
    site: str
    said: frozenset[str]
    channel: str
    register: str
    language: str
    detail: int

    @property
    def kind(self) -> str:
        """fault, request, question or alert."""
        return self.symptom.kind

    @property
    def style(self) -> str:
        """The name of its templates."""
        return SPOKEN.get(self.channel, self.register)


@dataclass(frozen=True, slots=True)
class World:
    """What can happen in one organisation. `bounds` are cumulative weights of the symptoms, `services` by symptom id.

    `always` are what every ticket says because a field asks for it.
    """

    symptoms: tuple[Symptom, ...]
    bounds: tuple[float, ...]
    services: Mapping[str, tuple[Service, ...]]
    departments: tuple[str, ...]
    sites: tuple[str, ...]
    causes: tuple[str, ...]
    language: str
    always: frozenset[str] = frozenset()


_SIZES = ((4, 8), (9, 16), (17, 28), (29, 45))
"""Symptoms of a world, from narrow to broad."""


def build_world(rng: random.Random, lexicon: Lexicon, language: str) -> World:
    """A random organisation: some symptoms, commoner ones and rarer ones, and its own services, sites and departments."""
    chosen = _symptoms(rng, lexicon)
    kinds = _kinds(rng, lexicon, chosen)
    named = {kind.id: _services(rng, kind, lexicon.split) for kind in kinds}
    apps = [kind.id for kind in kinds if kind.app]
    services = {one.id: _usable(one, named, apps) for one in chosen}
    places = rng.sample(lexicon.banks["place"][language], k=min(2, len(lexicon.banks["place"][language])))
    return World(
        chosen,
        tuple(accumulate(1.0 / (1 + rank * rng.uniform(0.1, 0.6)) for rank in range(len(chosen)))),
        services,
        tuple(rng.sample(sorted(lexicon.departments), k=rng.randint(3, 7))),
        tuple(dict.fromkeys([*places, *(invented.word(rng, lexicon.split) for _ in range(rng.randint(1, 5)))])),
        tuple(rng.sample(sorted(lexicon.causes), k=rng.randint(2, 6))),
        language,
    )


def _symptoms(rng: random.Random, lexicon: Lexicon) -> tuple[Symptom, ...]:
    """All areas, a few of them, or one; then some of their symptoms, in random order."""
    width = rng.choice((1, 2, 3, 5, 8, 12, 99, 99, 99))
    areas = set(rng.sample(sorted(lexicon.areas), k=min(width, len(lexicon.areas))))
    pool = [one for one in lexicon.symptoms.values() if one.area in areas]
    if len(pool) < 4:
        pool = list(lexicon.symptoms.values())
    return tuple(rng.sample(pool, k=min(len(pool), rng.randint(*rng.choices(_SIZES, (4, 5, 2, 1))[0]))))


def _kinds(rng: random.Random, lexicon: Lexicon, chosen: Sequence[Symptom]) -> list[Kind]:
    apps = [kind for kind in lexicon.kinds.values() if kind.app]
    wanted = {name for one in chosen for name in one.on if name != "app"}
    some = rng.sample(apps, k=min(len(apps), rng.randint(2, 8)))
    return [*some, *(kind for kind in lexicon.kinds.values() if kind.id in wanted and kind not in some)]


def _services(rng: random.Random, kind: Kind, split: Split) -> tuple[Service, ...]:
    """One or two of a kind. Applications have names, mostly invented; the rest seldom."""
    count = 2 if rng.random() < 0.15 else 1
    found = []
    for _ in range(count):
        toss = rng.random()
        if toss < (0.55 if kind.app else 0.08):
            found.append(Service(kind, (invented.product if kind.app else invented.word)(rng, split)))
        elif toss < (0.8 if kind.app else 0.3) and kind.products:
            found.append(Service(kind, rng.choice(kind.products)))
        else:
            found.append(Service(kind))
    return tuple(dict.fromkeys(found))


def _usable(symptom: Symptom, named: Mapping[str, tuple[Service, ...]], apps: Sequence[str]) -> tuple[Service, ...]:
    kinds = dict.fromkeys(k for name in symptom.on for k in (apps if name == "app" else (name,)))
    return tuple(service for kind in kinds for service in named.get(kind, ()))


def draw(rng: random.Random, world: World, **given: Any) -> Incident:  # noqa: ANN401 (attributes of Incident)
    """An incident of this world; `given` fixes attributes of it by name."""
    symptom: Symptom = given.pop("symptom", None) or rng.choices(world.symptoms, cum_weights=world.bounds)[0]
    services = world.services[symptom.id]
    alert = symptom.kind == "alert"
    said = frozenset(name for name, share in _SAID.items() if name in world.always or rng.random() < share)
    found = Incident(
        symptom=symptom,
        service=rng.choice(services) if services else None,
        scope=rng.choices(SCOPES, cum_weights=(4, 7, 9, 10))[0],
        urgency=rng.choice(URGENCIES),
        cause=rng.choice(world.causes),
        department=rng.choice(world.departments),
        site=rng.choice(world.sites),
        said=said,
        channel="monitor" if alert and _watched(symptom) and rng.random() < 0.5 else _weighted(rng, "channel"),
        register=_weighted(rng, "register"),
        language=world.language,
        detail=rng.getrandbits(32),
    )
    return settled(replace(found, **given) if given else found)


_SAID = {"scope": 0.45, "urgency": 0.45, "cause": 0.25, "department": 0.15, "site": 0.15}


def _watched(symptom: Symptom) -> bool:
    return symptom.area in {"platform", "application"}


@cache
def _table(what: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    table = CHANNELS if what == "channel" else REGISTERS
    return tuple(table), tuple(accumulate(table.values()))


def _weighted(rng: random.Random, what: str) -> str:
    names, bounds = _table(what)
    return rng.choices(names, cum_weights=bounds)[0]


def settled(incident: Incident) -> Incident:
    """What is not said is what anybody takes for granted: one person; some hurry for a fault, none for a request."""
    unsaid: dict[str, Any] = {}
    if incident.kind in {"request", "question"} and "cause" in incident.said:
        unsaid["said"] = incident.said - {"cause"}  # nothing is broken
    if "scope" not in incident.said:
        unsaid["scope"] = "one"
    if "urgency" not in incident.said:
        unsaid["urgency"] = "medium" if incident.kind in {"fault", "alert"} else "low"
    return replace(incident, **unsaid) if unsaid else incident


def other_language(language: str) -> str:
    """Spanish for English and the other way round."""
    return LANGUAGES[1 - LANGUAGES.index(language)]
