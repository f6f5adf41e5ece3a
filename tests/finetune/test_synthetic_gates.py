"""Variety of the synthetic data, and that nothing of validation and test is in training."""

import pytest

from finetune.synthetic import episode
from finetune.synthetic.deal import SPLITS, deal
from finetune.synthetic.gates import Report, distinct_grams, leaked_phrases, near_duplicates, report
from finetune.synthetic.lexicon import LANGUAGES, lexicon, raw, symptoms


@pytest.fixture(scope="module")
def found() -> Report:
    return report(0, 250)


def test_there_is_variety(found: Report) -> None:
    assert found.distinct_grams > 0.5
    assert found.openings > 0.9
    assert found.near_duplicates < 0.02


def test_nothing_leaks(found: Report) -> None:
    assert found.leaks == 0, found


def test_a_leak_would_be_seen() -> None:
    held_out = [episode(0, "validation", number).ticket.text for number in range(60)]
    assert leaked_phrases(held_out, "validation") > 0


def test_measures_of_variety() -> None:
    assert distinct_grams(["a b c d", "a b c d"]) == 0.5
    assert near_duplicates(["the vpn is down today", "today the vpn is down", "no paper in the tray"]) == pytest.approx(2 / 3)


def test_every_split_has_words_for_everything() -> None:
    for split in SPLITS:
        words = lexicon(split)
        assert len({one.area for one in words.symptoms.values()}) == len(words.areas) == len(raw("areas"))
        for table in (words.areas, words.groups, words.requests, words.causes, words.departments):
            for entry in table.values():
                assert all(entry.names[lang] for lang in LANGUAGES), (split, entry.id)
        for pool in (*words.banks.values(), *words.templates.values(), *words.rows.values()):
            assert all(pool[lang] for lang in LANGUAGES)
            assert len(pool["es"]) == len(pool["en"])


def test_the_lexicon_is_large() -> None:
    texts = [
        text
        for one in symptoms().values()
        for side in (one.names, one.heads, one.says)
        for lang in LANGUAGES
        for text in side[lang]
    ]
    assert len(set(texts)) > 1_500
    assert len(symptoms()) >= 80
    services = raw("services")
    assert len(services["app"]) + len(services["infra"]) >= 60


def test_things_and_actions_stand_at_the_same_place_in_both_languages() -> None:
    for kind in lexicon("train").kinds.values():
        assert len(kind.things["es"]) == len(kind.things["en"])
        assert len(kind.doing["es"]) == len(kind.doing["en"])


def test_dealing_gives_each_split_some_and_never_changes() -> None:
    dealt = deal(list("abcdefghijklmnopqrst"), str)
    assert dealt == deal(list("tsrqponmlkjihgfedcba"), str)
    assert {split: sum(s == split for s in dealt.values()) for split in SPLITS} == {"train": 14, "validation": 3, "test": 3}
    assert set(deal(["a", "b"], str).values()) == {"train"}
