"""The identity provider that people sign in with, from the configuration: none unless named."""

import asyncio
from collections.abc import Mapping

from holdfast.compose.config.model import SignInSettings
from holdfast.core.identity import flow_of
from holdfast.errors import ConfigInvalid, Unavailable
from holdfast.ports.identity import IdentityProvider


def client_secret(settings: SignInSettings, environment: Mapping[str, str]) -> str:
    """The client's secret; empty for a public client.

    Errors: ConfigInvalid when the variable that the settings name is not set.
    """
    oidc = settings.oidc
    if oidc is None or not oidc.client_secret_env:
        return ""
    found = environment.get(oidc.client_secret_env, "")
    if not found:
        named = f"`{oidc.client_secret_env}` of `sign_in.oidc.client_secret_env`"
        raise ConfigInvalid(f"the variable {named} is not set")
    return found


def identity_provider(settings: SignInSettings, secret: str) -> IdentityProvider | None:
    """The issuer, which is asked for nothing yet; `secret` as from `client_secret`."""
    oidc = settings.oidc
    if oidc is None:
        return None
    from holdfast.backends.oidc import provider  # noqa: PLC0415 -- where one is named

    client = provider.Client(oidc.client_id, secret, oidc.scopes)
    return provider.OidcProvider(oidc.issuer, client)


def issuer_note(settings: SignInSettings) -> str:
    """Whether the issuer answers as one, in a sentence; empty where none is named. It asks it."""
    return asyncio.run(_issuer_note(settings))


async def _issuer_note(settings: SignInSettings) -> str:
    provider = identity_provider(settings, "")
    if provider is None:
        return ""
    try:
        await provider.address(flow_of(b"", ""), "", 0)
    except Unavailable as fault:
        return f"nobody can sign in by `sign_in.oidc`: {fault.message}"
    finally:
        await provider.close()
    return f"`sign_in.oidc`: {provider.issuer} answers, and publishes keys"
