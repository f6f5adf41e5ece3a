"""MLflow as this house uses it: it tells nobody that it is used, and keeps files in the home."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def quiet() -> None:
    """Before mlflow is imported: it tells nobody that it is used, and its database's migrations are nobody's news."""
    for variable in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(variable, "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # of seven, some minutes, before it says that it is not there
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("alembic").setLevel(logging.WARNING)


def experiment(client: "MlflowClient", name: str, folder: Path) -> str:
    """The id of the experiment of this name, made where there is none.

    A server keeps files where it is told to. With a database alone they go to `folder`: MLflow would put them, the tickets' text
    among them, into whatever folder the command is called from.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    served = client.tracking_uri.startswith(("http://", "https://"))
    return str(client.create_experiment(name, artifact_location=None if served else folder.resolve().as_uri()))
