"""Providers from their settings: keys, vendors, retries, breakers, rates."""

import shlex
from collections.abc import Mapping

from holdfast.backends.anthropic.upstream import HttpUpstream
from holdfast.compose.config.model import (
    AdmittedAs,
    Auth,
    Config,
    GatewaySettings,
    Untaken,
    UpstreamConfig,
    Vendor,
)
from holdfast.core.breaker import BreakerLimits
from holdfast.core.rates import Rates
from holdfast.core.wire.admitted import NOTHING, Admission, Admitted, Sort
from holdfast.core.wire.takes import VENDORS, Takes
from holdfast.errors import ConfigInvalid
from holdfast.ports.clock import Clock
from holdfast.ports.llm import Dialect
from holdfast.runtime.providers import Provider

_VERTEX_WIDE = {
    "global": "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
}


def upstream_secrets(config: Config, environment: Mapping[str, str]) -> list[str]:
    """Every key that is sent to a provider, for what may never be journalled."""
    found = []
    for upstream in config.upstreams.values():
        found += _keys(upstream, environment)
        if upstream.auth is Auth.SIGV4:
            found.append(environment.get(upstream.session_token_env, ""))
    return [key for key in found if key]


def providers(
    upstreams: Mapping[str, UpstreamConfig],
    environment: Mapping[str, str],
    clock: Clock,
    admitted: Admitted = NOTHING,
) -> dict[str, Provider]:
    """Every upstream by name. Errors: ConfigInvalid."""
    return {name: _provider(one, environment, clock, admitted) for name, one in upstreams.items()}


def admissions(settings: GatewaySettings) -> Admitted:
    """What `gateway.admit` lets pass beyond the table."""
    return Admitted(
        Admission(
            sort=sort,
            name=name,
            dropped=line.admitted_as is AdmittedAs.DROPPED,
            nusd=line.usd_nusd,
            calls=line.calls,
            tokens=line.tokens,
            at=line.at,
            fields=line.fields,
        )
        for line in settings.admit
        for sort in Sort
        if (name := getattr(line, sort))
    )


def model_rates(config: Config) -> dict[str, Mapping[str, Rates]]:
    """How much of which model each provider takes, by name; without those that say nothing."""
    return {name: upstream.rates for name, upstream in config.upstreams.items() if upstream.rates}


def _provider(
    upstream: UpstreamConfig, environment: Mapping[str, str], clock: Clock, admitted: Admitted
) -> Provider:
    first, *spare = [
        _carrier(upstream, key, environment, clock, admitted)
        for key in _keys(upstream, environment)
    ]
    return Provider(
        first,
        upstream.max_tokens_per_s,
        name=upstream.name,
        spare=spare,
        retries=upstream.retries,
        fallbacks=upstream.fallbacks,
        breaker=BreakerLimits(
            failures=upstream.breaker.failures, reset_ns=round(upstream.breaker.reset_s * 1e9)
        ),
        queue_s=upstream.queue_s,
        takes=_takes(upstream, admitted),
    )


def _takes(upstream: UpstreamConfig, admitted: Admitted) -> Takes:
    """The vendor's own list, with what the operator says in its place."""
    own, also = VENDORS[upstream.vendor], frozenset(upstream.fields)
    betas = own.betas if upstream.betas is None else frozenset(upstream.betas)
    if betas is not None:
        # What the operator admits by name goes wherever the request goes.
        betas |= frozenset(admitted.named(Sort.BETA))
    return Takes(
        betas=betas,
        dropped=own.dropped - also,
        refused=own.refused - also,
        strict=upstream.untaken is Untaken.REFUSE,
    )


def _keys(upstream: UpstreamConfig, environment: Mapping[str, str]) -> list[str]:
    names = upstream.api_key_envs or (upstream.api_key_env,)
    return [environment.get(name, "") for name in names]


def _carrier(
    upstream: UpstreamConfig,
    key: str,
    environment: Mapping[str, str],
    clock: Clock,
    admitted: Admitted,
) -> HttpUpstream:
    base_url = _base_url(upstream)
    try:
        return HttpUpstream(
            base_url,
            key,
            auth="bearer" if upstream.auth is Auth.BEARER else "x_api_key",
            connect_timeout_s=upstream.connect_timeout_s,
            silence_timeout_s=upstream.silence_timeout_s,
            dialect=_dialect(upstream, base_url, key, environment, clock),
            admitted=admitted,
        )
    except ValueError as error:
        raise ConfigInvalid(f"upstreams.{upstream.name}.base_url: {error}") from error


def _base_url(upstream: UpstreamConfig) -> str:
    if upstream.base_url != UpstreamConfig().base_url or upstream.vendor is Vendor.ANTHROPIC:
        return upstream.base_url
    if upstream.vendor is Vendor.BEDROCK:
        return f"https://bedrock-runtime.{upstream.region}.amazonaws.com"
    regional = f"https://{upstream.region}-aiplatform.googleapis.com"
    return _VERTEX_WIDE.get(upstream.region, regional)


def _dialect(
    upstream: UpstreamConfig,
    base_url: str,
    key: str,
    environment: Mapping[str, str],
    clock: Clock,
) -> Dialect | None:
    if upstream.vendor is Vendor.ANTHROPIC:
        return None
    if upstream.vendor is Vendor.BEDROCK:
        return _bedrock(upstream, base_url, key, environment, clock)
    return _vertex(upstream, key, clock)


def _bedrock(
    upstream: UpstreamConfig, base_url: str, key: str, environment: Mapping[str, str], clock: Clock
) -> Dialect:
    from holdfast.backends.bedrock.dialect import BedrockDialect  # noqa: PLC0415 -- where asked for
    from holdfast.backends.bedrock.sigv4 import AwsKey  # noqa: PLC0415 -- as above

    pair = AwsKey(
        environment.get(upstream.access_key_id_env, ""),
        key,
        environment.get(upstream.session_token_env, ""),
    )
    return BedrockDialect(
        base_url,
        pair if upstream.auth is Auth.SIGV4 else key,
        region=upstream.region,
        models=upstream.models,
        clock=clock,
    )


def _vertex(upstream: UpstreamConfig, key: str, clock: Clock) -> Dialect:
    """Errors: ConfigInvalid."""
    from holdfast.backends.vertex.dialect import (  # noqa: PLC0415 -- where asked for
        TokenCommand,
        VertexDialect,
    )

    try:
        command = shlex.split(upstream.token_command)
    except ValueError as error:
        path = f"upstreams.{upstream.name}.token_command"
        raise ConfigInvalid(f"{path}: its quotes do not pair") from error
    return VertexDialect(
        TokenCommand(command, clock) if command else key,
        project=upstream.project,
        region=upstream.region,
        models=upstream.models,
    )
