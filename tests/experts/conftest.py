"""Encoders that several tests read: made once."""

from pathlib import Path

import pytest

from experts.outoffold import EncoderOpinions
from tests.experts.encoder_examples import Watched, make_base, settings, train


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BERT. For something so small a second thread only waits."""
    import torch

    torch.set_num_threads(1)
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def learned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderOpinions, Watched]:
    """Trained for long enough to have learned something, and the progress of that."""
    watched = Watched()
    return train(settings(base, epochs=8, learning_rate=1e-2), tmp_path_factory.mktemp("learned"), watched), watched


@pytest.fixture(scope="session")
def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderOpinions, Path]:
    """Two epochs without interruption, and where the models are."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    return train(settings(base), workdir), workdir
