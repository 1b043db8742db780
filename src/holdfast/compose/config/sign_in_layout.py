"""The section `sign_in`: the identity provider that people sign in with. Not here: asking it."""

from collections.abc import Mapping
from typing import Any

from holdfast.compose.config.model import OidcSettings, SignInSettings
from holdfast.compose.config.names import ENV_NAME, BaseUrl
from holdfast.compose.config.shapes import Field, ListOf, Reading, Record, Text

_SCOPE = Text(pattern=r"^[!#-\[\]-~]{1,128}$", says="the name of a scope")


def _asks_who_it_is(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    if "openid" not in values.get("scopes", ("openid",)):
        reading.problem_at(f"{path}.scopes", "without `openid` nobody says who signed in")


OIDC = Record(
    build=OidcSettings,
    fields={
        "issuer": Field(
            BaseUrl(carries="who signs in", name=True),
            "address of the issuer, to the byte as its own metadata names it",
        ),
        "client_id": Field(
            Text(pattern=r"^[!-~]{1,256}$", says="an id of visible characters"),
            "what the issuer calls this server",
        ),
        "client_secret_env": Field(
            ENV_NAME, "environment variable with the client's secret; a public client has none"
        ),
        "scopes": Field(ListOf(item=_SCOPE, most=20), "what the issuer is asked for"),
    },
    checks=(_asks_who_it_is,),
)
SIGN_IN = Record(
    build=SignInSettings,
    fields={"oidc": Field(OIDC, "an issuer of OpenID Connect, for browsers and `holdfast login`")},
)
