"""The past that a ticket is shown with: incidents more and less like it, with similarities as an embedder gives them."""

import random
from collections.abc import Sequence
from dataclasses import replace

from finetune.synthetic.incident import Incident, World, draw, other_language
from finetune.synthetic.taxonomies import Plan

ELSEWHERE = 0.3
"""Share of exemplars that are not in the ticket's language."""
_COUNTS = (0, 1, 2, 3, 4, 5, 6, 7, 8)
_COUNT_WEIGHTS = (5, 5, 9, 13, 17, 16, 15, 11, 9)
_KINDS = {"twin": 3, "symptom": 4, "service": 3, "group": 3, "any": 4}
_OF_SYMPTOM = {"area", "sub", "symptom", "kind", "pair"}


def past(rng: random.Random, world: World, ticket: Incident) -> list[Incident]:
    """Some incidents of the same world: the same again, the same symptom or service, the same group, or anything."""
    count = rng.choices(_COUNTS, _COUNT_WEIGHTS)[0]
    kinds = rng.choices(list(_KINDS), list(_KINDS.values()), k=count)
    abroad = 1.0 if rng.random() < 0.12 else ELSEWHERE * 0.8
    return [_tongue(rng, _like(rng, world, ticket, kind), abroad) for kind in kinds]


def _tongue(rng: random.Random, incident: Incident, abroad: float) -> Incident:
    return replace(incident, language=other_language(incident.language)) if rng.random() < abroad else incident


def _like(rng: random.Random, world: World, ticket: Incident, kind: str) -> Incident:
    if kind == "twin":
        return draw(rng, world, symptom=ticket.symptom, service=ticket.service)
    if kind == "symptom":
        return draw(rng, world, symptom=ticket.symptom)
    if kind == "service":
        shared = [one for one in world.symptoms if ticket.service in world.services[one.id]]
        return draw(rng, world, symptom=rng.choice(shared), service=ticket.service) if shared else draw(rng, world)
    if kind == "group":
        near = [one for one in world.symptoms if one.area == ticket.symptom.area]
        return draw(rng, world, symptom=rng.choice(near))
    return draw(rng, world)


def made_telling(
    rng: random.Random, world: World, ticket: Incident, past: Sequence[Incident], plans: Sequence[Plan]
) -> list[Incident]:
    """The past, changed so that for each of `plans` some exemplar has the ticket's value."""
    found = list(past)
    for plan in plans:
        if found and not any(plan.value(one) == plan.value(ticket) for one in found):
            at = rng.randrange(len(found))
            found[at] = _sharing(rng, world, ticket, found[at], plan)
    return found


def _sharing(rng: random.Random, world: World, ticket: Incident, old: Incident, plan: Plan) -> Incident:
    """An incident with the ticket's value in one dimension; as little as possible else is taken over."""
    kept = {"language": old.language}
    dimension = plan.dimension
    if dimension in {"service", "domain"}:
        shared = [one for one in world.symptoms if ticket.service in world.services[one.id]]
        symptom = rng.choice(shared) if shared and ticket.service else ticket.symptom
        return draw(rng, world, symptom=symptom, service=ticket.service, **kept)
    if dimension in _OF_SYMPTOM:
        same = [one for one in world.symptoms if plan.value(replace(ticket, symptom=one)) == plan.value(ticket)]
        return draw(rng, world, symptom=rng.choice([ticket.symptom, *same]), **kept)
    given = {
        "cause": {"cause": ticket.cause},
        "department": {"department": ticket.department},
        "site": {"site": ticket.site},
    }.get(dimension, {"urgency": ticket.urgency, "scope": ticket.scope})
    said = old.said | ticket.said if dimension in {"urgency", "scope", "priority", "cause"} else old.said
    symptom = ticket.symptom if dimension == "cause" else old.symptom
    service = ticket.service if dimension == "cause" else old.service
    return draw(rng, world, symptom=symptom, service=service, said=said | {"scope", "urgency"} & ticket.said, **given, **kept)


def similarity(rng: random.Random, one: Incident, other: Incident) -> float:
    """Like the cosine of two texts about these incidents, 0.2 to 0.95: higher the more they share, lower across languages."""
    value = rng.gauss(0.3, 0.06)
    if one.symptom.area == other.symptom.area:
        value += 0.07
    if one.symptom.group == other.symptom.group:
        value += 0.07
    if one.symptom.id == other.symptom.id:
        value += 0.16
    if one.service is not None and one.service == other.service:
        value += 0.14
    value += 0.02 * (one.scope == other.scope) + 0.02 * (one.channel == other.channel) + abs(rng.gauss(0, 0.07))
    if one.language != other.language:
        value = 0.2 + (value - 0.2) * 0.7
    return round(min(0.95, max(0.2, value)), 4)
