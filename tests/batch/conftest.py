"""A home with the example company's history taken in and fitted, made once; each test works on a copy of it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands_examples import OPEN, RESOLVED, TAXONOMY_FILE, Desk, running_desk, tamiz


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ingested, fitted, and with the vectors of the open tickets in the cache, so that few tests wait for the model."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_HOME", str(home))
        patch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
        for command in (("ingest", RESOLVED), ("fit",), ("run", OPEN, "--dry-run")):
            result = tamiz(*command)
            assert result.code == 0, result.err
    (home / "journal.sqlite").unlink()
    shutil.rmtree(home / "runs")
    return home


@pytest.fixture
def blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of the settings; the working directory is a folder without a settings file."""
    for name in [name for name in os.environ if name.startswith("TAMIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def home(blank: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the prepared home, in the settings, with the example company's taxonomy."""
    shutil.copytree(prepared, blank)
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
    return blank


@pytest.fixture
def desk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The mock desk with the 120 open tickets, in the settings."""
    with running_desk(tmp_path / "desk") as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        yield desk
