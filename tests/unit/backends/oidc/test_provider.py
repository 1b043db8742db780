import asyncio
import base64
from collections.abc import Awaitable, Callable

import pytest

from holdfast.backends.oidc.fetching import MOST_BYTES, Fetching
from holdfast.backends.oidc.provider import KEPT_NS, Client, OidcProvider
from holdfast.core.identity import flow_of
from holdfast.errors import Denied, NotFound, Unauthenticated, Unavailable
from holdfast.model.identity import Person
from holdfast.ports.identity import Came, Waiting
from tests.corpora.id_tokens import BELIEVED, BELIEVED_KEPT_APART, REFUSED, REFUSED_KEPT_APART
from tests.hostile_issuer import (
    CLIENT,
    ED,
    NOW_NS,
    OTHER_RSA,
    P256,
    Issuer,
    claims,
    issuing,
    jwk,
    never,
    redirecting,
    sending,
    signed,
)

FLOW = flow_of(b"key", "held")._replace(nonce="n")
REDIRECT = "http://127.0.0.1:8787/console/sign-in/identity/done"
MINUTE_NS = 60 * 10**9
DISCOVERY = "/.well-known/openid-configuration"


def tried(
    what: Callable[[Issuer, OidcProvider], Awaitable[object]], *, secret: str = "", at_s: float = 5
) -> None:
    async def main() -> None:
        async with issuing() as issuer:
            client = Client(CLIENT, secret, ("openid", "email"))
            provider = OidcProvider(issuer.url, client, Fetching("login.example", at_s))
            try:
                await what(issuer, provider)
            finally:
                await provider.close()

    asyncio.run(main())


async def came(provider: OidcProvider, at_ns: int = NOW_NS) -> Person:
    return await provider.person(Came("code"), FLOW, REDIRECT, at_ns)


def corpus(*parts):
    return [pytest.param(made, id=name) for part in parts for name, made in part.items()]


@pytest.mark.parametrize("made", corpus(BELIEVED, BELIEVED_KEPT_APART))
def test_a_token_that_holds_says_who_it_is(made):
    async def what(issuer, provider):
        issuer.token = made(issuer.url)
        person = await came(provider)
        assert person.issuer == issuer.url
        assert person.subject

    tried(what)


@pytest.mark.parametrize("made", corpus(REFUSED, REFUSED_KEPT_APART))
def test_a_token_that_does_not_hold_says_nothing(made):
    async def what(issuer, provider):
        issuer.keys = [jwk("rsa"), jwk("short"), jwk("p384")]
        issuer.token = made(issuer.url)
        with pytest.raises(Unauthenticated):
            await came(provider)

    tried(what)


@pytest.mark.parametrize(("name", "key", "alg"), [("p256", P256, "ES256"), ("ed", ED, "EdDSA")])
def test_keys_of_other_kinds_are_taken_where_the_issuer_names_them(name, key, alg):
    async def what(issuer, provider):
        issuer.keys = [jwk("rsa"), jwk(name)]
        issuer.token = signed(claims(issuer.url), key, alg, kid=name)
        assert (await came(provider)).subject == "ann"

    tried(what)


@pytest.mark.parametrize(
    ("told", "email", "unverified"),
    [
        ({}, "ann@acme.example", ""),
        ({"email_verified": False}, "", "ann@acme.example"),
        ({"email_verified": None}, "", "ann@acme.example"),
        ({"email_verified": "true"}, "", "ann@acme.example"),
        ({"email_verified": 1}, "", "ann@acme.example"),
        ({"email": ["ann@acme.example"]}, "", ""),
        ({"email": "ann@acme.example\n"}, "", ""),
    ],
)
def test_an_address_counts_where_the_issuer_says_that_it_is_verified(told, email, unverified):
    async def what(issuer, provider):
        issuer.token = signed(claims(issuer.url, **told))
        person = await came(provider)
        assert (person.email, person.unverified) == (email, unverified)

    tried(what)


def test_an_address_that_the_token_leaves_out_is_asked_for():
    async def what(issuer, provider):
        issuer.token = signed(claims(issuer.url, email=None, email_verified=None))
        issuer.userinfo = {"sub": "ann", "email": "ann@acme.example", "email_verified": True}
        assert (await came(provider)).email == "ann@acme.example"
        assert issuer.asked[-1] == ("/me", {}, "Bearer at")

    tried(what)


