"""The mock service desk, over real HTTP, with its state on disk."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import InputError, RowError, StorageError
from mocks.app import build
from mocks.desk import create_desk, open_desk, router
from mocks.desk_models import MAX_ATTACHMENT
from mocks.faults import Faults
from mocks.serve import serve

PERSON = {"X-Actor": "ana"}


def tickets_file(folder: Path, count: int = 5) -> Path:
    path = folder / "open.jsonl"
    rows = [{"id": f"INC-{n}", "subject": f"Asunto {n}", "description": "VPN", "channel": "email"} for n in range(1, count + 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def seeded(tmp_path: Path) -> Iterator[httpx.Client]:
    """A desk of its own with INC-1 to INC-5."""
    with serve(create_desk(tmp_path / "state", tickets=tickets_file(tmp_path))) as url, httpx.Client(base_url=url) as http:
        yield http


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A desk that the tests of this file share, each with a ticket of its own."""
    with serve(create_desk(tmp_path_factory.mktemp("state"))) as url, httpx.Client(base_url=url) as http:
        yield http


@pytest.fixture
def ticket(client: httpx.Client) -> str:
    """The path of a new ticket."""
    return f"/tickets/{client.post('/tickets', json={'subject': 'Asunto'}, headers=PERSON).json()['id']}"


