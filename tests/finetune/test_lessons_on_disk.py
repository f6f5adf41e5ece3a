"""A data set is read whole or refused: leaks, changed files, other prompts."""

from pathlib import Path

import pytest

from core.errors import InputError
from finetune.dataset import check, data_digest, read_lessons, write_lessons
from finetune.rendering import Written
from finetune.teaching import taught
from llm.checkpoint import Checkpoint
from prompts.prompt import skeleton
from tests.finetune.lesson_examples import written
from tests.llm.model_examples import tiny_checkpoint

GOOD = [
    written(0, "train"),
    written(1, "train", neighbors=("id-0",)),
    written(2, "validation"),
    written(3, "test", neighbors=("id-1",)),
]


def test_what_does_not_leak_is_kept(tmp_path: Path) -> None:
    files = write_lessons(tmp_path, GOOD)
    assert len(data_digest(files)) == 12
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"lessons-{s}.jsonl" for s in ("test", "train", "validation")]


@pytest.mark.parametrize(
    ("leak", "why"),
    [
        (written(4, "test", group="group-0"), "the group group-0"),
        (written(4, "test", text_digest="text-0"), "the text text-0"),
        (written(4, "test", id="id-0"), "the ticket id-0"),
        (written(4, "train", neighbors=("id-3",)), "shows id-3, of test"),
        (written(4, "validation", neighbors=("id-2",)), "shows id-2, of validation"),
        (written(4, "train", neighbors=("id-4",)), "shows id-4"),
        (written(4, "train", group="group-0", neighbors=("id-0",)), "shows id-0"),
    ],
)
def test_a_leak_is_refused_and_nothing_is_written(tmp_path: Path, leak: Written, why: str) -> None:
    with pytest.raises(InputError, match=why):
        write_lessons(tmp_path / "data", [*GOOD, leak])
    assert not (tmp_path / "data").exists()


def test_what_was_written_and_read_again_passes_the_check_and_a_leak_in_it_does_not(tmp_path: Path) -> None:
    digests = write_lessons(tmp_path, GOOD)
    read = [Written.model_validate_json(line) for s in digests for line in (tmp_path / f"lessons-{s}.jsonl").open()]
    assert sorted(one.id for one in read) == sorted(one.id for one in GOOD)
    check(read)
    with pytest.raises(InputError, match="the group"):
        check([*read, written(4, "test", group=read[0].group)])


def test_a_folder_without_a_card_is_no_data_set(tmp_path: Path) -> None:
    write_lessons(tmp_path, GOOD)
    with pytest.raises(InputError, match="holds no data set"):
        read_lessons(tmp_path, "train")


def test_only_the_answer_is_learned_and_labels_weigh_most() -> None:
    checkpoint = Checkpoint(str(tiny_checkpoint()))
    one = written(1, "train")
    lesson = taught(checkpoint, one, 1024)
    assert lesson is not None
    prompt = one.prompt(free=True)
    assert lesson.tokens[: lesson.answer] == checkpoint.chat(prompt.system, prompt.user)
    assert set(lesson.weights[: lesson.answer]) == {0.0}
    label = lesson.answer + len(checkpoint.encode(skeleton(prompt)[0]))
    assert lesson.tokens[label] == checkpoint.alias_ids["<|1|>"]
    assert [place for place, weight in enumerate(lesson.weights) if weight > 1.0] == [label]
    answer = checkpoint.tokenizer.decode(lesson.tokens[lesson.answer :])
    assert answer == '{"field": "<|1|>", "summary": "ticket 1"}' + checkpoint.tokenizer.eos_token


def test_a_field_whose_gold_label_is_not_offered_is_not_learned() -> None:
    checkpoint = Checkpoint(str(tiny_checkpoint()))
    other = written(1, "train", gold={"field": "maybe"}, said={"field": "yes"})
    assert taught(checkpoint, other, 1024) is None
    assert taught(checkpoint, written(1, "train"), 10) is None
