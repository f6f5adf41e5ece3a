"""Episodes: the same each time, labels that can be known, and the shares that training relies on."""

from itertools import islice

import pytest

from core.taxonomy import RESOLUTION_FIELD
from core.text import fold
from finetune.synthetic import Episode, Split, episode, episodes, pairs
from finetune.synthetic.deal import SPLITS
from finetune.synthetic.lexicon import Texts, everything
from finetune.synthetic.summary import LONGEST, grounded, words

COUNT = 250
KINDS = ("manual", "close", "reassign", "wait")
NOTHING: tuple[Texts, ...] = (
    {"es": ("Ninguna", "Sin aplicación", "No aplica", "Fuera de catálogo", "Desconocida", "Sin determinar")},
    {"en": ("None", "No application", "Not applicable", "Outside the catalogue", "Unknown", "Undetermined")},
)


@pytest.fixture(scope="module")
def made() -> list[Episode]:
    return [episode(0, "train", number) for number in range(COUNT)]


def carried(one: Episode, field: str) -> set[str]:
    return {neighbor.exemplar.labels.get(field, "") for neighbor in one.neighbors}


@pytest.mark.parametrize("split", SPLITS)
def test_an_episode_depends_on_seed_split_and_number_only(split: Split) -> None:
    later = list(islice(episodes(7, split, start=5), 3))
    assert later == [episode(7, split, number) for number in (5, 6, 7)]
    assert later[0] != episode(8, split, 5)


def test_gold_is_in_the_taxonomy_and_keeps_its_rules(made: list[Episode]) -> None:
    for one in made:
        assert one.gold
        for field, label in one.gold.items():
            assert label in one.taxonomy.labels(field)
        assert not one.taxonomy.violations(one.gold)
        assert list(one.gold) == [field for field in one.taxonomy.fields if field in one.gold]


def vocabulary() -> set[str]:
    """Words of every name that means something: of areas, groups, symptoms, services, scales and what is left over."""
    lexicon = everything()
    tables = (lexicon.areas, lexicon.groups, lexicon.requests, lexicon.causes, lexicon.departments, lexicon.symptoms)
    pools = [one.names for table in tables for one in table.values()]
    pools += [texts for kind in lexicon.kinds.values() for texts in (kind.labels, kind.generic)]
    pools += [lexicon.banks["other"], *lexicon.rows.values(), *NOTHING]
    products = [name for kind in lexicon.kinds.values() for name in kind.products]
    texts = [text for pool in pools for found in pool.values() for text in found]
    return {word for text in (*texts, *products, *KINDS) for word in words(text)}


def test_every_gold_label_can_be_known_from_name_definition_or_exemplar() -> None:
    known = vocabulary()
    for number in range(COUNT):
        one = episode(1, "train", number, intensity=0.0)
        for field, label in one.gold.items():
            spec = next(spec for spec in one.taxonomy.fields[field].labels if spec.name == label)
            if not spec.definition and label not in carried(one, field):
                assert set(words(label)) <= known | set(words(one.ticket.text)) | {"y", "and"}, (field, label)


def test_neighbours_are_few_nearest_first_and_plausible(made: list[Episode]) -> None:
    for one in made:
        found = [neighbor.similarity for neighbor in one.neighbors]
        assert len(found) <= 8
        assert found == sorted(found, reverse=True)
        assert all(0.2 <= similarity <= 0.95 for similarity in found)
        for neighbor in one.neighbors:
            for field, label in neighbor.exemplar.labels.items():
                assert label in one.taxonomy.labels(field)


def test_a_long_past_is_counted_beyond_what_is_shown(made: list[Episode]) -> None:
    assert not any(one.further for one in made)
    long = [episode(0, "train", number, crowded=True) for number in range(80)]
    assert sum(len(one.neighbors) + len(one.further) for one in long) / len(long) > 12
    for one in long:
        assert len(one.neighbors) == 8 or not one.further
        for neighbor in one.further:
            assert not neighbor.exemplar.text
            assert all(label in one.taxonomy.labels(field) for field, label in neighbor.exemplar.labels.items())
    near = [n.similarity for one in long if one.further for n in one.neighbors]
    far = [n.similarity for one in long for n in one.further]
    assert sum(near) / len(near) > sum(far) / len(far) + 0.1


def test_nearer_exemplars_more_often_have_the_right_label(made: list[Episode]) -> None:
    right: dict[bool, list[bool]] = {True: [], False: []}
    for one in made:
        for neighbor in one.neighbors:
            for field, label in one.gold.items():
                right[neighbor.similarity > 0.55].append(neighbor.exemplar.labels.get(field) == label)
    assert sum(right[True]) / len(right[True]) > sum(right[False]) / len(right[False]) + 0.2


def test_some_right_labels_are_on_no_exemplar_and_some_exemplars_are_wrong(made: list[Episode]) -> None:
    missing = [label not in carried(one, field) for one in made for field, label in one.gold.items()]
    assert 0.1 < sum(missing) / len(missing) < 0.3
    abroad = [n.exemplar.language != one.ticket.language for one in made for n in one.neighbors]
    assert 0.22 < sum(abroad) / len(abroad) < 0.42


def test_taxonomies_vary(made: list[Episode]) -> None:
    sizes = [len(spec.labels) for one in made for spec in one.taxonomy.fields.values()]
    assert min(sizes) == 2
    assert max(sizes) >= 18
    assert {len(one.taxonomy.fields) for one in made} >= {1, 2, 3, 4, 5}
    defined = [any(label.definition for label in spec.labels) for one in made for spec in one.taxonomy.fields.values()]
    assert 0.35 < sum(defined) / len(defined) < 0.7
    assert any(one.taxonomy.rules for one in made)
    assert any(RESOLUTION_FIELD in one.gold for one in made)
    assert len({fold(field) for one in made for field in one.taxonomy.fields}) > 40


def test_summaries_are_short_and_say_only_what_the_ticket_says() -> None:
    for split in SPLITS:
        clean = [episode(3, split, number, intensity=0.0) for number in range(120)]
        for one in clean:
            assert 0 < len(one.summary) <= LONGEST
            assert "\n" not in one.summary
            assert grounded(one.summary, one.ticket.text) >= 0.99, (one.summary, one.ticket.text)


def test_noise_leaves_most_of_a_summary_in_the_ticket(made: list[Episode]) -> None:
    shares = [grounded(one.summary, one.ticket.text) for one in made]
    assert sum(shares) / len(shares) > 0.95


def test_lengths_are_those_of_tickets(made: list[Episode]) -> None:
    lengths = sorted(len(one.ticket.text.split()) for one in made)
    assert 24 <= lengths[len(lengths) // 2] <= 45
    assert lengths[-1] <= 160
    assert {one.ticket.language for one in made} == {"es", "en"}


def test_slots_are_all_filled(made: list[Episode]) -> None:
    for one in made:
        for text in (one.ticket.text, one.summary, *(n.exemplar.text for n in one.neighbors)):
            assert "{" not in text
            assert "}" not in text


def test_pairs_tell_the_same_in_two_languages() -> None:
    found = list(pairs(40, 1, "validation"))
    assert found == list(pairs(40, 1, "validation"))
    assert len({spanish for spanish, _ in found}) == 40
    assert all(spanish and english and spanish != english for spanish, english in found)
