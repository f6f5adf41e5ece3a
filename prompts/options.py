"""Which labels of a field a prompt offers, and how they are named in it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.taxonomy import Label, Taxonomy
from core.ticket import Neighbor
from core.voting import voices

FIRMNESS = 2.0
"""Exponent of the shares that a small model is told in tenths; told as they are, it trusts its own reading too much
(docs/decisions/0010)."""


@dataclass(frozen=True, slots=True)
class Option:
    """One label as a prompt shows it. `share` is its part of the neighbours' vote, None where none of them has a label."""

    label: str
    name: str
    alias: str
    definition: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A closed field with the options that are offered."""

    field: str
    options: tuple[Option, ...]

    @property
    def alias_of(self) -> dict[str, str]:
        """label -> alias."""
        return {option.label: option.alias for option in self.options}


def vote_shares(labels: Sequence[str], field: str, neighbors: Sequence[Neighbor]) -> dict[str, float]:
    """label -> its share of the neighbours' vote, 0..1; empty where no neighbour carries one of the labels."""
    carried = [(n.exemplar.labels[field], n.similarity) for n in neighbors if n.exemplar.labels.get(field) in labels]
    shares = dict.fromkeys(labels, 0.0) if carried else {}
    for (label, _), votes in zip(carried, voices([similarity for _, similarity in carried]), strict=True):
        shares[label] += float(votes) / len(carried)
    return shares


def firmer(shares: Sequence[float]) -> list[float]:
    """The same sum, dealt in proportion to the shares to the power of FIRMNESS: who leads is further ahead."""
    raised = [share**FIRMNESS for share in shares]
    scale = sum(shares) / (sum(raised) or 1.0)
    return [scale * one for one in raised]


def told_shares(
    taxonomy: Taxonomy, fields: Iterable[str], neighbors: Sequence[Neighbor], shown: int
) -> dict[str, dict[str, float]]:
    """field -> the shares that a prompt with the `shown` first neighbours tells; none where it shows them all."""
    return {f: vote_shares(taxonomy.labels(f), f, neighbors) for f in fields} if len(neighbors) > shown else {}


def offered(
    taxonomy: Taxonomy, field: str, neighbors: Sequence[Neighbor], priors: Mapping[str, float], most: int
) -> tuple[str, ...]:
    """At most `most` labels in the order of the taxonomy: those that the neighbours carry first, then by prior."""
    names = taxonomy.labels(field)
    shares = vote_shares(names, field, neighbors)
    ranked = sorted(names, key=lambda name: (-shares.get(name, 0.0), -priors.get(name, 0.0)))[:most]
    return tuple(name for name in names if name in set(ranked))


def with_rules(
    taxonomy: Taxonomy, offers: Mapping[str, Sequence[str]], priors: Callable[[str], Mapping[str, float]]
) -> dict[str, tuple[str, ...]]:
    """The offers, and for each rule that may come to apply the likeliest label that it allows, where none of those is offered."""
    offered_now = {field: set(labels) for field, labels in offers.items()}
    for _ in taxonomy.rules:  # a label that is added may bring another rule to bear
        for rule in taxonomy.rules:
            if all(label in offered_now.get(field, ()) for field, label in rule.when.items()):
                for field, allow in rule.allow.items():
                    if field in offered_now and not offered_now[field] & set(allow):
                        offered_now[field].add(max(allow, key=lambda label: priors(field).get(label, 0.0)))
    return {
        field: tuple(labels)
        if offered_now[field] == set(labels)
        else tuple(x for x in taxonomy.labels(field) if x in offered_now[field])
        for field, labels in offers.items()
    }


def fields_of(
    taxonomy: Taxonomy,
    offers: Mapping[str, Sequence[str]],
    aliases: Sequence[str],
    language: str,
    glossary: Mapping[str, str],
    shares: Mapping[str, Mapping[str, float]],
) -> tuple[Field, ...]:
    """The fields with their options; aliases are dealt in order, each to one option only. `shares`: field -> label -> 0..1."""
    dealt = iter(aliases)
    fields = []
    for field, labels in offers.items():
        specs = {label.name: label for label in taxonomy.fields[field].labels}
        voted = shares.get(field, {})
        options = (
            Option(name, name, next(dealt), _definition(specs[name], language, glossary), voted.get(name)) for name in labels
        )
        fields.append(Field(field, tuple(options)))
    return tuple(fields)


def _definition(label: Label, language: str, glossary: Mapping[str, str]) -> str:
    """In the ticket's language if there is one; what the operator's glossary says of the label is added."""
    written = label.definition.get(language) or next(iter(label.definition.values()), "")
    return " ".join(filter(None, (written, glossary.get(label.name, ""))))
