"""A small OpenID provider: discovery, authorization code with PKCE, signed tokens, and a page on which anybody may be anybody."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_CODE_S = 60.0
_HEAD = '<!doctype html><link rel="icon" href="data:,"><title>Who are you?</title>'


@dataclass
class Granted:
    """A code that was given out: for whom, and what the client said when it asked."""

    who: str
    asked: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)


@dataclass
class OidcProvider:
    """Its people (name: groups), its one client, and the codes that are out. `changed` overrides claims of the next tokens."""

    client: str
    secret: str
    people: Mapping[str, Sequence[str]]
    changed: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Granted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from joserfc.jwk import RSAKey

        self.key: RSAKey = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.published: RSAKey = self.key

    def grant(self, who: str, asked: Mapping[str, str]) -> str:
        """A code, good once."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = Granted(who, asked)
        return code

    def redeem(self, form: Mapping[str, str]) -> Granted | None:
        """What the code was given for, where the form is the one that asked for it."""
        granted = self.codes.pop(form.get("code", ""), None)
        if granted is None or time.monotonic() - granted.at > _CODE_S:
            return None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        same = challenge.decode() == granted.asked.get("code_challenge")
        return granted if same and form.get("redirect_uri") == granted.asked.get("redirect_uri") else None

    def token(self, issuer: str, granted: Granted) -> str:
        """Signed claims of the person."""
        from joserfc import jwt

        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": self.client,
            "sub": f"id-of-{granted.who}",
            "iat": now,
            "exp": now + 300,
            "nonce": granted.asked.get("nonce", ""),
            "preferred_username": granted.who,
            "groups": list(self.people[granted.who]),
        }
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims | self.changed, self.key)


def create_oidc(provider: OidcProvider) -> "ASGIApp":
    """The provider as an application; its issuer is the address under which it is asked."""
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def issuer(request: Request) -> str:
        return str(request.base_url).rstrip("/")

    @app.get("/.well-known/openid-configuration")
    def about(request: Request) -> dict[str, Any]:
        here = issuer(request)
        return {
            "issuer": here,
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "jwks_uri": f"{here}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [provider.published.as_dict(private=False)]}

    @app.get("/authorize")
    def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != provider.client or asked.get("code_challenge_method") != "S256":
            return JSONResponse({"error": "invalid_request"}, 400)
        who = asked.pop("as", "")
        if who not in provider.people:
            query = escape(urlencode(asked))
            links = (f'<li><a href="/authorize?{query}&amp;as={escape(one)}">{escape(one)}</a></li>' for one in provider.people)
            return HTMLResponse(f"{_HEAD}<h1>Who are you?</h1><ul>{''.join(links)}</ul>")
        answer = {"code": provider.grant(who, asked), "state": asked.get("state", "")}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)

    @app.post("/token")
    async def token(request: Request) -> Response:
        login = base64.b64encode(f"{provider.client}:{provider.secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {login}":
            return JSONResponse({"error": "invalid_client"}, 401)
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        granted = provider.redeem(form)
        if granted is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        signed = provider.token(issuer(request), granted)
        return JSONResponse({"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": signed})

    return app
