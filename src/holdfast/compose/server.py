"""The server's objects from its configuration: the one place that picks backends."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.backends.frames.client import FrameClient
from holdfast.backends.hook_host import HookHosts
from holdfast.backends.policyd_client.client import RemotePolicy
from holdfast.backends.reader_host import ReaderHost
from holdfast.backends.system.clock import SystemClock, SystemEntropy
from holdfast.backends.system.links import SystemLinks
from holdfast.backends.system.processes import LinuxProcesses
from holdfast.compose.alerting import alert_secrets, alert_taps
from holdfast.compose.config.model import AfterTaint, Config
from holdfast.compose.governing import governed_places, known_places
from holdfast.compose.hooks import hook_sets
from holdfast.compose.kept import keep
from holdfast.compose.native_tools import with_refusals
from holdfast.compose.own_files import own_texts
from holdfast.compose.pricing import price_book
from holdfast.compose.storage import open_store
from holdfast.compose.telemetry import ClosableTap, header_text, journal_taps
from holdfast.compose.upstreams import admissions, providers, rate_gate, upstream_secrets
from holdfast.core.contracts import ContractBook
from holdfast.core.runs import Shares, SharesOf
from holdfast.core.scrub import RuleScrubber
from holdfast.model import bodies
from holdfast.model.principals import Principal
from holdfast.ports.files import OwnFiles
from holdfast.ports.store import Store
from holdfast.runtime.admission import Admission
from holdfast.runtime.attempts import Attempts
from holdfast.runtime.budgets import Budgets, last_ledger
from holdfast.runtime.conversations import Conversations
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.earlier import Earlier
from holdfast.runtime.effects import Effects
from holdfast.runtime.guard import Guard
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.journal import Journal
from holdfast.runtime.kill import Killer
from holdfast.runtime.model_calls import ModelCalls
from holdfast.runtime.outcomes import Outcomes
from holdfast.runtime.own_texts import OwnTexts
from holdfast.runtime.pricing import Pricing
from holdfast.runtime.processes import Fence
from holdfast.runtime.prompts import Prompts
from holdfast.runtime.request_reading import RequestReader
from holdfast.runtime.retention import Retention, Terms
from holdfast.runtime.runs import Runs
from holdfast.runtime.services import Services
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.upkeep import Upkeep


class Harness(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a server process serves from. `close` it, in the loop that made it."""

    config: Config
    services: Services
    store: Store
    policy: RemotePolicy
    clock: SystemClock
    entropy: SystemEntropy
    guard: Guard
    outcomes: Outcomes
    attempts: Attempts
    runs: Runs
    dispatch: Dispatch
    calls: ModelCalls
    killer: Killer
    fence: Fence
    prompts: Prompts
    upkeep: Upkeep
    conversations: Conversations
    retention: Retention
    files: OwnFiles | None
    hook_hosts: HookHosts
    readers: ReaderHost
    taps: tuple[ClosableTap, ...] = ()

    @property
    def lost(self) -> str:
        """Why a server of a store elsewhere has to begin again; empty while all is well.

        A disk of its own that failed stays failed: that server refuses until a person looks.
        """
        return self.store.failure if self.config.store is not None else ""

    def tick(self) -> None:
        """What is due about once a second, whether somebody asks or not."""
        self.upkeep.tick()
        self.dispatch.tick()

    async def close(self) -> None:
        """Finish what is queued and let go of everything."""
        for provider in self.calls.providers.values():
            await provider.close()
        await self.hook_hosts.close()
        await self.readers.close()
        self.services.journal.tell_refusals(all_of_them=True)
        await self.policy.close()
        await self.store.close()
        for tap in self.taps:
            await asyncio.to_thread(tap.close)


