"""The identity provider that people sign in with, from the configuration: none unless named."""

from collections.abc import Mapping

from holdfast.compose.config.model import SignInSettings
from holdfast.errors import ConfigInvalid
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
