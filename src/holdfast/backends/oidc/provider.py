"""One issuer: its metadata and keys, kept for a while, and the exchanges that say who somebody is.

What it says of itself is read anew every hour, and its keys also for one whose name is unknown, at
most once a minute. Times are the server's own. Not here: signatures (`verifying`), the claims of a
token (`core/identity`).
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from holdfast.backends.oidc.fetching import Fetched, Fetching, is_safe
from holdfast.backends.oidc.verifying import UnknownKey, allowed, claims_of, usable_keys
from holdfast.core.identity import Flow, Unfit, Wanted, person_of, with_email
from holdfast.errors import Denied, NotFound, Unauthenticated
from holdfast.model.identity import Person
from holdfast.ports.identity import Came, DeviceCode, Waiting

_NS = 1_000_000_000
KEPT_NS = 3600 * _NS
KEYS_ANEW_NS = 60 * _NS
_DISCOVERY = "/.well-known/openid-configuration"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_MOST_CODE = 2048
_INTERVAL_S, _MOST_S = 5, 3600


class Client(NamedTuple):
    """What this server is to the issuer; without a secret it is a public client."""

    client_id: str
    secret: str
    scopes: tuple[str, ...]


class _Known(NamedTuple):
    """What was fetched, and when."""

    metadata: Mapping[str, Any]
    keys: list[Mapping[str, Any]]
    at_ns: int


class OidcProvider:
    """An issuer by its address. `close` it in the loop that used it."""

    def __init__(self, issuer: str, client: Client, fetching: Fetching | None = None) -> None:
        self.issuer = issuer
        self._client = client
        self._fetching = fetching or Fetching(urlsplit(issuer).netloc)
        self._known: _Known | None = None
        self._keys_at_ns = 0
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        """Let go of connections; idempotent."""
        await self._fetching.close()

    async def address(self, flow: Flow, redirect: str, at_ns: int) -> str:
        """Where a browser goes to sign in. Errors: Unavailable."""
        metadata = (await self._current(at_ns)).metadata
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self._client.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        place = self._endpoint(metadata, "authorization_endpoint")
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked, quote_via=quote)}"

    async def person(self, came: Came, flow: Flow, redirect: str, at_ns: int) -> Person:
        """Who came back with a code. Errors: Unavailable, Unauthenticated."""
        metadata = (await self._current(at_ns)).metadata
        says_issuer = metadata.get("authorization_response_iss_parameter_supported") is True
        if (came.issuer or says_issuer) and came.issuer != self.issuer:
            raise Unauthenticated("this is the answer of another identity provider")
        if not 0 < len(came.code) <= _MOST_CODE:
            raise Unauthenticated("the identity provider sent no code")
        form = {
            "grant_type": "authorization_code",
            "code": came.code,
            "redirect_uri": redirect,
            "code_verifier": flow.verifier,
        }
        answer = await self._posted(metadata, "token_endpoint", form)
        if answer.status != 200:
            raise Unauthenticated(f"the identity provider takes no such code: {_error(answer)}")
        return await self._told(answer.value, flow.nonce, at_ns)

    async def device(self, at_ns: int) -> DeviceCode:
        """Begin a sign-in on another device. Errors: Unavailable, NotFound where it has none."""
        metadata = (await self._current(at_ns)).metadata
        if "device_authorization_endpoint" not in metadata:
            raise NotFound("the identity provider knows no sign-in on another device")
        form = {"scope": " ".join(self._client.scopes)}
        answer = await self._posted(metadata, "device_authorization_endpoint", form)
        told = answer.value
        code, user_code = told.get("device_code"), told.get("user_code")
        place = told.get("verification_uri") or told.get("verification_url")
        fit = isinstance(code, str) and isinstance(user_code, str) and len(code) <= _MOST_CODE
        if answer.status != 200 or not fit or not is_safe(place, self.issuer):
            raise self._fetching.unusable(f"begins no sign-in: {_error(answer)}")
        whole = told.get("verification_uri_complete")
        return DeviceCode(
            secret=str(code),
            user_code=str(user_code)[:64],
            url=str(place),
            whole_url=str(whole) if is_safe(whole, self.issuer) else "",
            interval_s=_seconds(told.get("interval"), _INTERVAL_S),
            life_s=_seconds(told.get("expires_in"), 600),
        )

    async def device_person(self, secret: str, at_ns: int) -> Person | Waiting:
        """Who signed in on the other device.

        Errors: Unavailable, Unauthenticated; Denied where they refused, or were too late.
        """
        metadata = (await self._current(at_ns)).metadata
        form = {"grant_type": _DEVICE, "device_code": secret}
        answer = await self._posted(metadata, "token_endpoint", form)
        if answer.status == 200:
            return await self._told(answer.value, None, at_ns)
        error = _error(answer)
        if error in {"authorization_pending", "slow_down"}:
            return Waiting(slower=error == "slow_down")
        if error == "access_denied":
            raise Denied("whoever was asked to sign in refused")
        if error == "expired_token":
            raise Denied("nobody signed in in time; begin again")
        raise Unauthenticated(f"the identity provider takes no such code: {error}")

    async def _told(self, answer: Mapping[str, Any], nonce: str | None, at_ns: int) -> Person:
        """Whom the answer with tokens tells of. Errors: Unauthenticated, Unavailable."""
        claims = await self._claims(answer.get("id_token"), at_ns)
        wanted = Wanted(self.issuer, self._client.client_id, nonce, at_ns)
        found = person_of(claims, wanted)
        if isinstance(found, Unfit):
            text = "the identity provider's token is not believed"
            raise Unauthenticated(f"{text}: {found.text}")
        access = answer.get("access_token")
        if found.email or found.unverified or not isinstance(access, str):
            return found
        return await self._asked_for_email(found, access, at_ns)

    async def _asked_for_email(self, person: Person, access: str, at_ns: int) -> Person:
        """The address, where the token leaves it to be asked for and the issuer tells it."""
        metadata = (await self._current(at_ns)).metadata
        scoped = "email" in self._client.scopes and "userinfo_endpoint" in metadata
        if not scoped or not access.isascii() or not access.isprintable():
            return person
        answer = await self._fetching.get(self._endpoint(metadata, "userinfo_endpoint"), access)
        if answer.status != 200 or answer.value.get("sub") != person.subject:
            raise Unauthenticated("the identity provider tells of somebody else")
        return with_email(person, answer.value)

    async def _claims(self, token: object, at_ns: int) -> Mapping[str, Any]:
        known = await self._current(at_ns)
        taken = allowed(known.metadata.get("id_token_signing_alg_values_supported"))
        try:
            return claims_of(token, known.keys, taken)
        except UnknownKey:
            keys = await self._keys_anew(known, at_ns)
        try:
            return claims_of(token, keys, taken)
        except UnknownKey:
            text = "the identity provider's token is not believed: it publishes no such key"
            raise Unauthenticated(text) from None

    async def _current(self, at_ns: int) -> _Known:
        """What the issuer says of itself, not older than an hour. Errors: Unavailable."""
        async with self._asking:
            known = self._known
            if known is not None and 0 <= at_ns - known.at_ns < KEPT_NS:
                return known
            answer = await self._fetching.get(self.issuer.rstrip("/") + _DISCOVERY)
            if answer.status != 200 or answer.value.get("issuer") != self.issuer:
                raise self._fetching.unusable("is not the issuer that the settings name")
            keys = await self._fetched_keys(answer.value, at_ns)
            self._known = _Known(answer.value, keys, at_ns)
            return self._known

    async def _keys_anew(self, known: _Known, at_ns: int) -> list[Mapping[str, Any]]:
        """The keys as they are now, asked for at most once a minute. Errors: Unavailable."""
        async with self._asking:
            if self._known is not known:
                return (self._known or known).keys
            if 0 <= at_ns - self._keys_at_ns < KEYS_ANEW_NS:
                return known.keys
            keys = await self._fetched_keys(known.metadata, at_ns)
            self._known = known._replace(keys=keys)
            return keys

    async def _fetched_keys(self, metadata: Mapping[str, Any], at_ns: int) -> list[Any]:
        self._keys_at_ns = at_ns
        answer = await self._fetching.get(self._endpoint(metadata, "jwks_uri"))
        keys = usable_keys(answer.value.get("keys"))
        if answer.status != 200 or not keys:
            raise self._fetching.unusable("publishes no key that signs")
        return list(keys)

    async def _posted(
        self, metadata: Mapping[str, Any], name: str, form: Mapping[str, str]
    ) -> Fetched:
        """A form as this client. Errors: Unavailable."""
        client, place = self._client, self._endpoint(metadata, name)
        ways = metadata.get("token_endpoint_auth_methods_supported")
        if not client.secret:
            given, authorization = {"client_id": client.client_id}, ""
        elif isinstance(ways, list) and "client_secret_basic" not in ways:
            given, authorization = _in_form(client), ""
        else:
            given, authorization = {"client_id": client.client_id}, _basic(client)
        answer = await self._fetching.post(place, {**form, **given}, authorization)
        if answer.status >= 500:
            raise self._fetching.unusable(f"answers {answer.status}")
        return answer

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        place = metadata.get(name)
        if not is_safe(place, self.issuer):
            raise self._fetching.unusable(f"names no safe `{name}`")
        return str(place)


def _basic(client: Client) -> str:
    pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _in_form(client: Client) -> dict[str, str]:
    return {"client_id": client.client_id, "client_secret": client.secret}


def _error(answer: Fetched) -> str:
    """The word that an answer gives for what is wrong with a request."""
    told = answer.value.get("error")
    plain = isinstance(told, str) and told.isascii() and told.replace("_", "").isalnum()
    return str(told)[:64] if plain else f"it answers {answer.status}"


def _seconds(told: object, usual: int) -> int:
    if not isinstance(told, int) or isinstance(told, bool):
        return usual
    return min(max(1, told), _MOST_S)