async def build(
    config: Config,
    *,
    policy_socket: Path,
    signing_key: Ed25519PrivateKey,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> Harness:
    """Wire a server; `say` takes a line for its log. Call inside the running loop.

    What was in flight when the last server died may have been used: its holds are settled in
    full. Errors: ConfigInvalid (a hook that cannot be loaded, a price that does not hold, an
    extra that is missing), Conflict, StoreUnavailable.
    """
    clock, entropy = SystemClock(), SystemEntropy()
    readers = ReaderHost(environment)
    hosts = HookHosts(config.path.parent, environment)
    default, by_agent = await hook_sets(hosts, config)
    contracts = ContractBook(with_refusals(config))
    headers = header_text(config.telemetry, environment)
    receivers = alert_secrets(config.alerts, environment)
    taps: tuple[ClosableTap, ...] = (
        *journal_taps(config.telemetry, headers, clock, say),
        *alert_taps(config.alerts, receivers, clock, say),
    )
    store = await open_store(config, environment, clock)
    clock.not_before(await store.last_at_ns())
    secrets = [*upstream_secrets(config, environment), headers]
    secrets += [secret for pair in receivers.values() for secret in pair]
    scrubber = RuleScrubber(secrets)
    behind = keep(config, scrubber.text)
    journal = Journal(store, clock, scrubber, taps=taps, say=say, behind=behind)
    budgets = Budgets(await last_ledger(store), journal, clock, store)
    effects = Effects(store, journal, clock)
    sessions = Sessions(store, journal, budgets, effects, clock, entropy)
    services = Services(
        sessions=sessions,
        budgets=budgets,
        effects=effects,
        journal=journal,
        policy=RemotePolicy(FrameClient(policy_socket)),
        clock=clock,
        entropy=entropy,
    )
    await _settle_lost(services, store, config.version)
    processes, hooks = LinuxProcesses(), Hooks(journal, default, by_agent)
    fence = Fence(processes)
    typed = Prompts(fence, journal)
    dispatch = await _dispatch(config, services, store)
    files = await own_texts(config, services, store, processes, say)
    guard = _guard(config, services, contracts, hooks, signing_key, files)
    return Harness(
        config=config,
        services=services,
        store=store,
        policy=cast("RemotePolicy", services.policy),
        clock=clock,
        entropy=entropy,
        guard=guard,
        attempts=Attempts(services, guard, contracts),
        runs=Runs(services, store, dispatch),
        dispatch=dispatch,
        outcomes=Outcomes(
            services, contracts=contracts, hooks=hooks, got_on=dispatch.got_on, files=files
        ),
        calls=_model_calls(config, services, store, contracts, hooks, environment, readers, typed),
        killer=Killer(sessions, journal, processes),
        fence=fence,
        prompts=typed,
        upkeep=Upkeep(sessions, journal, clock, clock.jumped_ns),
        conversations=Conversations(store, journal, clock),
        retention=Retention(store, journal, sessions, effects, clock, _terms(config)),
        hook_hosts=hosts,
        readers=readers,
        taps=taps,
        files=files.files if files is not None else None,
    )


def _guard(
    config: Config,
    services: Services,
    contracts: ContractBook,
    hooks: Hooks,
    signing_key: Ed25519PrivateKey,
    files: OwnTexts | None,
) -> Guard:
    return Guard(
        services,
        contracts=contracts,
        hooks=hooks,
        signing_key=signing_key,
        own=governed_places(config),
        files=files,
        links=SystemLinks(known_places(config)),
    )


def _model_calls(
    config: Config,
    services: Services,
    store: Store,
    contracts: ContractBook,
    hooks: Hooks,
    environment: Mapping[str, str],
    readers: ReaderHost,
    prompts: Prompts,
) -> ModelCalls:
    """The gateway's part. Errors: ConfigInvalid (a price that does not hold)."""
    sessions, journal, clock = services.sessions, services.journal, services.clock
    admitted = admissions(config.gateway)
    earlier = Earlier(sessions, store, journal)
    return ModelCalls(
        services,
        admission=Admission(
            sessions, services.budgets, journal, contracts, earlier, hooks, prompts
        ),
        pricing=Pricing(price_book(config), admitted),
        providers=providers(config.upstreams, environment, clock, admitted),
        rates=rate_gate(config, clock),
        reader=RequestReader(admitted, readers),
        removes=config.gateway.after_taint is AfterTaint.REMOVE,
    )


async def _dispatch(config: Config, services: Services, store: Store) -> Dispatch:
    """The queue of runs, as the store holds it."""
    dispatch = Dispatch(
        store,
        services.journal,
        services.sessions,
        services.clock,
        shares_of=_shares(config),
        lease_s=config.runs.lease_s,
        max_activations=config.runs.max_activations,
    )
    await dispatch.load()
    return dispatch


async def _settle_lost(services: Services, store: Store, config_version: str) -> None:
    """What was in flight when the last server died may have been used: its holds are."""
    principals: dict[str, Principal] = {}
    lost = []
    for hold in services.budgets.ledger.open_holds():
        session = await store.session(hold.session)
        if session is not None:
            principals[hold.session] = session.principal
            lost.append(hold)
    services.budgets.settle_orphans(lost, lambda session: principals[session])
    body = bodies.ServerStarted(
        config_version=config_version,
        orphaned_holds=len(lost),
        behind=services.journal.behind,
        bodies=bodies.VERSION,
    )
    await services.journal.commit([services.journal.record(body, None)])


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
