"""An issuer of the tests: well-behaved until a test says what it does that no real one does.

It serves discovery, keys and tokens over HTTP on this machine. Not here: a person's browser at a
real issuer (`tests/identity_provider.py`).
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

CLIENT = "holdfast"
NOW_S = 1_790_000_000
NOW_NS = NOW_S * 1_000_000_000
Answer = Callable[[web.Request], Any]

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Any] = {
    "rsa": RSA, "short": SHORT_RSA, "p256": P256, "p384": P384, "ed": ED
}  # fmt: skip
_JWK_BY = {"rsa": "RS256", "short": "RS256", "p256": "ES256", "p384": "ES384", "ed": "EdDSA"}


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """The public half of one of the keys, as issuers publish it."""
    made = get_default_algorithms()[_JWK_BY[name]].to_jwk(KEYS[name].public_key(), as_dict=True)
    return {**made, "kid": name, "use": "sig"} | more


def claims(issuer: str, **more: Any) -> dict[str, Any]:
    """What a sound token says; a value of None leaves a claim out."""
    usual = {
        "iss": issuer, "sub": "ann", "aud": CLIENT, "iat": NOW_S, "exp": NOW_S + 300,
        "nonce": "n", "email": "ann@acme.example", "email_verified": True,
    }  # fmt: skip
    return {name: value for name, value in (usual | more).items() if value is not None}


def signed(told: Mapping[str, Any], key: Any = RSA, alg: str = "RS256", **header: Any) -> str:
    """A token; `kid` is `rsa` unless said, and none where it is None."""
    named = {"kid": "rsa"} | header
    fields = {name: value for name, value in named.items() if value is not None}
    return jwt.encode(dict(told), key, algorithm=alg, headers=fields)


def spelt(header: Mapping[str, Any], told: Any, signature: bytes = b"") -> str:
    """A token part by part, as nobody's library would write it."""
    parts = (json.dumps(header).encode(), json.dumps(told).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Issuer:
    """What it answers; a test sets what is to be another way."""

    def __init__(self) -> None:
        self.url = ""
        self.metadata: dict[str, Any] = {}
        self.keys: list[dict[str, Any]] = [jwk("rsa")]
        self.token: Any = None
        self.userinfo: dict[str, Any] = {"sub": "ann"}
        self.instead: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.status = 200
        self.answer: dict[str, Any] = {}

    def started(self, url: str) -> None:
        """Known by its address."""
        self.url = url
        self.metadata = {
            "issuer": url,
            "authorization_endpoint": f"{url}/auth",
            "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/jwks",
            "userinfo_endpoint": f"{url}/me",
            "device_authorization_endpoint": f"{url}/device",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "HS256", "none"],
        }
        self.token = signed(claims(url))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path, form, request.headers.get("authorization", "")))
        if request.path in self.instead:
            return await self.instead[request.path](request)
        device = {
            "device_code": "dc", "user_code": "ABCD-EFGH", "verification_uri": f"{self.url}/go",
            "interval": 1, "expires_in": 60,
        }  # fmt: skip
        known = {
            "/.well-known/openid-configuration": self.metadata,
            "/jwks": {"keys": self.keys},
            "/token": {"id_token": self.token, "access_token": "at"} | self.answer,
            "/me": self.userinfo,
            "/device": device | self.answer,
        }
        status = self.status if request.path in {"/token", "/device"} else 200
        return web.json_response(known[request.path], status=status)

    def paths(self) -> list[str]:
        """What was asked for so far, in order."""
        return [path for path, _, _ in self.asked]


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """One issuer on a free port."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", issuer.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    issuer.started(f"http://127.0.0.1:{port}")
    try:
        yield issuer
    finally:
        await runner.cleanup()


def redirecting(place: str) -> Answer:
    """Sends whoever asks elsewhere."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": place})

    return answer


def sending(body: bytes, status: int = 200) -> Answer:
    """Answers with these bytes."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    return answer


async def never(_: web.Request) -> web.Response:
    """Answers when nobody waits any more."""
    await asyncio.sleep(3600)
    return web.Response()
