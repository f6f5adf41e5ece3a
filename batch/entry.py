"""How a command line begins and ends: quiet libraries, and one message for every foreseen error."""

import logging
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from core.errors import StorageError, TamizError

if TYPE_CHECKING:
    import typer

STOPPED = 130
"""What typer makes of Ctrl+C; shells use it too."""


def enter(app: "typer.Typer", *, stopped: str) -> None:
    """Run the command; every foreseen error is one message and exit code 1. `stopped` is said after Ctrl+C."""
    # Our matrices are small: OpenBLAS's threads spend ten times the work waiting for each other. Torch has its own threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it would ask for a package that is not needed
    try:
        app()
    except TamizError as error:
        _fail(error)
    except OSError as error:  # a library's own temporary file on a full disk, a folder that may not be read
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        _fail(StorageError(f"The system refused ({what}).", remedy="Check free space and permissions, then run it again."))
    except SystemExit as stop:
        if stop.code == STOPPED:
            sys.stderr.write(f"{stopped}\n")
        raise


def _fail(error: TamizError) -> NoReturn:
    from batch.console import complain

    complain(error)
    sys.exit(1)
