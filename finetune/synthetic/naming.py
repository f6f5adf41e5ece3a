"""How the values of a dimension are called and defined: the words that make a label readable without exemplars."""

from collections.abc import Callable, Mapping

from finetune.synthetic.incident import SCOPES, URGENCIES, Incident, Service, World
from finetune.synthetic.lexicon import LANGUAGES, Entry, Lexicon, Symptom, Texts
from finetune.synthetic.phrasing import bare, filled, repaired

NONE = "none"
"""The value of a dimension where the incident has none: no service."""
_NO_SERVICE: Texts = {
    "es": ("Ninguna", "Sin aplicación", "No aplica", "Fuera de catálogo"),
    "en": ("None", "No application", "Not applicable", "Outside the catalogue"),
}
_NO_CAUSE: Texts = {"es": ("Desconocida", "Sin determinar"), "en": ("Unknown", "Undetermined")}
_CASES: Texts = {"es": ("El caso no trata de un servicio de la lista",), "en": ("The case is not about a listed service",)}


def _service(incident: Incident) -> str:
    return incident.service.key if incident.service else NONE


def _domain(incident: Incident) -> str:
    return incident.service.kind.id if incident.service else NONE


def _priority(incident: Incident) -> str:
    """1 to 4, as priority_definitions says."""
    wide = SCOPES.index(incident.scope) >= SCOPES.index("site")
    if incident.urgency == "high" or wide:
        return "1" if incident.urgency == "high" and wide else "2"
    return "3" if incident.urgency == "medium" or incident.scope == "team" else "4"


VALUE: Mapping[str, Callable[[Incident], str]] = {
    "area": lambda one: one.symptom.area,
    "sub": lambda one: one.symptom.group,
    "symptom": lambda one: one.symptom.id,
    "service": _service,
    "domain": _domain,
    "kind": lambda one: one.kind,
    "urgency": lambda one: one.urgency,
    "scope": lambda one: one.scope,
    "priority": _priority,
    "cause": lambda one: one.cause if "cause" in one.said else NONE,
    "department": lambda one: one.department,
    "site": lambda one: one.site,
    "pair": lambda one: f"{one.kind}/{one.symptom.area}",
}
"""The dimensions of an incident: what a label can depend on."""
_OF_SYMPTOM: Mapping[str, Callable[[Symptom], str]] = {
    "area": lambda one: one.area,
    "sub": lambda one: one.group,
    "symptom": lambda one: one.id,
    "kind": lambda one: one.kind,
    "pair": lambda one: f"{one.kind}/{one.area}",
}
SCALES: Mapping[str, tuple[str, ...]] = {"urgency": URGENCIES, "scope": SCOPES, "priority": ("1", "2", "3", "4")}
"""Dimensions with an order, from the first value to the last."""


def values(dimension: str, world: World) -> tuple[str, ...]:
    """What a dimension can be in a world, in a fixed order."""
    if dimension in SCALES:
        return SCALES[dimension]
    if dimension in {"department", "site"}:
        return world.departments if dimension == "department" else world.sites
    if dimension == "cause":
        return (*world.causes, NONE)
    if dimension in {"service", "domain"}:
        return tuple(dict.fromkeys(_served(dimension, world)))
    return tuple(dict.fromkeys(_OF_SYMPTOM[dimension](one) for one in world.symptoms))


def _served(dimension: str, world: World) -> list[str]:
    every = [world.services[one.id] for one in world.symptoms]
    found = [service.key if dimension == "service" else service.kind.id for services in every for service in services]
    return found if all(every) else [*found, NONE]


def names(dimension: str, value: str, lexicon: Lexicon, world: World) -> Texts:
    """The names of a value by language, the usual one first."""
    entry = _entry(dimension, value, lexicon)
    if entry:
        return entry.names
    if value == NONE:
        return _NO_CAUSE if dimension == "cause" else _NO_SERVICE
    if dimension == "symptom":
        return lexicon.symptoms[value].names
    if dimension == "domain":
        return lexicon.kinds[value].labels
    if dimension == "service":
        return _service_names(_find(value, world))
    if dimension == "pair":
        kind, area = value.split("/")
        return {lang: _crossed(lexicon.requests[kind].names[lang], lexicon.areas[area].names[lang]) for lang in LANGUAGES}
    return dict.fromkeys(LANGUAGES, (value,))


def _crossed(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{a} - {b}" for a in first[:2] for b in second[:2])


def _entry(dimension: str, value: str, lexicon: Lexicon) -> Entry | None:
    tables = {
        "area": lexicon.areas,
        "sub": lexicon.groups,
        "kind": lexicon.requests,
        "cause": lexicon.causes,
        "department": lexicon.departments,
    }
    return tables[dimension].get(value) if dimension in tables else None


def _find(key: str, world: World) -> Service:
    return next(service for services in world.services.values() for service in services if service.key == key)


def _service_names(service: Service) -> Texts:
    return {lang: (service.name,) if service.name else service.kind.labels[lang] for lang in LANGUAGES}


def definitions(dimension: str, value: str, lexicon: Lexicon, world: World) -> Texts:
    """Definitions of a value by language; where there are none, headlines of such cases or the names themselves."""
    entry = _entry(dimension, value, lexicon)
    if entry and all(entry.definitions.values()):
        return entry.definitions
    if dimension in SCALES:
        place = SCALES[dimension].index(value)
        return {lang: (lexicon.rows[f"{dimension}_definitions"][lang][place],) for lang in LANGUAGES}
    if dimension == "symptom":
        return {lang: _cases(value, lexicon, lang) for lang in LANGUAGES}
    if dimension in {"service", "domain"} and value != NONE:
        kind = _find(value, world).kind if dimension == "service" else lexicon.kinds[value]
        return _about(kind.gloss, kind.generic, value if dimension == "service" and value != kind.id else "")
    return _CASES if value == NONE and dimension != "cause" else names(dimension, value, lexicon, world)


def _about(gloss: Texts, generic: Texts, name: str) -> Texts:
    about = {lang: gloss[lang] or (", ".join(bare(g) for g in generic[lang][:3]),) for lang in LANGUAGES}
    return {lang: tuple(f"{name}: {text}" if name else text for text in about[lang]) for lang in LANGUAGES}


_SLOT_WORDS = {
    "es": {"s": "el servicio", "S": "", "thing": "un registro", "doing": "trabajar", "site": "la sede", "dept": "un área"},
    "en": {"s": "the service", "S": "service", "thing": "a record", "doing": "work", "site": "the site", "dept": "a unit"},
}


def _cases(symptom: str, lexicon: Lexicon, language: str) -> tuple[str, ...]:
    """Clauses of a symptom with the slots filled with general words."""
    words = {"who": "alguien" if language == "es" else "somebody", **_SLOT_WORDS[language]}
    return tuple(repaired(filled(text, words)) for text in lexicon.symptoms[symptom].says[language])
