"""Tickets with the labels of a user's own taxonomy: to try things out before there is any history."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.taxonomy import API_PREFIX, RESOLUTION_FIELD, Label, Taxonomy
from core.text import fold
from finetune.synthetic import naming
from finetune.synthetic.grammar import rendered, resolution
from finetune.synthetic.incident import Incident, Service, World, build_world, draw, other_language
from finetune.synthetic.lexicon import LANGUAGES, Lexicon, Symptom, everything
from finetune.synthetic.matching import MEANING_FLOOR, Meaning, dimension_of, meanings
from finetune.synthetic.noise import noisy
from finetune.synthetic.phrasing import filled

TRIES = 12
"""Draws for one ticket before a field is left without a label."""
_NOTHING = {fold(name) for name in ("ninguna", "ninguno", "none", "n/a", "sin aplicación", "no aplica", "not applicable")}
_ENDS = {"fault": ("manual", "reassign"), "alert": ("manual", "reassign"), "question": ("close",)}


@dataclass(frozen=True, slots=True)
class LabelledTicket:
    """A made ticket with its labels by field, what was done and a summary of at most 120 characters."""

    subject: str
    body: str
    language: str
    labels: Mapping[str, str]
    resolution: str
    summary: str


def tickets(taxonomy: Taxonomy, n: int, seed: int) -> Iterator[LabelledTicket]:
    """`n` tickets; every label of every field takes its turn. Labels follow the words of names, synonyms and definitions.

    A label whose words the lexicon does not know gets tickets that quote its synonyms or definition.
    """
    maker = _Maker(taxonomy, {field: meanings(taxonomy, field) for field in taxonomy.active()}, everything())
    targets = [(field, label.name) for field in taxonomy.active() for label in taxonomy.fields[field].labels]
    order = random.Random(f"tickets/{seed}").sample(targets, k=len(targets))
    for number in range(n):
        yield maker.ticket(random.Random(f"tickets/{seed}/{number}"), *order[number % len(order)])


@dataclass(frozen=True, slots=True)
class _Maker:
    taxonomy: Taxonomy
    meanings: Mapping[str, Sequence[Meaning]]
    lexicon: Lexicon

    def ticket(self, rng: random.Random, field: str, label: str) -> LabelledTicket:
        """A ticket for which `label` is right; the labels of the other fields follow from it and the rules."""
        incident, labels = self._try(rng, field, label)
        for _ in range(TRIES - 1):
            if len(labels) == len(self.taxonomy.active()):
                break
            incident, labels = max((incident, labels), self._try(rng, field, label), key=lambda found: len(found[1]))
        return self._written(rng, incident, labels)

    def _try(self, rng: random.Random, field: str, label: str) -> tuple[Incident, dict[str, str]]:
        incident = self._incident(rng, field, label)
        return incident, self._labels(rng, incident, field, label)

    def _incident(self, rng: random.Random, field: str, label: str) -> Incident:
        world = build_world(rng, self.lexicon, rng.choice(LANGUAGES))
        found = next(meaning for meaning in self.meanings[field] if meaning.label.name == label)
        if field == RESOLUTION_FIELD or not found.best:
            return self._drawn(rng, world, self._symptoms())
        dimension, value = rng.choice(found.best)
        if dimension in {"urgency", "scope"}:
            given = {dimension: value, "said": frozenset({"urgency", "scope"})}
            return replace(self._drawn(rng, world, self._symptoms()), **given)  # type: ignore[arg-type]
        if dimension == "domain":
            return self._drawn(rng, world, [s for s in self._symptoms() if _suits(s.on, self.lexicon, value)], value)
        return self._drawn(rng, world, [s for s in self._symptoms() if _has(dimension, value, s)])

    def _symptoms(self) -> list[Symptom]:
        return list(self.lexicon.symptoms.values())

    def _drawn(self, rng: random.Random, world: World, pool: Sequence[Symptom], kind: str = "") -> Incident:
        symptom = rng.choice(pool or self._symptoms())
        kinds = [name for name in self.lexicon.kinds if _suits(symptom.on, self.lexicon, name)]
        chosen = kind if kind in kinds else rng.choice(kinds) if kinds else ""
        services = (Service(self.lexicon.kinds[chosen]),) if chosen else ()
        narrow = replace(world, symptoms=(symptom,), bounds=(1.0,), services={symptom.id: services})
        return draw(rng, narrow)

    def _labels(self, rng: random.Random, incident: Incident, field: str, label: str) -> dict[str, str]:
        """Field by field the nearest label that breaks no rule with those chosen; a field without one is left out."""
        chosen = {field: label}
        for other in self.taxonomy.active():
            if other == field:
                continue
            free = [m for m in self.meanings[other] if not self.taxonomy.violations({**chosen, other: m.label.name})]
            if free:
                chosen[other] = self._nearest(rng, incident, other, free)
        return {name: chosen[name] for name in self.taxonomy.active() if name in chosen}

    def _nearest(self, rng: random.Random, incident: Incident, field: str, free: Sequence[Meaning]) -> str:
        if field == RESOLUTION_FIELD:
            usual = _ENDS.get(incident.kind, ("manual", "wait", API_PREFIX))
            fitting = [m.label.name for m in free if m.label.name.startswith(usual)]
            return rng.choice(fitting or [m.label.name for m in free])
        near = {m.label.name: _affinity(m, incident) for m in free}
        top = max(near, key=lambda name: near[name])
        nothing = [name for name in near if fold(name) in _NOTHING]
        return top if near[top] >= MEANING_FLOOR else nothing[0] if nothing else rng.choice(list(near))

    def _written(self, rng: random.Random, incident: Incident, labels: Mapping[str, str]) -> LabelledTicket:
        incident = self._named(rng, incident, labels)
        text = rendered(incident, self.lexicon, rng)
        body = " ".join([text.body, *self._quoted(rng, incident, labels)])
        subject, body = noisy(text.subject, body, incident.language, rng)
        end, _, system = labels.get(RESOLUTION_FIELD, "").partition("|")
        team = labels.get("assignment_group", "")
        team = team or rng.choice(self.lexicon.areas[incident.symptom.area].names[incident.language])
        done = resolution(incident, self.lexicon, rng, incident.language, end, system=system, team=team)
        return LabelledTicket(subject, body, incident.language, labels, done, text.summary)

    def _named(self, rng: random.Random, incident: Incident, labels: Mapping[str, str]) -> Incident:
        """The service under the name that the taxonomy has for it."""
        for field, name in labels.items():
            if dimension_of(field) == "service" and incident.service and fold(name) not in _NOTHING:
                return replace(incident, service=replace(incident.service, name=name))
        return incident

    def _quoted(self, rng: random.Random, incident: Incident, labels: Mapping[str, str]) -> Iterator[str]:
        """A sentence for each label that the lexicon knows nothing of, in the words of its synonyms or definition."""
        for field, name in labels.items():
            found = next(m for m in self.meanings[field] if m.label.name == name)
            if field != RESOLUTION_FIELD and not found.best and fold(name) not in _NOTHING:
                said = rng.choice(_wordings(found.label, incident.language))
                yield filled(rng.choice(self.lexicon.banks["about"][incident.language]), {"x": said[:1].lower() + said[1:]})


def _wordings(label: Label, language: str) -> Sequence[str]:
    for lang in (language, other_language(language)):
        texts = [*label.synonyms.get(lang, ()), *([label.definition[lang].rstrip(".")] if label.definition.get(lang) else [])]
        if texts:
            return texts
    return [label.name]


def _affinity(meaning: Meaning, incident: Incident) -> float:
    """The nearest that a label comes to any value of the incident."""
    own = {(dimension, value(incident)) for dimension, value in naming.VALUE.items()}
    return max((near for value, near in meaning.nearness.items() if value in own), default=0.0)


def _suits(on: Sequence[str], lexicon: Lexicon, kind: str) -> bool:
    return kind in on or ("app" in on and lexicon.kinds[kind].app)


def _has(dimension: str, value: str, symptom: Symptom) -> bool:
    return {"area": symptom.area, "sub": symptom.group, "symptom": symptom.id, "kind": symptom.kind}.get(dimension) == value
