import asyncio
from pathlib import Path

import pytest

from holdfast.compose.config import parse_config
from holdfast.compose.identity import client_secret, identity_provider, issuer_note
from holdfast.errors import ConfigInvalid
from tests.hostile_issuer import issuing


def settings(oidc: str):
    text = f"version: 1\nsign_in: {{oidc: {{{oidc}}}}}\n"
    return parse_config(text.encode(), Path("holdfast.yaml")).sign_in


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example",
        "https://login.example/",
        "https://l.example/t/v2.0",
        "http://127.0.0.1:4/",
        "http://localhost:4",
    ],
)
def test_the_issuer_is_kept_to_the_byte(issuer):
    found = identity_provider(settings(f"issuer: '{issuer}', client_id: holdfast"), "")
    assert found is not None
    assert found.issuer == issuer


@pytest.mark.parametrize(
    "oidc",
    [
        "issuer: 'http://login.example', client_id: a", "issuer: 'https://u:p@l.example', client_id: a",
        "issuer: 'https://l.example?x=1', client_id: a", "issuer: 'https://l.example'", "client_id: a",
        "issuer: login.example, client_id: a", "issuer: 'https://l.example', client_id: 'a b'",
        "issuer: 'https://l.example', client_id: a, scopes: [email]",
        "issuer: 'https://l.example', client_id: a, scopes: ['openid email']",
        "issuer: 'https://l.example', client_id: a, client_secret: x",
    ],
)  # fmt: skip
def test_settings_that_would_not_do_are_named(oidc):
    with pytest.raises(ConfigInvalid, match="sign_in"):
        settings(oidc)


def test_the_secret_comes_from_the_environment_or_there_is_none():
    public = settings("issuer: 'https://l.example', client_id: a")
    assert client_secret(public, {}) == ""
    secret = settings("issuer: 'https://l.example', client_id: a, client_secret_env: OIDC")
    assert client_secret(secret, {"OIDC": "s"}) == "s"
    with pytest.raises(ConfigInvalid, match="OIDC"):
        client_secret(secret, {})


def test_nobody_is_asked_where_no_issuer_is_named():
    config = parse_config(b"version: 1\n", Path("holdfast.yaml"))
    assert identity_provider(config.sign_in, "") is None


def test_whether_the_issuer_answers_is_said_and_nothing_of_none():
    async def noted(changed=None):
        async with issuing() as issuer:
            issuer.metadata |= changed or {}
            given = settings(f"issuer: '{issuer.url}', client_id: holdfast")
            return await asyncio.to_thread(issuer_note, given)

    assert asyncio.run(noted()).endswith("answers, and publishes keys")
    assert "is not the issuer" in asyncio.run(noted({"issuer": "https://other.example"}))
    gone = settings("issuer: 'http://127.0.0.1:1', client_id: holdfast")
    assert issuer_note(gone).startswith("nobody can sign in")
    assert issuer_note(parse_config(b"version: 1\n", Path("holdfast.yaml")).sign_in) == ""
