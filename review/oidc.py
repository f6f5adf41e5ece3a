"""Signing in at an OpenID provider: authorization code with PKCE (S256), state and nonce; the token's signature is checked.

The person leaves for the provider with a `Departure` and comes back with a code; what is known of them then is an `Identity`.
Needs the optional group `oidc`.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from core.errors import InputError, SettingsError
from review.accounts import ROLES, Role

SIGNED_WITH = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
"""Never HS256, whose key would be the client's secret, and never none."""
TIMEOUT_S = 10.0
LEEWAY_S = 60
"""Seconds that the provider's clock may be off."""
_HERE = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the person, and what has to be kept until they are back."""

    address: str
    kept: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who came back: `subject` never changes, `name` may."""

    subject: str
    name: str
    role: Role


@dataclass(frozen=True)
class Provider:
    """The provider at `issuer`, which knows us as `client`; `groups` are those, in `claim`, whose members have a role.

    Raises SettingsError where the settings can't work, InputError where a person can't sign in.
    """

    issuer: str
    client: str
    secret: str
    claim: str
    groups: Mapping[Role, str]

    def __post_init__(self) -> None:
        address = urlsplit(self.issuer)
        if address.scheme != "https" and address.hostname not in _HERE:
            raise SettingsError("The OpenID provider's address is not https.", remedy="Correct web.oidc_issuer.")
        if not any(self.groups.values()):
            message = "No group of the OpenID provider may do anything here."
            raise SettingsError(message, remedy="Name one in web.oidc_viewers, web.oidc_reviewers or web.oidc_admins.")

    def depart(self, back: str) -> Departure:
        """Begin a sign-in that ends at `back`."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.client,
                "redirect_uri": back,
                "scope": "openid profile email",
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        with self._http() as http:
            address = str(self._about(http)["authorization_endpoint"])
        kept = json.dumps({"state": state, "nonce": nonce, "verifier": verifier, "back": back})
        return Departure(f"{address}{'&' if '?' in address else '?'}{query}", kept)

    def arrive(self, kept: str, answer: Mapping[str, str]) -> Identity:
        """End a sign-in: `kept` is what the departure gave, `answer` what the provider sent back."""
        journey = json.loads(kept or "{}")
        if not journey or not secrets.compare_digest(journey["state"].encode(), answer.get("state", "").encode()):
            raise InputError("This sign-in did not begin here, or is too long ago.", remedy="Begin it again.")
        if answer.get("iss", self.issuer) != self.issuer or "code" not in answer:
            raise InputError("The provider did not let you in.", remedy="Try again, or ask whoever runs it.")
        with self._http() as http:
            about = self._about(http)
            token = self._token(http, about, answer["code"], journey)
            claims = self._claims(token, _json(http.get(str(about["jwks_uri"]))), journey["nonce"])
            if self.claim not in claims and "userinfo_endpoint" in about:
                told = _json(
                    http.get(str(about["userinfo_endpoint"]), headers={"Authorization": f"Bearer {token['access_token']}"})
                )
                claims |= told if told.get("sub") == claims["sub"] else {}
        return Identity(f"{self.issuer} {claims['sub']}", _name(claims), self._role(claims))

    def _role(self, claims: Mapping[str, Any]) -> Role:
        """The highest that a group of theirs has."""
        given = claims.get(self.claim, [])
        groups = {given} if isinstance(given, str) else {str(group) for group in given}
        for role in reversed(ROLES):
            if self.groups.get(role) and self.groups[role] in groups:
                return role
        raise InputError("You are in no group that may use this page.", remedy="Ask an admin.")

    def _token(self, http: httpx.Client, about: Mapping[str, Any], code: str, journey: Mapping[str, str]) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": journey["back"],
            "code_verifier": journey["verifier"],
            "client_id": self.client,
        }
        in_form = about.get("token_endpoint_auth_methods_supported") == ["client_secret_post"]
        if self.secret and in_form:
            form["client_secret"] = self.secret
        login = httpx.BasicAuth(self.client, self.secret) if self.secret and not in_form else httpx.Auth()
        return _json(http.post(str(about["token_endpoint"]), data=form, auth=login))

    def _claims(self, token: Mapping[str, Any], keys: dict[str, Any], nonce: str) -> dict[str, Any]:
        """What the signed token says, once everything about it is as it has to be."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            known: KeySet = KeySet.import_key_set(keys)  # type: ignore[arg-type]
            read = jwt.decode(str(token.get("id_token", "")), known, algorithms=SIGNED_WITH)
            rules = jwt.JWTClaimsRegistry(
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.client},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            rules.validate(read.claims)
        except (JoseError, ValueError) as error:
            message = f"The provider's answer does not hold ({getattr(error, 'error', '') or type(error).__name__})."
            raise InputError(message, remedy="Begin again; if it goes on, compare web.oidc_* with the provider.") from error
        claims = dict(read.claims)
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self.client:
            raise InputError("The provider's answer is for somebody else.", remedy="Compare web.oidc_client with the provider.")
        return claims

    def _about(self, http: httpx.Client) -> dict[str, Any]:
        """What the provider says of itself."""
        about = _json(http.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"))
        if missing := {"authorization_endpoint", "token_endpoint", "jwks_uri"} - about.keys():
            raise InputError(f"The provider names no {', '.join(sorted(missing))}.", remedy="Look at web.oidc_issuer.")
        if about.get("issuer") != self.issuer:
            message = f"The provider calls itself {about.get('issuer')!r}."
            raise InputError(message, remedy="Put exactly that into web.oidc_issuer.")
        return about

    @contextmanager
    def _http(self) -> Iterator[httpx.Client]:
        try:
            # A proxy of the environment is for the network, never for this machine.
            with httpx.Client(timeout=TIMEOUT_S, trust_env=urlsplit(self.issuer).hostname not in _HERE) as http:
                yield http
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"The provider does not answer ({type(error).__name__})."
            raise InputError(message, remedy="Try again later; if it goes on, look at web.oidc_issuer.") from error


def _json(response: httpx.Response) -> dict[str, Any]:
    remedy = "Compare web.oidc_* with the provider."
    if response.is_error:
        raise InputError(f"The provider refused ({response.status_code}).", remedy=remedy)
    try:
        content = response.json()
    except ValueError as error:
        raise InputError("The provider's answer can't be read.", remedy=remedy) from error
    if not isinstance(content, dict):
        raise InputError("The provider's answer can't be read.", remedy=remedy)
    return content


def _name(claims: Mapping[str, Any]) -> str:
    return str(next((claims[one] for one in ("preferred_username", "email", "sub") if claims.get(one)), ""))