def test_what_is_asked_for_tells_of_nobody_else():
    async def what(issuer, provider):
        issuer.token = signed(claims(issuer.url, email=None))
        issuer.userinfo = {"sub": "bob", "email": "bob@acme.example", "email_verified": True}
        with pytest.raises(Unauthenticated, match="somebody else"):
            await came(provider)

    tried(what)


def test_the_code_is_redeemed_with_its_verifier_by_a_public_client():
    async def what(issuer, provider):
        await came(provider)
        _, form, authorization = next(one for one in issuer.asked if one[0] == "/token")
        assert authorization == ""
        assert form == {
            "grant_type": "authorization_code", "code": "code", "redirect_uri": REDIRECT,
            "code_verifier": FLOW.verifier, "client_id": CLIENT,
        }  # fmt: skip

    tried(what)


@pytest.mark.parametrize("ways", [None, ["client_secret_basic"], ["client_secret_post"]])
def test_a_secret_is_shown_in_the_way_that_the_issuer_takes(ways):
    async def what(issuer, provider):
        if ways:
            issuer.metadata["token_endpoint_auth_methods_supported"] = ways
        await came(provider)
        _, form, authorization = next(one for one in issuer.asked if one[0] == "/token")
        basic = base64.b64encode(b"holdfast:s%2Fe").decode()
        posted = ways == ["client_secret_post"]
        assert authorization == ("" if posted else f"Basic {basic}")
        assert form.get("client_secret") == ("s/e" if posted else None)

    tried(what, secret="s/e")


@pytest.mark.parametrize(
    ("says", "answered", "good"),
    [
        (False, "", True), (False, "own", True), (False, "https://evil.example", False),
        (True, "", False), (True, "own", True), (True, "https://evil.example", False),
    ],
)  # fmt: skip
def test_an_answer_of_another_issuer_is_not_redeemed(says, answered, good):
    async def what(issuer, provider):
        issuer.metadata["authorization_response_iss_parameter_supported"] = says
        answer = Came("code", issuer.url if answered == "own" else answered)
        if good:
            await provider.person(answer, FLOW, REDIRECT, NOW_NS)
            return
        with pytest.raises(Unauthenticated, match="another identity provider"):
            await provider.person(answer, FLOW, REDIRECT, NOW_NS)
        assert "/token" not in issuer.paths()

    tried(what)


def test_a_code_that_is_none_says_why():
    async def what(issuer, provider):
        issuer.status, issuer.answer = 400, {"error": "invalid_grant"}
        with pytest.raises(Unauthenticated, match="invalid_grant"):
            await came(provider)
        with pytest.raises(Unauthenticated):
            await provider.person(Came("x" * 3000), FLOW, REDIRECT, NOW_NS)

    tried(what)


def test_the_address_has_all_that_binds_the_answer():
    async def what(issuer, provider):
        issuer.metadata["authorization_endpoint"] = f"{issuer.url}/auth?tenant=x"
        address = await provider.address(FLOW, REDIRECT, NOW_NS)
        assert address.startswith(f"{issuer.url}/auth?tenant=x&response_type=code&")
        for part in (
            f"state={FLOW.state}", "nonce=n", "code_challenge_method=S256", "scope=openid%20email",
            f"code_challenge={FLOW.challenge}", "redirect_uri=http%3A%2F%2F127.0.0.1%3A8787%2F",
        ):  # fmt: skip
            assert part in address
        assert FLOW.verifier not in address

    tried(what)


def test_what_the_issuer_says_is_kept_for_an_hour():
    async def what(issuer, provider):
        for at_ns in (NOW_NS, NOW_NS + KEPT_NS - 1):
            await provider.address(FLOW, REDIRECT, at_ns)
        assert issuer.paths() == [DISCOVERY, "/jwks"]
        await provider.address(FLOW, REDIRECT, NOW_NS + KEPT_NS)
        assert issuer.paths() == [DISCOVERY, "/jwks"] * 2

    tried(what)


def test_a_key_whose_name_is_unknown_is_looked_for_once_a_minute():
    async def what(issuer, provider):
        await came(provider)
        issuer.token = signed(claims(issuer.url), OTHER_RSA, kid="new")
        for _ in range(3):
            with pytest.raises(Unauthenticated):
                await came(provider, NOW_NS + MINUTE_NS - 1)
        assert issuer.paths().count("/jwks") == 1
        with pytest.raises(Unauthenticated, match="no such key"):
            await came(provider, NOW_NS + MINUTE_NS)
        assert issuer.paths().count("/jwks") == 2

    tried(what)


