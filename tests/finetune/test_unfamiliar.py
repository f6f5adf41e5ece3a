"""Episodes in unfamiliar words, and with long pasts: what may be read in them is still there."""

import random
import re
from statistics import mean

import pytest

from core.taxonomy import RESOLUTION_FIELD
from finetune.synthetic import Episode, episode
from finetune.synthetic.episodes import SHOWN
from finetune.synthetic.unfamiliar import SHORTEST, STEM, unfamiliar


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Episode, Episode]]:
    """Episodes in their own words and in others."""
    told = ((episode(0, "train", number), random.Random(number)) for number in range(120))
    return [(own, unfamiliar(own, "train", rng)) for own, rng in told]


def stems(text: str) -> set[str]:
    return {word[:STEM] for word in re.findall(rf"[^\W\d_]{{{SHORTEST},}}", text.lower())}


def test_the_words_are_others(pairs: list[tuple[Episode, Episode]]) -> None:
    kept = [len(stems(own.ticket.text) & stems(told.ticket.text)) / max(1, len(stems(own.ticket.text))) for own, told in pairs]
    changed = [own != told for own, told in pairs]
    assert mean(changed) > 0.85
    assert mean(share for share, new in zip(kept, changed, strict=True) if new) < 0.05


def test_what_ticket_and_exemplars_share_they_still_share(pairs: list[tuple[Episode, Episode]]) -> None:
    for own, told in pairs:
        for before, after in zip(own.neighbors, told.neighbors, strict=True):
            shared = len(stems(own.ticket.text) & stems(before.exemplar.text))
            now = len(stems(told.ticket.text) & stems(after.exemplar.text))
            assert abs(shared - now) <= 0.1 * shared + 1
            assert before.similarity == after.similarity


def test_every_gold_label_is_one_of_its_field_and_on_an_exemplar(pairs: list[tuple[Episode, Episode]]) -> None:
    for own, told in pairs:
        if own is told:
            continue
        assert told.gold
        assert not told.taxonomy.violations(told.gold)
        for field, label in told.gold.items():
            assert label in told.taxonomy.labels(field)
            assert label in {one.exemplar.labels.get(field) for one in told.neighbors}
            at = told.taxonomy.labels(field).index(label)
            assert own.taxonomy.labels(field)[at] == own.gold[field]


def test_what_is_only_counted_gets_the_new_labels() -> None:
    own = [episode(0, "train", number, crowded=True) for number in range(40)]
    told = [unfamiliar(one, "train", random.Random(number)) for number, one in enumerate(own)]
    assert any(one.further for one in told)
    for before, after in zip(own, told, strict=True):
        assert len(before.further) == len(after.further)
        for neighbor in after.further:
            assert all(label in after.taxonomy.labels(field) for field, label in neighbor.exemplar.labels.items())


def test_kinds_of_resolution_keep_their_names(pairs: list[tuple[Episode, Episode]]) -> None:
    kinds = [(own, told) for own, told in pairs if RESOLUTION_FIELD in own.taxonomy.fields]
    assert kinds
    assert all(own.taxonomy.labels(RESOLUTION_FIELD) == told.taxonomy.labels(RESOLUTION_FIELD) for own, told in kinds)


def test_a_summary_is_still_made_of_the_tickets_words(pairs: list[tuple[Episode, Episode]]) -> None:
    foreign = [len(stems(told.summary) - stems(told.ticket.text)) for own, told in pairs if own is not told]
    assert mean(foreign) < 0.3


def test_the_same_episode_is_told_the_same_way() -> None:
    own = episode(0, "train", 3)
    assert unfamiliar(own, "train", random.Random(1)) == unfamiliar(own, "train", random.Random(1))
    assert unfamiliar(own, "train", random.Random(1)) != unfamiliar(own, "train", random.Random(2))


def test_a_long_past_shows_more_that_is_alike_and_is_less_to_be_trusted() -> None:
    def right(crowded: bool) -> list[list[bool]]:
        found = []
        for number in range(120):
            one = episode(0, "train", number, crowded=crowded)
            similar = [n.similarity for n in one.neighbors]
            assert crowded or similar == sorted(similar, reverse=True)
            assert len(one.neighbors) <= SHOWN
            found += [[n.exemplar.labels.get(f) == label for n in one.neighbors] for f, label in one.gold.items()]
        return found

    tidy, crowded = right(crowded=False), right(crowded=True)
    assert mean(map(len, crowded)) > mean(map(len, tidy)) + 2
    assert mean(one[0] for one in crowded if one) < 0.85
    assert mean(one[5] for one in crowded if len(one) > 5) > mean(one[5] for one in tidy if len(one) > 5) + 0.1
