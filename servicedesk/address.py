"""Where a service desk is, and what goes with each request."""

import ipaddress

import httpx

from core.errors import SettingsError


def headers(token: str, actor: str) -> dict[str, str]:
    """Of every request. Raises SettingsError for a token or an actor that can't be sent."""
    for name, value in (("token", token), ("actor", actor)):
        if not (value.isascii() and value.isprintable()):
            message = f"The {name} has characters that can't be sent (a line break, perhaps)."
            raise SettingsError(message, remedy="Copy it again without spaces or line breaks around it.")
    return {"X-Actor": actor, "Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}


def checked(url: str) -> str:
    """The address without credentials, as it may be shown. Raises SettingsError for one that is none."""
    try:
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise httpx.InvalidURL("no http address")
    except httpx.InvalidURL as error:
        message = f"The desk's address can't be used: {error}."
        raise SettingsError(message, remedy="Give an address such as https://desk.example.org.") from error
    return str(parts.copy_with(username=None, password=None, query=None, fragment=None)).rstrip("/")


def is_local(url: str) -> bool:
    """Whether the desk is on this machine."""
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