def test_a_new_key_is_taken_and_one_that_is_gone_is_not():
    async def what(issuer, provider):
        await came(provider)
        before = issuer.token
        issuer.keys = [jwk("p256")]
        issuer.token = signed(claims(issuer.url), P256, "ES256", kid="p256")
        await came(provider, NOW_NS + MINUTE_NS)
        issuer.token = before
        with pytest.raises(Unauthenticated):
            await came(provider, NOW_NS + MINUTE_NS)

    tried(what)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}],
        [jwk("rsa", use="enc")],
        [jwk("rsa", key_ops=["encrypt"])],
        ["rsa"],
    ],
)
def test_an_issuer_without_a_key_that_signs_cannot_be_used(keys):
    async def what(issuer, provider):
        issuer.keys = keys
        with pytest.raises(Unavailable, match="no key that signs"):
            await came(provider)

    tried(what)


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(sending(b" " * (MOST_BYTES + 1) + b"{}"), id="huge"),
        pytest.param(sending(b"[]"), id="a list"),
        pytest.param(sending(b'{"issuer": "a", "issuer": "b"}'), id="a name twice"),
        pytest.param(sending(b"<html>"), id="a page"),
        pytest.param(sending(b"{}", 500), id="a fault"),
        pytest.param(redirecting("/elsewhere"), id="a redirect"),
        pytest.param(never, id="slow"),
    ],
)
def test_an_issuer_that_does_not_answer_as_one_cannot_be_used(path, answer):
    async def what(issuer, provider):
        issuer.instead[path] = answer
        with pytest.raises(Unavailable, match=r"login\.example"):
            await came(provider)
        assert "/elsewhere" not in issuer.paths()

    tried(what, at_s=0.3)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "ftp://127.0.0.1/"},
        {"token_endpoint": "https://user@evil.example/"},
        {"token_endpoint": 5},
        {"jwks_uri": "file:///etc/passwd"},
    ],
)
def test_an_issuer_that_names_what_is_not_safe_is_sent_nothing(changed):
    async def what(issuer, provider):
        issuer.metadata |= changed
        with pytest.raises(Unavailable):
            await came(provider)
        assert "/token" not in issuer.paths()

    tried(what)


def test_nobody_at_the_address_is_said_so():
    async def what(issuer, provider):
        gone = OidcProvider("http://127.0.0.1:1", Client(CLIENT, "", ("openid",)))
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
            await gone.address(FLOW, REDIRECT, NOW_NS)
        await gone.close()

    tried(what)


def test_a_device_is_told_a_code_and_waits_until_somebody_signed_in():
    async def what(issuer, provider):
        code = await provider.device(NOW_NS)
        assert (code.secret, code.user_code, code.url) == ("dc", "ABCD-EFGH", f"{issuer.url}/go")
        assert (code.interval_s, code.life_s, code.whole_url) == (1, 60, "")
        issuer.status = 400
        for error, slower in (("authorization_pending", False), ("slow_down", True)):
            issuer.answer = {"error": error}
            assert await provider.device_person("dc", NOW_NS) == Waiting(slower)
        for error in ("access_denied", "expired_token"):
            issuer.answer = {"error": error}
            with pytest.raises(Denied):
                await provider.device_person("dc", NOW_NS)
        issuer.answer = {"error": "invalid_grant"}
        with pytest.raises(Unauthenticated):
            await provider.device_person("dc", NOW_NS)
        issuer.status, issuer.answer = 200, {}
        found = await provider.device_person("dc", NOW_NS)
        assert isinstance(found, Person)

    tried(what)


@pytest.mark.parametrize(
    "changed",
    [
        {"device_code": None}, {"user_code": 7}, {"device_code": "x" * 3000},
        {"verification_uri": "javascript:alert(1)"}, {"verification_uri": "http://evil.example/"},
    ],
)  # fmt: skip
def test_a_device_code_that_cannot_be_used_is_none(changed):
    async def what(issuer, provider):
        issuer.answer = changed
        with pytest.raises(Unavailable):
            await provider.device(NOW_NS)

    tried(what)


def test_an_issuer_without_other_devices_says_so():
    async def what(issuer, provider):
        del issuer.metadata["device_authorization_endpoint"]
        with pytest.raises(NotFound):
            await provider.device(NOW_NS)

    tried(what)