def history(client: httpx.Client, ticket: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{ticket}/history").json()["history"]
    return found


def test_pages_in_order_of_creation_while_tickets_change(seeded: httpx.Client) -> None:
    first = seeded.get("/tickets", params={"limit": 2}).json()
    seeded.patch("/tickets/INC-1", json={"revision": 1, "status": "closed"})
    second = seeded.get("/tickets", params={"limit": 2, "cursor": first["next"]}).json()
    third = seeded.get("/tickets", params={"limit": 2, "cursor": second["next"]}).json()
    assert [t["id"] for page in (first, second, third) for t in page["tickets"]] == [f"INC-{n}" for n in range(1, 6)]
    assert third["next"] is None


def test_filters_by_status_and_by_time_of_change(seeded: httpx.Client) -> None:
    changed = seeded.patch("/tickets/INC-2", json={"revision": 1, "status": "closed"}).json()
    assert [t["id"] for t in seeded.get("/tickets", params={"status": "closed"}).json()["tickets"]] == ["INC-2"]
    since = {"updated_since": changed["updated"]}
    assert [t["id"] for t in seeded.get("/tickets", params=since).json()["tickets"]] == ["INC-2"]


def test_a_patch_is_one_revision_and_every_difference_is_in_the_history(client: httpx.Client, ticket: str) -> None:
    body = {"fields": {"category": "Red"}, "comment": "Hecho", "properties": {"p": {"a": "b"}}, "status": "pending"}
    answer = client.patch(ticket, json=body, headers={"If-Match": '"1"', **PERSON})
    assert answer.status_code == 200
    assert (answer.json()["revision"], answer.json()["fields"]) == (2, {"category": "Red"})
    assert answer.json()["property_revisions"] == {"p": 2}
    entries = [(e["field"], e["old"], e["new"]) for e in history(client, ticket) if e["revision"] == 2]
    assert entries == [
        ("status", "open", "pending"),
        ("field:category", "", "Red"),
        ("property:p", "", '{"a": "b"}'),
        ("comment", "", "Hecho"),
    ]
    assert {e["actor"] for e in history(client, ticket)} == {"ana"}


def test_what_changes_nothing_makes_no_revision(client: httpx.Client, ticket: str) -> None:
    assert client.patch(ticket, json={"revision": 1, "fields": {"x": None}, "status": "open"}).json()["revision"] == 1
    assert len(history(client, ticket)) == 1


def test_a_stale_revision_is_refused_with_the_current_one(client: httpx.Client, ticket: str) -> None:
    client.patch(ticket, json={"revision": 1, "subject": "otro"})
    answer = client.patch(ticket, json={"revision": 1, "fields": {"category": "Red"}, "comment": "no"})
    assert (answer.status_code, answer.json()["revision"]) == (409, 2)
    assert client.get(ticket).json()["fields"] == {}
    assert client.get(f"{ticket}/comments").json()["comments"] == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {}, 428),
        ({"If-Match": "2"}, {"revision": 1}, 400),
        ({"If-Match": '"one"'}, {}, 400),
        ({"If-Match": 'W/"1"'}, {}, 200),
        ({}, {"revision": 1, "unknown": 1}, 422),
        ({}, {"revision": 1, "properties": {"p": {"a": "x" * 40_000}}}, 422),
    ],
)
def test_a_patch_names_its_revision_once(
    client: httpx.Client, ticket: str, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    assert client.patch(ticket, headers=headers, json={"comment": "x", **body}).status_code == status


def test_an_idempotency_key_works_once(client: httpx.Client, ticket: str) -> None:
    body = {"revision": 1, "fields": {"category": "Red"}, "comment": "uno", "idempotency_key": "k"}
    first, second = (client.patch(ticket, json=body) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replay"] == "true"
    assert len(client.get(f"{ticket}/comments").json()["comments"]) == 1
    assert client.patch(ticket, json={**body, "comment": "dos"}).status_code == 422


def test_comments_are_internal_unless_said_otherwise_and_idempotent(client: httpx.Client, ticket: str) -> None:
    for _ in range(2):
        assert client.post(f"{ticket}/comments", json={"body": "hola", "idempotency_key": "c"}).status_code == 201
    client.post(f"{ticket}/comments", json={"body": "al usuario", "public": True}, headers=PERSON)
    found = client.get(f"{ticket}/comments").json()["comments"]
    assert [(c["body"], c["public"], c["author"]) for c in found] == [("hola", False, "anonymous"), ("al usuario", True, "ana")]
    assert client.get(ticket).json()["revision"] == 3


def test_creates_with_a_number_of_its_own_or_a_free_id(client: httpx.Client, ticket: str) -> None:
    key = {"Idempotency-Key": "new"}
    made = [client.post("/tickets", json={"subject": "Nuevo"}, headers=key).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].startswith("T-")
    assert client.post("/tickets", json={"id": made[0]}).status_code == 409
    assert client.post("/tickets", json={"id": "a/b"}).status_code == 422


def test_properties(client: httpx.Client, ticket: str) -> None:
    path = f"{ticket}/properties/tamiz"
    assert client.get(path).status_code == 404
    assert client.put(path, json={"decision": "d"}, headers={"If-Match": "1"}).json()["revision"] == 2
    assert client.get(path).json() == {"decision": "d"}
    assert client.put(path, json={"decision": "e"}, headers={"If-Match": "1"}).status_code == 409
    assert client.put(path, json={"decision": "x" * 40_000}).status_code == 422


def test_attachments_have_caps_and_are_never_shown_inline(client: httpx.Client, ticket: str) -> None:
    path = f"{ticket}/attachments"
    made = client.post(path, params={"name": 'log "é".txt'}, content=b"abc", headers={"Content-Type": "text/html"}).json()
    assert [(a["name"], a["size"]) for a in client.get(path).json()["attachments"]] == [('log "é".txt', 3)]
    got = client.get(f"{path}/{made['number']}")
    assert (got.content, got.headers["Content-Type"]) == (b"abc", "application/octet-stream")
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''log%20%22%C3%A9%22.txt"
    assert client.get(f"{path}/{made['number']}", params={"max_bytes": 2}).status_code == 413
    assert client.post(path, params={"name": "big"}, content=bytes(MAX_ATTACHMENT + 1)).status_code == 413
    assert client.get(f"/tickets/T-1/attachments/{made['number']}").status_code == 404


def test_unknown_tickets_are_404_everywhere(client: httpx.Client) -> None:
    for path in ("", "/history", "/comments", "/attachments", "/properties/p"):
        assert client.get(f"/tickets/none{path}").status_code == 404
    assert client.patch("/tickets/none", json={"revision": 1}).status_code == 404


def test_what_no_text_can_hold_is_refused(client: httpx.Client, ticket: str) -> None:
    for body in (b'{"subject": "\\ud800"}', b'{"subject": NaN}', b"\xff\xfe", b"[" * 100_000):
        for method, path in (("POST", "/tickets"), ("PUT", f"{ticket}/properties/p")):
            answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422)


def test_hostile_text_comes_back_as_it_went_in(client: httpx.Client) -> None:
    text = "a\x00b\u2028c\u202e '; DROP TABLE tickets; -- 🧨"
    made = client.post("/tickets", json={"subject": text, "fields": {text: text}}).json()
    assert client.get(f"/tickets/{made['id']}").json()["subject"] == text
    assert client.get(f"/tickets/{made['id']}").json()["fields"] == {text: text}


def test_a_token_is_needed_where_one_is_set(tmp_path: Path) -> None:
    with serve(create_desk(tmp_path, token="s3")) as url:
        assert httpx.get(f"{url}/tickets").status_code == 401
        assert httpx.get(f"{url}/tickets", headers={"Authorization": "Bearer s3x"}).status_code == 401
        assert httpx.get(f"{url}/tickets", headers={"Authorization": "Bearer s3"}).status_code == 200
        assert httpx.get(f"{url}/health").status_code == 200


def test_state_survives_a_restart_and_is_not_seeded_again(tmp_path: Path) -> None:
    seed = tickets_file(tmp_path)
    for expected in (1, 2):
        with serve(create_desk(tmp_path / "state", tickets=seed)) as url:
            ticket = httpx.get(f"{url}/tickets/INC-1").json()
            assert ticket["revision"] == expected
            httpx.patch(f"{url}/tickets/INC-1", json={"revision": expected, "fields": {"n": str(expected)}})
            assert len(httpx.get(f"{url}/tickets").json()["tickets"]) == 5


def test_a_tickets_file_is_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tickets_file(tmp_path, 2)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"subject": "no id"}\n')
    with pytest.raises(RowError) as caught:
        create_desk(tmp_path / "state", tickets=path)
    assert (caught.value.row, caught.value.field) == (3, "id")
    assert '"tickets":[]' in open_desk(tmp_path / "state").page(status=None, since=None, after=0, limit=9).body


