"""What a check found."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: in which file, where in it (a service, a panel, an alert), and what to do about it."""

    file: str
    place: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.problem} {self.remedy}"


def shown(path: Path, root: Path) -> str:
    """The path as a person at `root` types it."""
    return path.relative_to(root).as_posix()
