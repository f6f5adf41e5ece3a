"""Episodes with labels by chance: the texts stay, and the past leans to the right label."""

import random
from statistics import mean

from core.taxonomy import RESOLUTION_FIELD
from finetune.synthetic import episode
from finetune.synthetic.contested import contested

EPISODES = [episode(0, "train", number, crowded=True) for number in range(60)]
DEALT = [contested(own, random.Random(number)) for number, own in enumerate(EPISODES)]
CHANGED = [(own, one) for own, one in zip(EPISODES, DEALT, strict=True) if one is not own]


def test_texts_and_kinds_of_resolution_stay() -> None:
    assert len(CHANGED) > 40
    for own, one in CHANGED:
        assert (one.ticket, one.summary) == (own.ticket, own.summary)
        assert [n.exemplar.text for n in one.neighbors] == [n.exemplar.text for n in own.neighbors]
        assert [n.exemplar.labels.get(RESOLUTION_FIELD) for n in one.neighbors] == [
            n.exemplar.labels.get(RESOLUTION_FIELD) for n in own.neighbors
        ]
        assert one.gold.get(RESOLUTION_FIELD) == own.gold.get(RESOLUTION_FIELD)


def test_every_label_is_the_taxonomys_and_what_is_asked_is_on_an_exemplar() -> None:
    for _, one in CHANGED:
        for field in one.gold.keys() - {RESOLUTION_FIELD}:
            seen = {n.exemplar.labels[field] for n in one.neighbors if field in n.exemplar.labels}
            assert one.gold[field] in seen
            assert seen <= set(one.taxonomy.labels(field))


def test_the_past_leans_to_the_right_label() -> None:
    agree = [
        n.exemplar.labels[field] == one.gold[field]
        for _, one in CHANGED
        for field in one.gold.keys() - {RESOLUTION_FIELD}
        for n in one.neighbors
        if field in n.exemplar.labels
    ]
    assert 0.5 < mean(agree) < 0.8


def test_what_is_only_counted_has_new_labels_too_and_leans_less() -> None:
    agree = [
        n.exemplar.labels[field] == one.gold[field]
        for _, one in CHANGED
        for field in one.gold.keys() - {RESOLUTION_FIELD}
        for n in one.further
        if field in n.exemplar.labels
    ]
    assert len(agree) > 200
    assert 0.4 < mean(agree) < 0.75


def test_the_same_choices_make_the_same_episode() -> None:
    again = contested(EPISODES[0], random.Random(0))
    assert again == DEALT[0]
    assert again != contested(EPISODES[0], random.Random(1))
