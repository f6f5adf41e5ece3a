"""Settings: defaults, then `tamiz.toml`, then `TAMIZ_...` environment variables, then the command line.

A nested setting is `[desk] url` in the file and `TAMIZ_DESK__URL` in the environment. A file may hold profiles, such as
`[profiles.prod.llm]`; `profile = "prod"` or `TAMIZ_PROFILE=prod` puts one over the rest of the file.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from core.errors import SettingsError
from observability.masking import mask_text

DEFAULT_FILE = Path("tamiz.toml")
PREFIX = "TAMIZ_"
PROFILE = "TAMIZ_PROFILE"
"""The variable that names a profile of the settings file."""
NO_SETTINGS = frozenset((PROFILE, "TAMIZ_FAULTS", "TAMIZ_MOCK_TOKEN"))
"""Variables with our prefix that are no settings; `python -m mocks` reads the last two."""

Place: TypeAlias = Annotated[Path, AfterValidator(Path.expanduser)]
Language: TypeAlias = Literal["", "es", "en"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeskSettings(_Section):
    """Where tickets come from and go back to. Without a url the bundled mock desk is started for the run."""

    url: str = Field("", description="address of the service desk; empty: the bundled mock desk")
    token: SecretStr = Field(SecretStr(""), description="bearer token")
    comment_language: Language = Field("", description="es or en; empty: the ticket's own")


class KnowledgeSettings(_Section):
    """The knowledge base."""

    url: str = Field("", description="address of a Qdrant server; empty: embedded, under the home")
    api_key: SecretStr = Field(SecretStr(""), description="key of the Qdrant server")
    neighbors: int = Field(30, ge=1, le=200, description="past tickets retrieved for each new one")
    floor: float = Field(0.25, ge=-1.0, le=1.0, description="cosine below which nothing is retrieved")
    rephrase: bool = Field(False, description="search also in the language model's words; for a larger one than the shipped")


class EmbedderSettings(_Section):
    """What turns text into vectors."""

    model: str = Field("packaged", description="packaged (all-MiniLM-L6-v2), or any sentence-transformers name or path")
    adapter: str = Field(
        "", description="empty: none; packaged: for Spanish and English in one base; or the folder of an adapter"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="fp32, bf16, or auto: bf16 where the CPU has it")
    batch_size: int = Field(16, ge=1, description="texts encoded at a time")


class LanguageSettings(_Section):
    """The language model that reads ticket and exemplars: none, one on this machine, or one behind a server."""

    model: str = Field("shipped", description="shipped; none; a folder or hub name; with a url the model's name at the server")
    revision: str = Field("", description="pinned revision of a hub model")
    adapter: str = Field("", description="folder of a PEFT adapter")
    precision: Literal["auto", "fp32", "bf16", "nf4"] = Field(
        "auto", description="fp32, bf16, nf4 (4 bit, bitsandbytes), or auto: bf16 where the processor has it"
    )
    template: str = Field("triage.v2", description="triage.v2, or compact.v4 for the shipped model and its like")
    budget: int = Field(1500, ge=200, description="tokens of a prompt; at most 620 for the shipped model")
    batch_size: int = Field(16, ge=1, description="prompts read at a time")
    options: int = Field(6, ge=2, le=60, description="labels offered for each field")
    exemplars: int = Field(6, ge=0, le=30, description="past tickets shown")
    context: Annotated[Place | None, BeforeValidator(lambda given: given or None)] = Field(
        None, description="file with what the model should know: projects, applications, usual problems"
    )
    glossary: Annotated[Place | None, BeforeValidator(lambda given: given or None)] = Field(
        None, description="YAML file of `label: words`: the operator's own words for single labels"
    )
    url: str = Field("", description="address of an OpenAI-compatible server; empty: on this machine")
    dialect: Literal["openai", "vllm", "llamacpp", "ollama"] = Field("openai", description="openai, vllm, llamacpp or ollama")
    key_variable: str = Field("", description="environment variable that holds the server's key")
    concurrency: int = Field(4, ge=1, le=64, description="requests to the server at a time")
    timeout_s: float = Field(60.0, gt=0.0, description="seconds that the server may take for an answer")


class LanguageSummarySettings(LanguageSettings):
    """The language model that writes the summaries."""

    model: str = Field("llm", description="llm: the one of [llm], in its answer; none: an extract; else a larger model's name")


class LanguageCriticSettings(LanguageSettings):
    """The language model that judges a triage; it is asked only where the fit found that it helps."""

    model: str = Field("none", description="none; llm: the one of [llm]; shipped; a folder or hub name; a server's model")
    reasons: bool = Field(False, description="it also writes why, in a line; for a larger model than the shipped")


class CriticSettings(_Section):
    """When a triage is approved."""

    approve_at: float = Field(65.0, ge=0.0, le=100.0, description="score from which a triage is approved")
    max_revisions: int = Field(2, ge=0, le=5, description="revisions of a rejected triage before a person gets it")


class RunSettings(_Section):
    """How a run goes."""

    chunk: int = Field(1024, ge=1, description="tickets decided and journalled together")
    language: Language = Field("", description="es or en for reports; empty: that of the terminal")


class WebSettings(_Section):
    """The review page, and the OpenID provider that people may sign in at."""

    host: str = Field("127.0.0.1", description="address that `web` listens on; beyond this machine only with accounts")
    port: int = Field(8650, ge=0, le=65535, description="port that `web` listens on; 0: a free one")
    url: str = Field("", description="address that people open where a proxy stands before it, such as https://tamiz.example")
    oidc_issuer: str = Field("", description="address of the OpenID provider; empty: accounts with passwords only")
    oidc_client: str = Field("tamiz", description="our name at the provider (client id)")
    oidc_secret: SecretStr = Field(SecretStr(""), description="our secret at the provider; empty: a public client")
    oidc_claim: str = Field("groups", description="claim that lists a person's groups")
    oidc_viewers: str = Field("", description="group whose members may look")
    oidc_reviewers: str = Field("", description="group whose members may judge")
    oidc_admins: str = Field("", description="group whose members may also change users and read the audit log")


class ObservabilitySettings(_Section):
    """Where the journal is shown."""

    loki_url: str = Field("", description="address of Loki, to which `observe ship` sends the journal; empty: none")
    loki_tenant: str = Field("", description="tenant, where Loki has several (X-Scope-OrgID)")


class BackupSettings(_Section):
    """Where backups go, and how many stay."""

    folder: Annotated[Place | None, BeforeValidator(lambda given: given or None)] = Field(
        None, description="folder of the backups, better on another disk; empty: <home>/backups"
    )
    days: int = Field(7, ge=1, description="days of which the newest backup is kept")
    weeks: int = Field(4, ge=0, description="weeks of which the newest backup is kept")


class Settings(BaseSettings):
    """All settings. Unknown names are refused, so that a typing error is not a silent default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: Place = Field(Path("var"), description="where all state lives")
    taxonomy: Annotated[Place | None, BeforeValidator(lambda given: given or None)] = Field(
        None, description="taxonomy file; empty: <home>/taxonomy.yaml"
    )
    desk: DeskSettings = DeskSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    llm: LanguageSettings = LanguageSettings()
    llm_summary: LanguageSummarySettings = LanguageSummarySettings()
    llm_critic: LanguageCriticSettings = LanguageCriticSettings()
    critic: CriticSettings = CriticSettings()
    run: RunSettings = RunSettings()
    web: WebSettings = WebSettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    backup: BackupSettings = BackupSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as init values."""
        return env_settings, init_settings


def load_settings(config: Path | None = None) -> Settings:
    """Read the settings; `config` defaults to tamiz.toml in the current directory, if there is one.

    Raises:
        SettingsError: the file is missing or no TOML, or a value is unknown or out of range.
    """
    _refuse_unknown_variables()
    try:
        return Settings(**_file_values(config))
    except UnreadableVariable as error:
        remedy = "Name one setting in each variable, such as TAMIZ_DESK__URL."
        raise SettingsError(f"A variable of the environment can't be read: {error}.", remedy=remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise _unknown(name, name) from error
        raise SettingsError(
            f"The setting {name} can't be used: {first['msg']}.",
            remedy=f"Correct it in the settings file or in {_variable(name)}.",
        ) from error


def describe(settings: Settings, config: Path | None = None) -> Iterator[tuple[str, str, str, str]]:
    """(name, value, origin, meaning) of every setting; secrets are masked."""
    in_file = dict(_flatten(_file_values(config)))
    in_environment = dict(_flatten(EnvSettingsSource(Settings)()))
    source = str(config or DEFAULT_FILE)
    for name, field, value in _leaves(settings):
        origin = "environment" if name in in_environment else source if name in in_file else "default"
        shown = (
            ("••••••" if value.get_secret_value() else "")
            if isinstance(value, SecretStr)
            else ("" if value is None else mask_text(str(value)))
        )
        yield name, shown, origin, field


def _refuse_unknown_variables() -> None:
    """A variable with our prefix that names no section: pydantic-settings would pass it over."""
    for variable in sorted(os.environ):
        path = variable.upper()
        first = path.removeprefix(PREFIX).split("__")[0].lower()
        if path.startswith(PREFIX) and path not in NO_SETTINGS and first not in Settings.model_fields:
            raise _unknown(path.removeprefix(PREFIX).replace("__", ".").lower(), variable)


def _unknown(name: str, shown: str) -> SettingsError:
    known = [known for known, _, _ in _leaves(Settings.model_construct())]
    close = get_close_matches(name, known, n=1)
    remedy = f"Is {close[0]} meant ({_variable(close[0])})?" if close else f"Remove it; there are {', '.join(known)}."
    return SettingsError(f"There is no setting {shown}.", remedy=remedy)


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


def _file_values(config: Path | None) -> dict[str, Any]:
    path = config or DEFAULT_FILE
    try:
        return _in_profile(tomllib.loads(path.read_text(encoding="utf-8")), path)
    except FileNotFoundError as error:
        if config is None:
            if name := os.environ.get(PROFILE, ""):
                raise SettingsError(f"There is no file {path} with a profile {name!r}.", remedy=f"Unset {PROFILE}.") from error
            return {}
        raise SettingsError(f"There is no settings file {path}.", remedy="Give --config an existing file.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The settings file {path} can't be read ({error}).", remedy="Correct it and try again.") from error


def _in_profile(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The file's values with those of the chosen profile over them; without a choice its profiles are passed over."""
    profiles, name = values.pop("profiles", {}), values.pop("profile", "")
    name = os.environ.get(PROFILE, "") or name
    if not name:
        return values
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise SettingsError(
            f"There is no profile {name!r} in {path}.", remedy=f"Name one of its profiles ({known}) in {PROFILE}."
        )
    return _merged(values, profiles[name])


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = below.get(name)
        merged[name] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or "", value
