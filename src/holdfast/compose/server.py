"""The server's house from its configuration: the one place that picks backends."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.backends.frames.client import FrameClient
from holdfast.backends.hook_host import HookHosts
from holdfast.backends.policyd_client.client import RemotePolicy
from holdfast.backends.reader_host import ReaderHost
from holdfast.backends.system.clock import MovedClock, SystemClock, SystemEntropy
from holdfast.backends.system.links import SystemLinks
from holdfast.backends.system.processes import LinuxProcesses
from holdfast.compose.alerting import alert_receivers, alert_secrets
from holdfast.compose.config.model import AfterTaint, Config
from holdfast.compose.governing import governed_places, known_places
from holdfast.compose.hooks import hook_sets
from holdfast.compose.house import House, Ports, Settings, open_house
from holdfast.compose.identity import client_secret, identity_provider
from holdfast.compose.kept import keep
from holdfast.compose.native_tools import with_refusals
from holdfast.compose.own_files import own_files, trust
from holdfast.compose.pricing import price_book
from holdfast.compose.slack import slack_secret
from holdfast.compose.storage import open_store
from holdfast.compose.telemetry import header_text, telemetry_sink
from holdfast.compose.upstreams import admissions, model_rates, providers, upstream_secrets
from holdfast.core.contracts import ContractBook
from holdfast.core.runs import Shares, SharesOf
from holdfast.core.scrub import RuleScrubber
from holdfast.ports.identity import IdentityProvider
from holdfast.ports.sandbox import Sandbox
from holdfast.runtime.guard import asking
from holdfast.runtime.receivers import Receiver
from holdfast.runtime.retention import Terms
from holdfast.runtime.span_tap import SpanTap

DECISIONS_PER_S = 200
MODEL_CALLS_PER_S = 20
"""Tool calls decided a second for a tenant that says nothing, where there are several."""


class Outlet(Protocol):
    """Hands on what was seen, in the background."""

    def close(self) -> None:
        """Hand on what waits, within a few seconds; idempotent. Blocks meanwhile."""
        ...


class Harness(msgspec.Struct, frozen=True, kw_only=True):
    """A house, and what of it has to be let go of. `close` it, in the loop that made it.

    `outlets` are closed one by one, each before what it gives to.
    """

    config: Config
    house: House
    policy: RemotePolicy
    hook_hosts: HookHosts
    readers: ReaderHost
    receivers: tuple[Receiver, ...] = ()
    identity: IdentityProvider | None = None
    outlets: tuple[Outlet, ...] = ()

    @property
    def lost(self) -> str:
        """Why a server of a store elsewhere has to begin again; empty while all is well.

        A disk of its own that failed stays failed: that server refuses until a person looks.
        """
        return self.house.store.failure if self.config.store is not None else ""

    def tick(self) -> None:
        """What is due about once a second."""
        self.house.tick()
        for one in self.receivers:
            one.tick()

    async def close(self) -> None:
        """Finish what is queued and let go of everything."""
        for provider in self.house.calls.providers.values():
            await provider.close()
        if self.identity is not None:
            await self.identity.close()
        await self.hook_hosts.close()
        await self.readers.close()
        self.house.journal.tell_refusals(all_of_them=True)
        await self.policy.close()
        await self.house.store.close()
        for outlet in self.outlets:
            await asyncio.to_thread(outlet.close)


async def build(
    config: Config,
    *,
    policy_socket: Path,
    signing_key: Ed25519PrivateKey,
    environment: Mapping[str, str],
    sandbox: Sandbox,
    say: Callable[[str], None],
    moved: MovedClock | None = None,
) -> Harness:
    """The house of a server; `say` takes a line for its log. Call inside the running loop.

    `moved`: a clock that people move, in place of the machine's.

    Errors: ConfigInvalid (a hook that cannot be loaded, a price that does not hold, an extra that
    is missing), Conflict, StoreUnavailable.
    """
    clock = moved or SystemClock()
    readers = ReaderHost(environment, sandbox)
    hosts = HookHosts(config.path.parent, environment, sandbox)
    default, by_agent = await hook_sets(hosts, config)
    headers = header_text(config.telemetry, environment)
    addresses = alert_secrets(config.alerts, environment)
    sink = telemetry_sink(config.telemetry, headers, say)
    spans = SpanTap(sink, clock, say) if sink is not None else None
    receivers = alert_receivers(config.alerts, addresses, clock, say)
    of_client = client_secret(config.sign_in, environment)
    secrets = [*upstream_secrets(config, environment), headers, of_client]
    secrets += [secret for pair in addresses.values() for secret in pair if secret]
    secrets.append(slack_secret(config.slack, environment))
    scrubber = RuleScrubber(secrets)
    settings = _settings(config, signing_key, keep(config, scrubber.text))
    policy, files = RemotePolicy(FrameClient(policy_socket)), own_files(config)
    ports = Ports(
        store=await open_store(config, environment, clock),
        policy=policy,
        clock=clock,
        entropy=SystemEntropy(),
        processes=LinuxProcesses(),
        scrubber=scrubber,
        providers=providers(config.upstreams, environment, clock, settings.admitted),
        hooks=default,
        agent_hooks=by_agent,
        readers=readers,
        files=files,
        links=SystemLinks(known_places(config)),
        taps=(spans,) if spans is not None else (),
        channels=receivers,
        sink=sink,
        say=say,
    )
    house = await open_house(ports, settings)
    if files is not None:
        await trust(config, files, house, say)
    return Harness(
        config=config,
        house=house,
        policy=policy,
        hook_hosts=hosts,
        readers=readers,
        receivers=receivers,
        identity=identity_provider(config.sign_in, of_client),
        outlets=tuple(one for one in (spans, *receivers, sink) if one is not None),
    )


def _settings(config: Config, signing_key: Ed25519PrivateKey, behind: str) -> Settings:
    """What the runtime reads of the configuration. Errors: ConfigInvalid."""
    runs, owners = config.runs, config.tenants.items()
    # One tenant alone keeps nobody waiting; beside others none has all of the server.
    beside = len(config.tenants) > 1
    usual = DECISIONS_PER_S if beside else None
    most = {name: owner.max_decisions_per_s or usual for name, owner in owners}
    return Settings(
        contracts=ContractBook(with_refusals(config)),
        signing_key=signing_key,
        version=config.version,
        behind=behind,
        governed=governed_places(config),
        prices=price_book(config),
        admitted=admissions(config.gateway),
        removes_tainted=config.gateway.after_taint is AfterTaint.REMOVE,
        model_rates=model_rates(config),
        tenant_rates={name: owner.rates for name, owner in owners if owner.rates is not None},
        decisions_per_s={name: per_s for name, per_s in most.items() if per_s is not None},
        model_calls_per_s={
            name: owner.max_model_calls_per_s or MODEL_CALLS_PER_S
            for name, owner in owners
            if owner.max_model_calls_per_s or (beside and owner.rates is None)
        },
        shares_of=_shares(config),
        lease_s=runs.lease_s,
        max_activations=runs.max_activations,
        approvals=asking.Terms(
            life_s=config.approvals.expires_s,
            most_pending=config.approvals.most_pending,
            rules=tuple(config.approvals.rules.values()),
        ),
        terms=_terms(config),
    )


def _terms(config: Config) -> Terms:
    kept = config.retention
    return Terms(
        sessions_days=kept.sessions_days,
        effects_days=kept.effects_days,
        conversations_days=kept.conversations_days,
        every_s=kept.every_s,
    )


def _shares(config: Config) -> SharesOf:
    """How many runs a tenant and a project may have at work, as the configuration says."""

    def shares_of(tenant: str, project: str) -> Shares:
        owner = config.tenants.get(tenant)
        if owner is None:
            return Shares()
        share = owner.projects.get(project)
        return Shares(tenant=owner.max_runs, project=share.max_runs if share is not None else None)

    return shares_of
