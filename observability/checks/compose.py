"""The compose file: that Docker would take it, and that it keeps what its head promises.

Docker's own rules are those of the package `compose-spec`, which parses by the Compose specification; the house's rules are here:
exact versions, health checks, limits, nothing writable, no root, no port but on the loopback address, no secret with a default.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from core.errors import InputError
from observability.checks.finding import Finding

FILE = "docker-compose.yml"
EXAMPLE = ".env.example"
LOOPBACK = "127.0.0.1:"
_EXACT = re.compile(r"[a-z0-9./_-]+:v?\d+(\.\d+)+([-.][a-z0-9.]+)*")
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:?[-?+])?[^}]*\}")
_SECRET = re.compile(r"PASSWORD|TOKEN|KEY|SECRET")
_ROOTS = {"", "root", "0"}
Service = Mapping[str, Any]
Fault = tuple[str, str]
"""(what is wrong, what to do)."""


def check_compose(root: Path) -> list[Finding]:
    """Everything that is wrong with the compose file under `root`. Raises InputError where the parser is not installed."""
    try:
        text = (root / FILE).read_text(encoding="utf-8")
        file = yaml.safe_load(text)
        services = dict(file["services"])
    except OSError as error:
        return [
            Finding(FILE, "file", f"It can't be read ({error.strerror}).", "Run the check where the file lies, or name --root.")
        ]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        return [Finding(FILE, "file", f"It is no compose file ({error}).", "Correct its YAML.")]
    if said := _refusal(file):
        return [Finding(FILE, "file", f"Docker would not take it: {said}.", "Correct it after the Compose specification.")]
    found = [Finding(FILE, f"service {name}", *fault) for name, one in services.items() for fault in _faults(name, one, file)]
    found += [Finding(FILE, f"service {name}", *fault) for name, one in services.items() for fault in _binds(one, root)]
    return found + [Finding(*fault) for fault in _variables(file, root)]


def _refusal(file: Mapping[str, Any]) -> str:
    """Why the specification's parser does not take the file; "" where it does."""
    try:
        from compose_spec import PyCompose
    except ImportError as error:
        remedy = 'Install it: pip install "tamiz[dashboards]".'
        raise InputError("The package compose-spec is not installed.", remedy=remedy) from error
    plain = {name: value for name, value in file.items() if not name.startswith("x-")}
    try:
        PyCompose.from_json(json.dumps(plain)).validate()
    except ValueError as error:  # pydantic's ValidationError too
        return re.sub(r" at line \d+ column \d+", "", str(error))
    return ""


def _faults(name: str, one: Service, file: Mapping[str, Any]) -> Iterator[Fault]:
    for rule in _RULES:
        yield from rule(one)
    yield from _dependencies(one, file["services"])
    yield from _ways_out(one, file.get("networks") or {})


def _version(one: Service) -> Iterator[Fault]:
    image = str(one.get("image", ""))
    if not _EXACT.fullmatch(image):
        yield f"{image or 'no image'} is no exact version.", "Name a full version, such as loki:3.7.6."


def _health(one: Service) -> Iterator[Fault]:
    check = one.get("healthcheck") or {}
    if missing := [part for part in ("test", "interval", "timeout", "retries") if part not in check]:
        yield f"Its health check lacks {', '.join(missing)}.", "Say how it is asked whether it works, and how often."


def _ports(one: Service) -> Iterator[Fault]:
    for port in one.get("ports", ()):
        if not str(port).startswith(LOOPBACK):
            yield f"Port {port} is open to the network.", f"Write it as {LOOPBACK}{str(port).split(':')[-1]}:..."


def _user(one: Service) -> Iterator[Fault]:
    if str(one.get("user", "")).split(":")[0] in _ROOTS and not one.get("x-root-because"):
        yield "It runs as root.", "Give `user`, or say in x-root-because why it can't be another."


def _seal(one: Service) -> Iterator[Fault]:
    if one.get("read_only") is not True:
        yield "Its root can be written.", "Set read_only: true, with tmpfs and volumes for what it writes."
    if "ALL" not in one.get("cap_drop", ()):
        yield "It keeps capabilities.", "Set cap_drop: [ALL]."
    if not any(str(option).startswith("no-new-privileges") for option in one.get("security_opt", ())):
        yield "It may gain privileges.", 'Set security_opt: ["no-new-privileges:true"].'
    if one.get("privileged") or one.get("network_mode") == "host":
        yield "It shares the host's rights or network.", "Remove privileged and network_mode."


def _limits(one: Service) -> Iterator[Fault]:
    if missing := [limit for limit in ("mem_limit", "cpus", "pids_limit") if limit not in one]:
        yield f"It has no {' nor '.join(missing)}.", "Limit what it may take of the machine."


_RULES: tuple[Callable[[Service], Iterator[Fault]], ...] = (_version, _health, _ports, _user, _seal, _limits)


def _dependencies(one: Service, services: Mapping[str, Service]) -> Iterator[Fault]:
    for name, how in dict(one.get("depends_on") or {}).items():
        if name not in services:
            yield f"It waits for {name}, which there is not.", "Correct depends_on."
            continue
        needs = set(services[name].get("profiles", ()))
        if needs - set(one.get("profiles", ())) and how.get("required", True):
            yield f"It waits for {name}, which starts only with profile {', '.join(sorted(needs))}.", "Set required: false there."


def _ways_out(one: Service, networks: Mapping[str, Any]) -> Iterator[Fault]:
    joined = one.get("networks", ())
    if one.get("ports") and all((networks.get(name) or {}).get("internal") for name in joined):
        yield "Its port can't be reached: all its networks are internal.", "Join `edge` too."


def _binds(one: Service, root: Path) -> Iterator[Fault]:
    for volume in one.get("volumes", ()):
        source, _, rest = str(volume).partition(":")
        if source.startswith("/") or source.startswith("~") or ".sock" in source:
            yield f"It mounts {source} of the host.", "Use a named volume, or a file of this folder."
        elif source.startswith("."):
            if not (root / source).exists():
                yield (
                    f"It mounts {source}, which there is not.",
                    "Make it (`python -m batch observe dashboards` writes Grafana's) or correct it.",
                )
            if not rest.endswith(":ro"):
                yield f"It may write {source}.", "Mount it :ro."


def _variables(file: Mapping[str, Any], root: Path) -> Iterator[tuple[str, str, str, str]]:
    """Secrets have no default, and the example names every variable with every secret empty."""
    used = {name: how for text in _texts(file) for name, how in _VARIABLE.findall(text)}
    try:
        example = dict(_assignments((root / EXAMPLE).read_text(encoding="utf-8")))
    except OSError as error:
        yield EXAMPLE, "file", f"It can't be read ({error.strerror}).", "It names the variables that the compose file needs."
        return
    for name, how in sorted(used.items()):
        secret = bool(_SECRET.search(name))
        if secret and how != ":?":
            yield FILE, f"variable {name}", "A secret may be empty or has a default.", f"Write ${{{name}:?why it is needed}}."
        if name not in example:
            yield EXAMPLE, f"variable {name}", "The compose file uses it and the example does not name it.", "Add it."
        elif secret and example[name]:
            yield EXAMPLE, f"variable {name}", "A secret has a value.", "Leave it empty: who copies the file has to choose one."
    for name in sorted(example.keys() - used.keys() - {"COMPOSE_PROFILES"}):
        yield EXAMPLE, f"variable {name}", "Nothing uses it.", "Remove it."


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield name.strip(), value.strip()
