"""Settings: the environment over the file over the defaults, where each value comes from, and no secret shown."""

import json
from pathlib import Path

import pytest

from tests.batch.commands_examples import OPEN, tamiz, write_rows

TOKEN = "s3cr3t-t0ken-of-the-desk"


def settings(*arguments: object) -> dict[str, dict[str, str]]:
    result = tamiz("settings", "--json", *arguments)
    assert result.code == 0, result.err
    return result.json


def test_each_value_has_its_origin_and_the_environment_wins(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tamiz.toml").write_text('[critic]\napprove_at = 71\nmax_revisions = 1\n[desk]\nurl = "http://desk.example"\n')
    monkeypatch.setenv("TAMIZ_CRITIC__APPROVE_AT", "80")
    shown = settings()
    assert shown["critic.approve_at"] == {"value": "80.0", "origin": "environment"}
    assert shown["critic.max_revisions"] == {"value": "1", "origin": "tamiz.toml"}
    assert shown["desk.url"] == {"value": "http://desk.example", "origin": "tamiz.toml"}
    assert shown["knowledge.neighbors"] == {"value": "30", "origin": "default"}
    assert shown["home"] == {"value": str(blank), "origin": "environment"}


def test_a_named_file_replaces_the_one_of_the_folder(blank: Path) -> None:
    Path("tamiz.toml").write_text("[run]\nchunk = 5\n")
    Path("other.toml").write_text("[run]\nchunk = 6\n")
    assert settings("--config", "other.toml")["run.chunk"] == {"value": "6", "origin": "other.toml"}


PROFILES = """
[run]
chunk = 5
[llm]
model = "none"
budget = 700
[profiles.prod.llm]
model = "big"
url = "http://127.0.0.1:8000"
[profiles.desa]
home = "elsewhere"
"""


def test_a_profile_lies_over_the_rest_of_its_file(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAMIZ_LLM__MODEL")
    Path("tamiz.toml").write_text(PROFILES)
    assert settings()["llm.model"] == {"value": "none", "origin": "tamiz.toml"}
    monkeypatch.setenv("TAMIZ_PROFILE", "prod")
    shown = settings()
    assert (shown["llm.model"]["value"], shown["llm.url"]["value"]) == ("big", "http://127.0.0.1:8000")
    assert (shown["llm.budget"]["value"], shown["run.chunk"]["value"]) == ("700", "5")
    monkeypatch.setenv("TAMIZ_PROFILE", "")
    Path("tamiz.toml").write_text(f'profile = "prod"\n{PROFILES}')
    assert settings()["llm.model"]["value"] == "big"


def test_a_profile_that_is_not_there_is_an_error(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_PROFILE", "pord")
    for text, said in ((PROFILES, "desa, prod"), ("", "none"), (None, "Unset TAMIZ_PROFILE")):
        Path("tamiz.toml").write_text(text) if text is not None else Path("tamiz.toml").unlink()
        result = tamiz("settings")
        assert result.code == 1
        assert "pord" in result.err
        assert said in result.err


def test_an_empty_variable_is_no_value(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_HOME", "")
    monkeypatch.setenv("TAMIZ_CRITIC__APPROVE_AT", "")
    shown = settings()
    assert shown["home"] == {"value": "var", "origin": "default"}
    assert shown["critic.approve_at"]["origin"] == "default"


def test_a_home_under_the_users_is_meant(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_HOME", "~/tickets")
    assert settings()["home"]["value"] == str(Path.home() / "tickets")


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_masked(as_json: bool, blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_DESK__TOKEN", TOKEN)
    monkeypatch.setenv("TAMIZ_DESK__URL", f"https://ana:{TOKEN}@desk.example")
    monkeypatch.setenv("TAMIZ_KNOWLEDGE__API_KEY", TOKEN)
    result = tamiz("settings", *(["--json"] if as_json else []))
    assert TOKEN not in result.out + result.err
    assert "••••••" in result.out or "\\u2022" in result.out
    assert "desk.example" in result.out


@pytest.mark.usefixtures("prepared_copy")
def test_secrets_do_not_reach_the_journal_nor_the_report(prepared_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_DESK__TOKEN", TOKEN)
    monkeypatch.setenv("TAMIZ_KNOWLEDGE__API_KEY", TOKEN)
    one = write_rows(prepared_copy.parent / "one.jsonl", [json.loads(OPEN.read_text(encoding="utf-8").split("\n")[0])])
    result = tamiz("run", one)
    assert result.code == 0, result.err
    kept = [path for path in prepared_copy.rglob("*") if path.is_file()]
    assert any(path.name == "report.html" for path in kept)
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TAMIZ_HOEM", "x", "There is no setting TAMIZ_HOEM. do: Is home meant (TAMIZ_HOME)?"),
        ("TAMIZ_DESK__URLL", "x", "There is no setting desk.urll. do: Is desk.url meant (TAMIZ_DESK__URL)?"),
        ("TAMIZ_XYZZY__PLUGH", "x", "There is no setting TAMIZ_XYZZY__PLUGH. do: Remove it; there are home, taxonomy"),
        ("TAMIZ_DESK", "http://desk.example", "A variable of the environment can't be read"),
        ("TAMIZ_KNOWLEDGE__NEIGHBORS", "many", "The setting knowledge.neighbors can't be used"),
        ("TAMIZ_KNOWLEDGE__NEIGHBORS", "0", "Correct it in the settings file or in TAMIZ_KNOWLEDGE__NEIGHBORS"),
        ("TAMIZ_CRITIC__APPROVE_AT", "nan", "The setting critic.approve_at can't be used"),
        ("TAMIZ_RUN__LANGUAGE", "fr", "The setting run.language can't be used"),
    ],
)
@pytest.mark.parametrize("command", ["settings", "run"])
def test_a_wrong_variable_is_named(
    command: str, name: str, value: str, says: str, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = tamiz(command)
    assert (result.code, result.out) == (1, "")
    assert says in result.err
    assert not blank.exists(), "something was made before the settings were right"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[desk]\nurll = 'x'\n", "There is no setting desk.urll. do: Is desk.url meant"),
        (b"hoem = 'x'\n", "There is no setting hoem. do: Is home meant"),
        (b"desk = 3\n", "The setting desk can't be used"),
        (b"home = [1\n", "The settings file tamiz.toml can't be read"),
        (b"\xff\xfe\x00", "The settings file tamiz.toml can't be read"),
    ],
)
def test_a_wrong_settings_file_is_a_clear_error(content: bytes, says: str, blank: Path) -> None:
    Path("tamiz.toml").write_bytes(content)
    result = tamiz("run")
    assert (result.code, result.out) == (1, "")
    assert says in result.err


def test_a_settings_file_that_is_not_there_is_a_clear_error(blank: Path) -> None:
    result = tamiz("settings", "--config", "none.toml")
    assert result.code == 1
    assert "There is no settings file none.toml." in result.err


def test_the_variables_of_the_mocks_are_no_wrong_settings(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_FAULTS", '{"rules": []}')
    monkeypatch.setenv("TAMIZ_MOCK_TOKEN", TOKEN)
    assert TOKEN not in json.dumps(settings())


def test_the_bundled_file_has_every_setting_with_its_default(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAMIZ_LLM__MODEL")
    bundled = Path(__file__).resolve().parents[2] / "tamiz.toml"
    lines = [line.removeprefix("# ") for line in bundled.read_text(encoding="utf-8").splitlines()]
    Path("all.toml").write_text("\n".join(line for line in lines if line.startswith("[") or " = " in line), encoding="utf-8")
    shown = settings("--config", "all.toml")
    defaults = settings()
    named = {name for name, entry in shown.items() if entry["origin"] == "all.toml"}
    assert named | {"home"} == set(defaults), "tamiz.toml does not have every setting"
    differing = {name for name in named if shown[name]["value"] != defaults[name]["value"]}
    assert differing <= {"taxonomy"}
