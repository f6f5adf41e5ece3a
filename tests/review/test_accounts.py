"""Accounts, sessions and the audit log over a real file."""

import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from core.errors import InputError, StorageError
from review.accounts import Accounts
from review.sessions import IDLE_S, LONGEST_S, TRIES, WINDOW_S, Sessions, form_token

GOOD = "cuatro palabras sin orden"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    made = Accounts(tmp_path / "home" / "accounts.sqlite")
    made.add("Ana", "reviewer", GOOD, "test")
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(accounts: Accounts, clock: Clock) -> Sessions:
    return Sessions(accounts.path, clock)


def test_the_file_is_its_owners_and_holds_no_password_and_no_token(accounts: Accounts, sessions: Sessions) -> None:
    token = sessions.sign_in("ana", GOOD, "127.0.0.1").token
    assert sessions.user(token)
    assert stat.S_IMODE(accounts.path.stat().st_mode) == 0o600
    held = accounts.path.read_bytes()
    assert GOOD.encode() not in held
    assert token.encode() not in held
    assert form_token(token).encode() not in held
    assert b"$argon2id$" in held


def test_without_an_account_no_file_is_made(tmp_path: Path) -> None:
    none = Accounts(tmp_path / "accounts.sqlite")
    assert not none.exist()
    assert none.audit(10) == []
    assert Sessions(none.path).user("token") is None
    assert not none.path.exists()


