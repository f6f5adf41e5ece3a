"""An episode whose labels were given for reasons that no text shows: what is left to go by is how many of the past agree.

Without such lessons a model trusts the one exemplar or label name that shares a word with the ticket, against all the others.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.taxonomy import RESOLUTION_FIELD, Taxonomy
from core.ticket import Neighbor
from finetune.synthetic.episodes import Episode

LEAN = (0.3, 0.9)
"""Share of a ticket's past that carries its label: at least and at most, of one field."""
SLOPE = 0.4
"""How much more of that a step of 1 in similarity is."""
RIVALS = (1, 1, 2, 3)
"""Other labels in a ticket's past, each number as often."""


def contested(episode: Episode, rng: random.Random) -> Episode:
    """The same texts with labels by chance, of which the past of the ticket leans to the right one.

    Kinds of resolution stay, since what was done tells them. A field whose right label nobody has is not asked; an episode
    without any field left stays as it is.
    """
    known = (*episode.neighbors, *episode.further)
    dealt = {f: _dealt(episode.taxonomy.labels(f), known, rng) for f in episode.gold if f != RESOLUTION_FIELD}
    relabelled = [_relabelled(n, {f: past[i] for f, (_, past) in dealt.items()}) for i, n in enumerate(known)]
    neighbors, further = relabelled[: len(episode.neighbors)], relabelled[len(episode.neighbors) :]
    shown = {item for one in neighbors for item in one.exemplar.labels.items()}
    gold = {f: dealt[f][0] if f in dealt else label for f, label in episode.gold.items()}
    asked = {f: label for f, label in gold.items() if f not in dealt or (f, label) in shown}
    if not asked.keys() & dealt.keys():
        return episode
    taxonomy = Taxonomy(version="1", fields=episode.taxonomy.fields, systems=episode.taxonomy.systems)
    return replace(episode, taxonomy=taxonomy, gold=asked, neighbors=tuple(neighbors), further=tuple(further))


def _dealt(labels: Sequence[str], neighbors: Sequence[Neighbor], rng: random.Random) -> tuple[str, list[str]]:
    """A right label, and the label of each exemplar."""
    right, *others = rng.sample(labels, len(labels))
    rivals = others[: rng.choice(RIVALS)]
    lean = rng.uniform(*LEAN)
    usual = sum(n.similarity for n in neighbors) / max(1, len(neighbors))
    chances = [lean + SLOPE * (n.similarity - usual) for n in neighbors]
    return right, [right if not rivals or rng.random() < chance else rng.choice(rivals) for chance in chances]


def _relabelled(neighbor: Neighbor, new: Mapping[str, str]) -> Neighbor:
    past = neighbor.exemplar
    labels = {field: new.get(field, label) for field, label in past.labels.items()}
    return replace(neighbor, exemplar=replace(past, labels=labels))
