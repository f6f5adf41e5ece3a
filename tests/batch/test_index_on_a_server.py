"""The commands with the knowledge base behind a URL, over HTTP: taken in, searched, run; a wrong key, a server that is gone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.commands_examples import OPEN, RESOLVED, TAXONOMY_FILE, decisions, rows_of, tamiz, write_rows
from tests.knowledge.qdrant_rest import qdrant_rest

KEY = "a key of the server"


@pytest.fixture
def server(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with some of the history, in the settings."""
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
    with qdrant_rest(KEY) as url:
        monkeypatch.setenv("TAMIZ_KNOWLEDGE__URL", url)
        monkeypatch.setenv("TAMIZ_KNOWLEDGE__API_KEY", KEY)
        result = tamiz("ingest", write_rows(tmp_path / "history.jsonl", rows_of(RESOLVED)[:120]))
        assert result.code == 0, result.err
        yield url


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection", "ignore:Payload indexes have no effect")
def test_the_whole_way_through_a_server(server: str, blank: Path, tmp_path: Path) -> None:
    again = tamiz("ingest", tmp_path / "history.jsonl", "--json")
    assert (again.code, again.json["unchanged"], again.json["added"]) == (0, 120, 0)
    assert not list((blank / "kb").glob("0*"))
    found = tamiz("search", "no puedo entrar en la vpn", "--where", "language=es", "--json")
    assert found.code == 0, found.err
    assert all(one["language"] == "es" for one in json.loads(found.out))
    result = tamiz("run", write_rows(tmp_path / "open.jsonl", rows_of(OPEN)[:8]), "--json")
    assert result.code == 0, result.err
    cited = {n.exemplar for d in decisions(blank) for n in d.neighbours}
    assert len(cited) > 8


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection", "ignore:Payload indexes have no effect")
def test_a_wrong_key_and_a_server_that_is_gone_are_clear_errors(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_KNOWLEDGE__API_KEY", "another")
    refused = tamiz("search", "vpn")
    assert refused.code == 1
    assert "Check the API key" in refused.err
    monkeypatch.setenv("TAMIZ_KNOWLEDGE__URL", "http://127.0.0.1:9")
    away = tamiz("search", "vpn")
    assert away.code == 1
    assert "does not answer" in away.err
    assert KEY not in away.err + refused.err