def test_each_role_may_do_what_those_before_it_may(accounts: Accounts) -> None:
    may = {}
    for role in ("viewer", "reviewer", "admin"):
        user = accounts.set_role("ana", role, "test")
        may[role] = [user.may("viewer"), user.may("reviewer"), user.may("admin")]
    assert may == {"viewer": [True, False, False], "reviewer": [True, True, False], "admin": [True, True, True]}
    assert not accounts.set_disabled("ana", True, "test").may("viewer")


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("ana", GOOD, "already an account"),
        ("a b", GOOD, "can't be a name"),
        ("", GOOD, "can't be a name"),
        ("<script>", GOOD, "can't be a name"),
        ("eva", "short", "12 to 256"),
        ("eva", "x" * 257, "12 to 256"),
        ("eva", "aaaaaaaaaaaaaa", "first to be guessed"),
        ("elisabeth.moore", "Elisabeth.Moore", "first to be guessed"),
    ],
)
def test_what_is_no_name_or_no_password_is_refused(accounts: Accounts, name: str, password: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        accounts.add(name, "viewer", password, "test")
    assert [user.name for user in accounts.users()] == ["Ana"]


def test_a_session_follows_its_account(accounts: Accounts, sessions: Sessions) -> None:
    token = sessions.sign_in(" ANA ", GOOD, "127.0.0.1").token
    accounts.set_role("ana", "admin", "test")
    found = sessions.user(token)
    assert found is not None
    assert (found.name, found.role) == ("Ana", "admin")
    accounts.set_password("ana", GOOD + "!", "test")
    assert sessions.user(token) is None
    assert sessions.sign_in("ana", GOOD, "127.0.0.1").refused == "wrong"
    token = sessions.sign_in("ana", GOOD + "!", "127.0.0.1").token
    accounts.set_disabled("ana", True, "test")
    assert sessions.user(token) is None
    assert sessions.sign_in("ana", GOOD + "!", "127.0.0.1").refused == "wrong"
    accounts.set_disabled("ana", False, "test")
    assert sessions.user(token) is None
    assert sessions.sign_in("ana", GOOD + "!", "127.0.0.1").token


def test_a_session_ends_by_itself_and_when_told(sessions: Sessions, clock: Clock) -> None:
    token = sessions.sign_in("ana", GOOD, "127.0.0.1").token
    for _ in range(5):
        clock.at += IDLE_S - 1
        assert sessions.user(token)
    clock.at += LONGEST_S - 5 * (IDLE_S - 1)
    assert sessions.user(token) is None
    token = sessions.sign_in("ana", GOOD, "127.0.0.1").token
    clock.at += IDLE_S
    assert sessions.user(token) is None
    token = sessions.sign_in("ana", GOOD, "127.0.0.1").token
    sessions.end(token)
    assert sessions.user(token) is None
    assert sessions.user("") is None


def test_who_tries_too_often_waits_and_nobody_else_does(accounts: Accounts, sessions: Sessions, clock: Clock) -> None:
    said = [sessions.sign_in("ana", "wrong wrong wrong", "10.0.0.9").refused for _ in range(TRIES + 1)]
    assert said == ["wrong"] * TRIES + ["wait"]
    assert sessions.sign_in("ana", GOOD, "10.0.0.9").refused == "wait"
    assert sessions.sign_in("ana", GOOD, "10.0.0.8").token
    assert [line.what for line in accounts.audit(20)].count("throttled") == 1
    clock.at += WINDOW_S + 1
    assert sessions.sign_in("ana", GOOD, "10.0.0.9").token
    assert sessions.sign_in("ana", "wrong wrong wrong", "10.0.0.9").refused == "wrong"


def test_names_that_there_are_not_count_as_well(sessions: Sessions, accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("review.sessions.TRIES_OF_ADDRESS", 6)
    said = [sessions.sign_in(f"name{n}", GOOD, "10.0.0.9").refused for n in range(7)]
    assert said == ["wrong"] * 6 + ["wait"]
    refused = [line for line in accounts.audit(100) if line.what == "refused"]
    assert {line.about for line in refused} == {"(unknown name)"}


def test_many_tries_at_once_are_not_looked_at_more_often(sessions: Sessions) -> None:
    said: list[str] = []
    tries = [
        threading.Thread(target=lambda: said.append(sessions.sign_in("ana", "wrong wrong wrong", "10.0.0.9").refused))
        for _ in range(3 * TRIES)
    ]
    for one in tries:
        one.start()
    for one in tries:
        one.join()
    assert said.count("wrong") == TRIES


def test_the_audit_log_says_who_did_what_and_can_only_grow(accounts: Accounts, sessions: Sessions) -> None:
    sessions.sign_in("ana", "wrong wrong wrong", "10.0.0.9")
    token = sessions.sign_in("ana", GOOD, "10.0.0.9").token
    accounts.set_role("ana", "admin", "root")
    sessions.end(token)
    lines = [(line.who, line.what, line.about, line.detail) for line in reversed(accounts.audit(10))]
    assert lines == [
        ("test", "added", "Ana", "reviewer"),
        ("", "refused", "Ana", "10.0.0.9"),
        ("Ana", "signed_in", "Ana", "10.0.0.9"),
        ("root", "role", "Ana", "admin"),
        ("Ana", "signed_out", "Ana", ""),
    ]
    with sqlite3.connect(accounts.path) as db:
        for change in (
            "DELETE FROM audit",
            "UPDATE audit SET who = 'eve'",
            "INSERT OR REPLACE INTO audit (seq, at, who, what, about, detail) VALUES (1, 0, 'eve', 'added', '', '')",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(change)


def test_a_way_back_is_good_once_and_for_a_while(sessions: Sessions, clock: Clock) -> None:
    token = sessions.depart("kept")
    assert sessions.arrive("another") == ""
    assert sessions.arrive(token) == "kept"
    assert sessions.arrive(token) == ""
    token = sessions.depart("kept")
    clock.at += 601
    assert sessions.arrive(token) == ""


def test_who_signs_in_at_the_provider_has_an_account_of_their_own(accounts: Accounts) -> None:
    made = accounts.provided("https://id.example 7", "eva", "reviewer")
    assert (made.name, made.provided) == ("eva", True)
    assert accounts.provided("https://id.example 7", "eva.renamed", "admin").name == "eva"
    with pytest.raises(InputError, match="somebody else's"):
        accounts.provided("https://id.example 8", "ana", "admin")
    with pytest.raises(InputError, match="at the provider"):
        accounts.set_password("eva", GOOD, "test")
    assert Sessions(accounts.path).sign_in("eva", "", "127.0.0.1").refused == "wrong"
    accounts.set_disabled("eva", True, "test")
    with pytest.raises(InputError, match="disabled"):
        accounts.provided("https://id.example 7", "eva", "admin")


def test_a_file_that_is_something_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    path.write_bytes(b"no database at all, but long enough for a header" * 50)
    with pytest.raises(StorageError, match="can't be used"):
        Accounts(path).users()
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match="format 9"):
        Accounts(path).users()