def test_an_id_that_comes_twice_in_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "A"}\n\n{"id": "A"}\n', encoding="utf-8")
    with pytest.raises(RowError, match="Line 3") as caught:
        create_desk(tmp_path, tickets=path)
    assert caught.value.row == 3


def test_a_number_that_a_seeded_ticket_has_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "T-2"}\n', encoding="utf-8")
    with serve(create_desk(tmp_path, tickets=path)) as url:
        assert [httpx.post(f"{url}/tickets", json={}).json()["id"] for _ in range(2)] == ["T-3", "T-4"]


def test_a_full_disk_refuses_the_change_whole_and_the_desk_goes_on(tmp_path: Path) -> None:
    store = open_desk(tmp_path, tickets_file(tmp_path))
    with serve(build("Desk", [router], {"desk": store}, faults=Faults(), token="")) as url:
        (pages,) = store.db.execute("PRAGMA page_count").fetchone()
        store.db.execute(f"PRAGMA max_page_count = {pages}")
        body = {"revision": 1, "fields": {"category": "Red"}, "comment": "x" * 500_000}
        assert httpx.patch(f"{url}/tickets/INC-1", json=body).status_code == 507
        assert httpx.get(f"{url}/tickets/INC-1").json()["revision"] == 1
        store.db.execute("PRAGMA max_page_count = 100000")
        assert httpx.patch(f"{url}/tickets/INC-1", json=body).json()["revision"] == 2


def test_gold_labels_of_a_tickets_file_stay_out_of_the_desk(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "A", "subject": "x\u2028y", "gold": {"category": "Red"}}\n', encoding="utf-8")
    body = open_desk(tmp_path / "state", path).ticket("A").body
    assert "Red" not in body
    assert json.loads(body)["subject"] == "x\u2028y"


def test_unusable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl"):
        create_desk(tmp_path / "state", tickets=tmp_path / "none.jsonl")
    (tmp_path / "desk.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match=r"desk\.sqlite"):
        create_desk(tmp_path)
