"""Every key of `upstreams`, and of the rates that tenants share with it. See `layout`."""

from collections.abc import Mapping
from typing import Any

from holdfast.compose.config.model import (
    Auth,
    BreakerSettings,
    Untaken,
    UpstreamConfig,
    Vendor,
)
from holdfast.compose.config.names import ENV_NAME, MODEL_NAME, WIRE_NAME, BaseUrl
from holdfast.compose.config.shapes import (
    Choice,
    Field,
    Flag,
    ListOf,
    MapOf,
    Reading,
    Real,
    Record,
    Text,
    Whole,
)
from holdfast.core.rates import Rates
from holdfast.model.upstreams import Fallback, Retries, Trouble

ANY_MODEL = "*"
_PLACE = Text(
    pattern=r"^[a-z0-9][a-z0-9:.-]{0,62}$", says="the name of a region or project in lower case"
)


def _vendor_is_whole(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """What a vendor cannot be asked without, and what only one of them reads."""
    vendor, auth = values.get("vendor", Vendor.ANTHROPIC), values.get("auth", Auth.X_API_KEY)
    needed = {Vendor.BEDROCK: ("region",), Vendor.VERTEX: ("region", "project")}
    for name in needed.get(vendor, ()):
        if not values.get(name):
            reading.problem_at(f"{path}.vendor", f"`{vendor}` needs `{name}`")
    taken = {
        Vendor.ANTHROPIC: (Auth.X_API_KEY, Auth.BEARER),
        Vendor.BEDROCK: (Auth.SIGV4, Auth.BEARER),
        Vendor.VERTEX: (Auth.BEARER,),
    }[vendor]
    if auth not in taken:
        words = " or ".join(f"`auth: {one}`" for one in taken)
        reading.problem_at(f"{path}.vendor", f"`{vendor}` takes {words}")
    if auth is Auth.SIGV4 and len(values.get("api_key_envs", ())) > 0:
        reading.problem_at(f"{path}.api_key_envs", "one key pair: use `api_key_env` with `sigv4`")
    if values.get("token_command") and vendor is not Vendor.VERTEX:
        reading.problem_at(f"{path}.token_command", "only Vertex AI takes a token")


def _address_is_the_hosts(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """The paths of the API are added to it: one that is there already would stand twice."""
    address = values.get("base_url", "")
    for tail in ("/v1", "/v1/messages"):
        if address.endswith(tail):
            shorter = address.removesuffix(tail)
            reading.problem_at(
                f"{path}.base_url", f"without `{tail}`, which is added to it: {shorter}"
            )


_RATE = Whole(least=1, most=1_000_000_000)

RATES = Record(
    build=Rates,
    fields={
        "requests": Field(_RATE, "requests a minute"),
        "input_tokens": Field(_RATE, "tokens of input a minute, what the cache serves left out"),
        "output_tokens": Field(_RATE, "tokens of output a minute"),
    },
)

RETRIES = Record(
    build=Retries,
    fields={
        "attempts": Field(Whole(least=0, most=10), "tries after the first"),
        "base_s": Field(Real(least=0.01, most=60), "bound of the first random wait in seconds"),
        "most_s": Field(Real(least=0.01, most=300), "bound that no random wait passes"),
        "after_sent": Field(
            Flag(), "also a call that broke off and may be billed; it is charged first"
        ),
    },
)

BREAKER = Record(
    build=BreakerSettings,
    fields={
        "failures": Field(Whole(least=1, most=1000), "failures in a row that open it"),
        "reset_s": Field(Real(least=0.1, most=3600), "seconds until one call may try again"),
    },
)

FALLBACK = Record(
    build=Fallback,
    fields={
        "on": Field(ListOf(item=Choice(Trouble)), "the troubles after which it is asked"),
        "upstream": Field(Text(reference="upstream"), "the upstream to ask"),
        "model": Field(MODEL_NAME, "the model to ask for there; empty: the call's own"),
    },
)

UPSTREAM = Record(
    build=UpstreamConfig,
    named=True,
    fields={
        "vendor": Field(Choice(Vendor), "who carries the Messages API"),
        "base_url": Field(BaseUrl(), "address; for Bedrock and Vertex AI its region's by default"),
        "region": Field(_PLACE, "region or location, for Bedrock and Vertex AI"),
        "project": Field(_PLACE, "project, for Vertex AI"),
        "models": Field(
            MapOf(value=MODEL_NAME, key=MODEL_NAME), "the vendor's names of models, by yours"
        ),
        "api_key_env": Field(ENV_NAME, "environment variable that holds the provider's key"),
        "api_key_envs": Field(
            ListOf(item=ENV_NAME, most=32), "several of them, used in turn, in place of the one"
        ),
        "access_key_id_env": Field(ENV_NAME, "with `sigv4`: variable that holds the key's id"),
        "session_token_env": Field(ENV_NAME, "with `sigv4`: variable of a temporary key's token"),
        "token_command": Field(
            Text(max_chars=1024), "for Vertex AI: command that prints a token, run without a shell"
        ),
        "auth": Field(Choice(Auth), "how the key is sent"),
        "connect_timeout_s": Field(Real(least=0.1, most=300), "seconds to connect"),
        "silence_timeout_s": Field(Real(least=1, most=3600), "seconds between two chunks"),
        "max_tokens_per_s": Field(
            Whole(least=1, most=1_000_000),
            "fastest output of any model there; lets streams hold in tranches",
        ),
        "rates": Field(
            MapOf(value=RATES, key=MODEL_NAME, also=(ANY_MODEL,)),
            "rates by model; `*` is shared by all models not named",
        ),
        "queue_s": Field(Real(least=0, most=600), "seconds a call waits for a rate"),
        "retries": Field(RETRIES, "trying again before the client sees a byte"),
        "breaker": Field(BREAKER, "when a key is left alone"),
        "fallbacks": Field(ListOf(item=FALLBACK, most=16), "where a call goes next, in this order"),
        "betas": Field(
            ListOf(item=WIRE_NAME, most=200), "the betas it takes; the vendor's unless given"
        ),
        "fields": Field(
            ListOf(item=WIRE_NAME, most=50),
            "fields that it does take, though its vendor is known not to",
        ),
        "untaken": Field(Choice(Untaken), "what becomes of what it does not take"),
    },
    checks=(_vendor_is_whole, _address_is_the_hosts),
)
