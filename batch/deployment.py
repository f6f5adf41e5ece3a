"""What `observe dashboards` and `observe check` do: write what Grafana reads, and check everything that servers will read."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from batch import console
from core.errors import InputError, StorageError
from observability.checks import check_all


def write_dashboards(root: Path, *, as_json: bool) -> None:
    """Write dashboards and provisioning under `root`; what is as it should be is left alone.

    Raises:
        InputError: the dashboard kit is not installed, or `root` is not the project's folder.
        StorageError: a file can't be written.
    """
    from observability.dashboards import files

    require_project(root)
    written = [name for name, text in files().items() if _write(root / name, text)]
    if as_json:
        sys.stdout.write(json.dumps({"written": written}) + "\n")
    else:
        console.say("\n".join(f"wrote {name}" for name in written) or "Everything is as the code makes it.")


def check(root: Path, *, as_json: bool) -> int:
    """Say what is wrong with the compose file, the dashboards and the alerts; how much there is."""
    require_project(root)
    found = check_all(root)
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1) + "\n")
    else:
        for one in found:
            console.say(str(one))
        console.say(f"{len(found)} things are wrong." if found else "The compose file, the dashboards and the alerts are right.")
    return len(found)


def require_project(root: Path) -> None:
    """Raises InputError where the files of the deployment are not under `root`."""
    if not (root / "deploy").is_dir():
        remedy = "Run it in the folder of the sources, or name that folder with --root."
        raise InputError(f"There is no folder deploy in {root.absolute()}.", remedy=remedy)


def _write(path: Path, text: str) -> bool:
    """Whether there was anything to write."""
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}.", remedy="Check the folder's permissions.") from error
    return True
