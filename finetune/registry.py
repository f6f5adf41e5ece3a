"""The MLflow registry: runs, versions and the aliases champion and challenger. The only file that imports mlflow."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from core.errors import SettingsError, StorageError
from observability.masking import mask_text
from observability.tracking import experiment, quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient

Alias: TypeAlias = Literal["champion", "challenger"]
ADAPTER, EVALUATION = "adapter", "evaluation.json"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the registered model: its number, its run, and what was noted of it as tags."""

    number: str
    run: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Registry:
    """The registered model of one task.

    Args:
        home: where database and artifacts are kept if no `tracking` server or database is named.
        task: "triage" or "critic"; the model is `tamiz-<task>`.

    Raises:
        StorageError: by any method, where the tracking store can't be reached or used.
    """

    home: Path
    task: str
    tracking: str = ""

    @property
    def model(self) -> str:
        """The registered model's name, and the experiment's."""
        return f"tamiz-{self.task}"

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        self.home.mkdir(parents=True, exist_ok=True)
        uri = self.tracking or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def register(
        self,
        folder: Path,
        files: Sequence[Path],
        params: Mapping[str, object],
        log: Sequence[Mapping[str, float]],
        tags: Mapping[str, str],
    ) -> Version:
        """A run with its curves and artifacts, and a version of its adapter that is the challenger.

        Args:
            folder: the adapter's folder.
            files: further artifacts.
            log: lines with a "step" each; every other number is a metric.
        """
        with self._errors():
            client = self._client
            place = experiment(client, self.model, self.home / "mlflow-artifacts" / self.task)
            run = client.create_run(place, run_name=folder.parent.name, tags=dict(tags)).info.run_id
            self._measured(run, params, log)
            client.log_artifacts(run, str(folder), ADAPTER)
            for file in files:
                client.log_artifact(run, str(file))
            client.set_terminated(run)
            if not client.search_registered_models(f"name = '{self.model}'"):
                client.create_registered_model(self.model)
            source = f"{client.get_run(run).info.artifact_uri}/{ADAPTER}"
            made = client.create_model_version(self.model, source, run, tags=dict(tags))
            client.set_registered_model_alias(self.model, "challenger", made.version)
        return Version(str(made.version), run, dict(tags))

    def _measured(self, run: str, params: Mapping[str, object], log: Sequence[Mapping[str, float]]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now, int(line["step"])) for line in log for name, value in line.items() if name != "step"
        ]
        self._client.log_batch(run, params=[Param(name, str(value)) for name, value in params.items()])
        for start in range(0, len(metrics), 1000):  # MLflow's limit of one call
            self._client.log_batch(run, metrics=metrics[start : start + 1000])

    def version(self, alias: Alias) -> Version | None:
        """The version under an alias; None where there is none."""
        with self._errors():
            found = self._client.search_registered_models(f"name = '{self.model}'")
            number = found[0].aliases.get(alias) if found else None
            if number is None:
                return None
            version = self._client.get_model_version(self.model, str(number))
        return Version(str(version.version), str(version.run_id), dict(version.tags))

    def adapter(self, version: Version, into: Path) -> Path:
        """The folder of the version's adapter, fetched into an existing folder."""
        with self._errors():
            return Path(self._client.download_artifacts(version.run, ADAPTER, str(into)))

    def name(self, alias: Alias, number: str | None) -> None:
        """Give a version an alias, or take the alias away."""
        with self._errors():
            if number is not None:
                self._client.set_registered_model_alias(self.model, alias, number)
            elif self.version(alias) is not None:
                self._client.delete_registered_model_alias(self.model, alias)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Note something of a version."""
        with self._errors():
            for name, value in tags.items():
                self._client.set_model_version_tag(self.model, number, name, value)

    def evaluated(self, version: Version, figures: Mapping[str, Any]) -> None:
        """Keep a version's evaluation; the newest one counts."""
        with self._errors():
            self._client.log_dict(version.run, dict(figures), EVALUATION)
            for role, overall in figures["overall"].items():
                self._client.log_metric(version.run, f"test_accuracy_{role}", overall["accuracy"])
        tags = {role: f"{overall['accuracy']:.4f}" for role, overall in figures["overall"].items()}
        self.tag(version.number, {f"test_accuracy_{role}": value for role, value in tags.items()})

    def evaluation(self, version: Version) -> dict[str, Any] | None:
        """A version's newest evaluation; None where it has none."""
        with self._errors(), tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
            if EVALUATION not in {file.path for file in self._client.list_artifacts(version.run)}:
                return None
            text = Path(self._client.download_artifacts(version.run, EVALUATION, folder)).read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The one place that knows what mlflow raises."""
        quiet()
        try:
            from mlflow.exceptions import MlflowException
        except ModuleNotFoundError as error:
            raise SettingsError("MLflow is not installed.", remedy='Install it with `pip install "tamiz[finetune]"`.') from error
        try:
            yield
        except (MlflowException, OSError) as error:
            raise StorageError(
                mask_text(f"The tracking store {self.tracking or self.home / 'mlflow.db'} can't be used ({str(error)[:200]})."),
                remedy="Check --tracking, the disk and the server, and try again.",
            ) from error
