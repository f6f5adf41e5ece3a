"""A home with the example company's history taken in and fitted, made once; each test works on a copy of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.commands_examples import RESOLVED, SOME, TAXONOMY_FILE, Desk, copy_home, running_desk, some_open, tamiz


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history of the example company, ingested and fitted."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_HOME", str(home))
        patch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
        for command in (("ingest", RESOLVED), ("fit",)):
            result = tamiz(*command)
            assert result.code == 0, result.err
    return home


@pytest.fixture(scope="module")
def prepared_copy(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the prepared home for a whole test file, in the settings."""
    home = tmp_path_factory.mktemp("copy") / "home"
    copy_home(prepared, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_HOME", str(home))
        patch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
        yield home


@pytest.fixture
def blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of the settings; the working directory is a folder without a settings file."""
    for name in [name for name in os.environ if name.startswith("TAMIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TAMIZ_LLM__MODEL", "none")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def home(blank: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the prepared home, in the settings, with the example company's taxonomy."""
    copy_home(prepared, blank)
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
    return blank


@pytest.fixture
def desk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The mock desk with 24 of the open tickets, in the settings."""
    with running_desk(tmp_path / "desk", some_open(tmp_path / "open.jsonl", SOME)) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        yield desk
