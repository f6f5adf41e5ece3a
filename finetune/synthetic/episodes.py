"""Episodes: a ticket with a taxonomy of its own and a past that explains it. Each depends on seed, split and number only."""

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from core.taxonomy import RESOLUTION_FIELD, Taxonomy
from core.ticket import CleanTicket, Exemplar, Neighbor
from finetune.synthetic.deal import Split
from finetune.synthetic.grammar import rendered, resolution
from finetune.synthetic.incident import Incident, World, build_world, draw
from finetune.synthetic.lexicon import LANGUAGES, Lexicon, lexicon
from finetune.synthetic.noise import noisy
from finetune.synthetic.retrieval import made_telling, past, similarity
from finetune.synthetic.taxonomies import Plan, Scheme, build_scheme

LABEL_NOISE = 0.03
"""Share of an exemplar's labels that are wrong, at a tidy desk."""
UNTIDY = (0.03, 0.1, 0.2, 0.35)
"""The same at desks with a long past, each as often."""
CROWD = 4
"""How many times as much there is to find in a long past."""
RANKED = 0.08
"""Standard deviation of what a long past is ranked by, around the similarity: a hybrid search ranks by words as well."""
SHOWN = 8
"""Exemplars of an episode, at most."""
UNLABELLED = 0.02
"""Share of an exemplar's labels that are missing."""
WITHHELD = 0.15
"""Share of episodes in which one field's right label is on no exemplar."""
_NAMESPACE = uuid.UUID("6f1d9e1e-54a6-5c39-9d1c-0d0c5f8a7b11")


@dataclass(frozen=True, slots=True)
class Episode:
    """One lesson. `gold` has the right label of every field that can be known, by name, definition or exemplar.

    `neighbors` are nearest first, at most SHOWN; `further` are the rest of a long past, which are counted and not read: they
    have labels and no text. `summary` is one line of at most 120 characters in the ticket's language.
    """

    taxonomy: Taxonomy
    ticket: CleanTicket
    gold: Mapping[str, str]
    neighbors: Sequence[Neighbor]
    summary: str
    further: Sequence[Neighbor] = ()


def episodes(seed: int, split: Split, start: int = 0) -> Iterator[Episode]:
    """Episodes without end, from number `start` on."""
    return (episode(seed, split, number) for number in count(start))


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the past is like: noise of its texts (see `noise.noisy`) and of its ranking, share of wrong labels, how long it is."""

    intensity: float
    label_noise: float = LABEL_NOISE
    drawn: int = 1
    ranked: float = 0.0

    def rank(self, rng: random.Random, similarity: float) -> float:
        return rng.gauss(similarity, self.ranked) if self.ranked else similarity


def episode(seed: int, split: Split, number: int, intensity: float = 1.0, *, crowded: bool = False) -> Episode:
    """The episode with this number. `intensity` is that of the noise, see `noise.noisy`.

    With `crowded` the exemplars are the nearest of a long past whose labels were given with more or less care: most are like the
    ticket, no single one can be trusted, and those that agree count.
    """
    rng = random.Random(f"{seed}/{split}/{number}")
    words = lexicon(split)
    while True:
        world = build_world(rng, words, rng.choice(LANGUAGES))
        scheme = build_scheme(rng, words, world)
        world = replace(world, always=scheme.always)
        ticket = draw(rng, world)
        desk = _Desk(intensity, rng.choice(UNTIDY), CROWD, RANKED) if crowded else _Desk(intensity)
        found = _past(rng, world, scheme, ticket, desk)
        neighbors, further = found[:SHOWN], found[SHOWN:]
        gold = {plan.field: plan.label(ticket) for plan in scheme.plans if _known(plan, ticket, neighbors)}
        if gold:
            told = [_told(rng, words, one, intensity) for one in neighbors]
            episode = _episode(rng, words, scheme, ticket, f"{split}-{number}", gold, told, intensity)
            return replace(episode, further=tuple(one.neighbor for one in further))


def _episode(
    rng: random.Random,
    words: Lexicon,
    scheme: Scheme,
    ticket: Incident,
    name: str,
    gold: Mapping[str, str],
    neighbors: Sequence[Neighbor],
    intensity: float,
) -> Episode:
    text = rendered(ticket, words, rng)
    subject, body = noisy(text.subject, text.body, ticket.language, rng, intensity)
    clean = CleanTicket(id=name, subject=subject, body=body, language=ticket.language)
    return Episode(scheme.taxonomy, clean, gold, tuple(neighbors), text.summary)


@dataclass(frozen=True, slots=True)
class _Past:
    """An incident of the past, as a neighbour without a text."""

    incident: Incident
    neighbor: Neighbor


def _past(rng: random.Random, world: World, scheme: Scheme, ticket: Incident, desk: _Desk) -> list[_Past]:
    """Incidents that explain what names do not, the nearest first; at times without the right label of one field."""
    unread = [plan for plan in scheme.plans if not plan.readable(ticket)]
    drawn = [one for _ in range(desk.drawn) for one in past(rng, world, ticket)]
    incidents = made_telling(rng, world, ticket, drawn, unread)
    known = [_labelled(rng, scheme, ticket, one, desk) for one in incidents]
    if rng.random() < WITHHELD:
        plan = rng.choice(scheme.plans)
        known = [one for one in known if one.neighbor.exemplar.labels.get(plan.field) != plan.label(ticket)]
    return sorted(known, key=lambda one: -desk.rank(rng, one.neighbor.similarity))


def _known(plan: Plan, ticket: Incident, neighbors: Sequence[_Past]) -> bool:
    """By name or definition, or because an exemplar with the same value carries the right label."""
    label, value = plan.label(ticket), plan.value(ticket)
    return plan.readable(ticket) or any(
        plan.value(one.incident) == value and one.neighbor.exemplar.labels.get(plan.field) == label for one in neighbors
    )


def _labelled(rng: random.Random, scheme: Scheme, ticket: Incident, incident: Incident, desk: _Desk) -> _Past:
    labels = {plan.field: _observed(rng, plan, incident, desk.label_noise) for plan in scheme.plans if rng.random() >= UNLABELLED}
    known = Exemplar(id="", subject="", body="", language=incident.language, labels=labels, resolution="")
    return _Past(incident, Neighbor(known, similarity(rng, ticket, incident)))


def _told(rng: random.Random, words: Lexicon, past: _Past, intensity: float) -> Neighbor:
    """With its text, and what was done."""
    text = rendered(past.incident, words, rng)
    subject, body = noisy(text.subject, text.body, past.incident.language, rng, intensity)
    known = past.neighbor.exemplar
    exemplar = replace(
        known,
        id=str(uuid.uuid5(_NAMESPACE, f"{subject}\n{body}")),
        subject=subject,
        body=body,
        resolution=_resolved(rng, words, past.incident, known.labels),
    )
    return replace(past.neighbor, exemplar=exemplar)


def _observed(rng: random.Random, plan: Plan, incident: Incident, noise: float) -> str:
    if rng.random() < noise:
        return rng.choice(plan.labelling.labels).name
    return plan.label(incident)


def _resolved(rng: random.Random, words: Lexicon, incident: Incident, labels: Mapping[str, str]) -> str:
    """What was done, in agreement with the kind of resolution where there is one; at times nobody wrote it down."""
    if rng.random() < 0.25:
        return ""
    end, _, system = labels.get(RESOLUTION_FIELD, "").partition("|")
    team = rng.choice(words.areas[incident.symptom.area].names[incident.language])
    return resolution(incident, words, rng, incident.language, end, system=system, team=team)
