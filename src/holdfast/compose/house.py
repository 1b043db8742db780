"""The runtime wired from ports and settings: once, for the server, its tests and the benchmarks.

Whoever wants another store, clock, policy or provider gives another port; no part is put together
elsewhere. A relay shares none of these parts: it asks the server that has them (`relays`).

Not here: what stands behind a port (`server`), what is kept in the settings' file (`config`),
sockets and routes (`apps/server`).
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.compose.gauges import gauges, lost_spans
from holdfast.core.budgets import Ledger
from holdfast.core.contracts import ContractBook
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.core.rates import Rates
from holdfast.core.risk.places import UNTOLD, Governed
from holdfast.core.runs import Shares, SharesOf
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.errors import NotFound
from holdfast.model import bodies
from holdfast.model.budgets import HoldState
from holdfast.model.principals import Principal
from holdfast.ports.clock import Entropy, WallClock
from holdfast.ports.files import Links, OwnFiles
from holdfast.ports.notify import Channel
from holdfast.ports.policy import Policy
from holdfast.ports.processes import Processes
from holdfast.ports.readers import Readers
from holdfast.ports.secrets import Scrubber
from holdfast.ports.sink import Sink
from holdfast.ports.store import Store
from holdfast.ports.taps import Tap
from holdfast.runtime.admission import Admission
from holdfast.runtime.approvals import Approvals
from holdfast.runtime.attempts import Attempts
from holdfast.runtime.budgets import Budgets, last_ledger
from holdfast.runtime.changes import Changes
from holdfast.runtime.conversations import Conversations
from holdfast.runtime.delegation import Delegation
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.doorkeeper import ModelDoorkeeper
from holdfast.runtime.earlier import Earlier
from holdfast.runtime.effects import Effects
from holdfast.runtime.fleet import Fleet
from holdfast.runtime.gauges import Gauges
from holdfast.runtime.guard import Guard, asking
from holdfast.runtime.hooks import Hooks, HookSet
from holdfast.runtime.journal import Journal
from holdfast.runtime.keys import Keys
from holdfast.runtime.kill import Killer
from holdfast.runtime.left_running import LeftRunning
from holdfast.runtime.model_calls import WAIT_FOR_ROOM_S, ModelCalls
from holdfast.runtime.outcomes import Outcomes
from holdfast.runtime.own_texts import OwnTexts
from holdfast.runtime.points import HookPoints
from holdfast.runtime.pricing import Pricing
from holdfast.runtime.processes import Fence
from holdfast.runtime.prompts import Prompts
from holdfast.runtime.providers import Provider
from holdfast.runtime.raises import Raises
from holdfast.runtime.rates import RateGate, Share
from holdfast.runtime.reaching import Dice
from holdfast.runtime.request_reading import RequestReader
from holdfast.runtime.retention import Retention, Terms
from holdfast.runtime.runs import Runs
from holdfast.runtime.services import Services
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.stopping import Stopping
from holdfast.runtime.turned_away import TurnedAway
from holdfast.runtime.turns import Turns
from holdfast.runtime.upkeep import Upkeep
from holdfast.runtime.views.runs import RunViews
from holdfast.runtime.views.sessions import SessionViews


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What a house stands on. What is left out is not there: no file is own, nobody looks on."""

    store: Store
    policy: Policy
    clock: WallClock
    entropy: Entropy
    processes: Processes
    scrubber: Scrubber
    providers: Mapping[str, Provider] = {}
    hooks: HookSet = HookSet()
    agent_hooks: Mapping[str, HookSet] = {}
    readers: Readers | None = None
    files: OwnFiles | None = None
    links: Links | None = None
    taps: Sequence[Tap] = ()
    channels: Sequence[Channel] = ()
    sink: Sink | None = None
    say: Callable[[str], None] = lambda _: None
    dice: Dice | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decided, as the runtime reads it; most of it has the value of no word.

    `version` is the settings' own, `behind` the digest of all that is decided by. Rates of models
    are by provider; what is `_per_s` is by tenant, as `tenant_rates` are.
    """

    contracts: ContractBook
    signing_key: Ed25519PrivateKey
    version: str = ""
    behind: str = ""
    governed: Governed = UNTOLD
    prices: PriceBook = PriceBook(PRICE_TABLE)
    admitted: Admitted = NOTHING
    removes_tainted: bool = False
    wait_for_room_s: float = WAIT_FOR_ROOM_S
    model_rates: Mapping[str, Mapping[str, Rates]] = {}
    tenant_rates: Mapping[str, Rates] = {}
    decisions_per_s: Mapping[str, int] = {}
    model_calls_per_s: Mapping[str, int] = {}
    shares_of: SharesOf = lambda *_: Shares()
    lease_s: float = 10.0
    max_activations: int = 5
    rest_s: float = 60.0
    terms: Terms = Terms()
    approvals: asking.Terms = asking.DEFAULT


class House(Services, frozen=True, kw_only=True):
    """The services that every decision needs, and all that stands on them."""

    store: Store
    hooks: Hooks
    fence: Fence
    prompts: Prompts
    files: OwnTexts | None
    guard: Guard
    attempts: Attempts
    outcomes: Outcomes
    points: HookPoints
    turns: Turns
    doorkeeper: ModelDoorkeeper
    admission: Admission
    calls: ModelCalls
    dispatch: Dispatch
    runs: Runs
    raises: Raises
    approvals: Approvals
    killer: Killer
    stopping: Stopping
    delegation: Delegation
    conversations: Conversations
    retention: Retention
    upkeep: Upkeep
    gauges: Gauges
    session_views: SessionViews
    fleet: Fleet
    changes: Changes
    run_views: RunViews

    def tick(self) -> None:
        """What is due about once a second, whether somebody asks or not."""
        self.upkeep.tick()
        self.dispatch.tick()
        self.approvals.tick()
        self.gauges.tick()


async def open_house(ports: Ports, settings: Settings) -> House:
    """The house as the process before left it in the store; call inside the running loop.

    What was in flight when that one died may have been used: its holds are settled in full.
    Errors: StoreUnavailable.
    """
    ports.clock.not_before(await ports.store.last_at_ns())
    house = wire(ports, settings, await last_ledger(ports.store))
    await house.keys.load()
    await house.sessions.stops.load(house.store)
    at_work = await _settle_lost(house, settings)
    await house.dispatch.load()
    if house.files is not None:
        await house.files.load(house.store, house.clock.now_ns())
    for session_id in at_work:
        with contextlib.suppress(NotFound):  # Of a child whose parent retention took.
            await house.sessions.get(session_id)
    await house.stopping.finish()
    await house.raises.finish()
    return house


def wire(ports: Ports, settings: Settings, ledger: Ledger) -> House:
    """The house over a ledger, and nothing else in memory; it waits for nothing."""
    services = _services(ports, settings, ledger)
    sessions, journal, clock = services.sessions, services.journal, ports.clock
    hooks = Hooks(journal, ports.hooks, ports.agent_hooks)
    points = HookPoints(services, hooks)
    fence = Fence(ports.processes)
    prompts, turns = Prompts(fence, journal), _turns(services, settings)
    files = _files(services, ports)
    guard = _guard(services, ports, settings, hooks, files)
    admission = _admission(services, ports, settings, hooks, prompts)
    dispatch = _dispatch(services, ports, settings)
    runs = Runs(services, ports.store, dispatch)
    raises = Raises(services, ports.store, runs)
    killer = Killer(sessions, journal, ports.processes)
    shown = SessionViews(sessions, services.budgets, ports.store, clock)
    fleet = Fleet(sessions, shown, services.budgets, ports.store, clock)
    changes = Changes()
    journal.tap(fleet, changes)
    return House(
        **msgspec.structs.asdict(services),
        store=ports.store,
        hooks=hooks,
        fence=fence,
        prompts=prompts,
        files=files,
        guard=guard,
        attempts=Attempts(services, guard, settings.contracts),
        points=points,
        outcomes=Outcomes(
            services,
            contracts=settings.contracts,
            hooks=hooks,
            points=points,
            got_on=dispatch.got_on,
            files=files,
        ),
        turns=turns,
        doorkeeper=ModelDoorkeeper(sessions, turns, fence),
        admission=admission,
        calls=_model_calls(services, ports, settings, admission, points, turns, raises),
        dispatch=dispatch,
        runs=runs,
        raises=raises,
        approvals=Approvals(services, ports.store, dispatch),
        killer=killer,
        stopping=Stopping(services, ports.store, killer, runs),
        delegation=Delegation(services),
        conversations=Conversations(ports.store, journal, clock),
        retention=Retention(
            ports.store, journal, sessions, services.effects, clock, settings.terms
        ),
        upkeep=Upkeep(sessions, journal, clock, ports.store),
        gauges=_gauges(services, ports),
        session_views=shown,
        fleet=fleet,
        changes=changes,
        run_views=RunViews(runs, shown),
    )


def _services(ports: Ports, settings: Settings, ledger: Ledger) -> Services:
    store, clock = ports.store, ports.clock
    taps = ports.taps
    if ports.channels:
        from holdfast.runtime.alert_tap import AlertTap  # noqa: PLC0415 -- where somebody is told

        taps = (*taps, AlertTap(ports.channels))
    journal = Journal(
        store, clock, ports.scrubber, taps=taps, say=ports.say, behind=settings.behind
    )
    budgets, effects = Budgets(ledger, journal, clock, store), Effects(store, journal, clock)
    keys = Keys(store, journal, budgets, clock, ports.entropy)
    return Services(
        sessions=Sessions(store, journal, budgets, effects, keys, clock, ports.entropy),
        budgets=budgets,
        effects=effects,
        keys=keys,
        journal=journal,
        policy=ports.policy,
        clock=clock,
        entropy=ports.entropy,
    )


def _gauges(services: Services, ports: Ports) -> Gauges:
    made = Gauges(ports.clock, ports.sink, ports.say)
    for one in gauges(services):
        made.register(one)
    if ports.sink is not None:
        made.register(lost_spans(ports.sink))
    return made


def _files(services: Services, ports: Ports) -> OwnTexts | None:
    if ports.files is None:
        return None
    sessions, journal = services.sessions, services.journal
    running = LeftRunning(sessions, journal, ports.store, ports.processes, ports.clock)
    return OwnTexts(ports.files, sessions, journal, running)


def _guard(
    services: Services, ports: Ports, settings: Settings, hooks: Hooks, files: OwnTexts | None
) -> Guard:
    return Guard(
        services,
        contracts=settings.contracts,
        hooks=hooks,
        signing_key=settings.signing_key,
        own=settings.governed,
        files=files,
        links=ports.links,
        terms=settings.approvals,
    )


def _turns(services: Services, settings: Settings) -> Turns:
    """Turns at the guard, told of whoever comes to any door."""
    journal = services.journal

    def limited(tenant: str, refused: int) -> None:
        body = bodies.ToolCallLimited(refused=refused)
        journal.queue([journal.record_of_ours(body, None, tenant=tenant)])

    return Turns(services.clock, tell=limited, per_s=settings.decisions_per_s)


def _admission(
    services: Services, ports: Ports, settings: Settings, hooks: Hooks, prompts: Prompts
) -> Admission:
    sessions, journal = services.sessions, services.journal
    earlier = Earlier(sessions, ports.store, journal)
    return Admission(
        sessions, services.budgets, journal, settings.contracts, earlier, hooks, prompts
    )


def _rates(ports: Ports, settings: Settings, away: TurnedAway) -> RateGate | None:
    models, tenants = settings.model_rates, settings.tenant_rates
    if not models and not tenants:
        return None
    return RateGate(ports.clock, models=models, tenants=tenants, away=away)


def _model_calls(
    services: Services,
    ports: Ports,
    settings: Settings,
    admission: Admission,
    points: HookPoints,
    turns: Turns,
    raises: Raises,
) -> ModelCalls:
    journal = services.journal

    def limited(tenant: str, refused: int) -> None:
        body = bodies.ModelCallLimited(refused=refused)
        journal.queue([journal.record_of_ours(body, None, tenant=tenant)])

    away = TurnedAway(limited)
    return ModelCalls(
        services,
        raises=raises,
        admission=admission,
        pricing=Pricing(settings.prices, settings.admitted),
        providers=ports.providers,
        rates=_rates(ports, settings, away),
        share=Share(
            ports.clock,
            beside=turns.beside_others,
            per_s=settings.model_calls_per_s,
            away=away,
        ),
        dice=ports.dice,
        wait_for_room_s=settings.wait_for_room_s,
        reader=RequestReader(settings.admitted, ports.readers),
        removes=settings.removes_tainted,
        points=points,
    )


def _dispatch(services: Services, ports: Ports, settings: Settings) -> Dispatch:
    return Dispatch(
        ports.store,
        services.journal,
        services.sessions,
        ports.clock,
        shares_of=settings.shares_of,
        lease_s=settings.lease_s,
        max_activations=settings.max_activations,
        rest_s=settings.rest_s,
    )


async def _settle_lost(house: House, settings: Settings) -> tuple[str, ...]:
    """Settle the holds of what was in flight; sessions whose programs may still be at a call.

    What those report is awaited, until the session's time is over.
    """
    principals: dict[str, Principal] = {}
    lost: list[HoldState] = []
    for hold in house.budgets.ledger.open_holds():
        session = await house.store.session(hold.session)
        if session is not None:
            principals[hold.session] = session.principal
            lost.append(hold)
    house.budgets.settle_orphans(lost, lambda session: principals[session])
    body = bodies.ServerStarted(
        config_version=settings.version,
        orphaned_holds=len(lost),
        behind=house.journal.behind,
        bodies=bodies.VERSION,
    )
    await house.journal.commit([house.journal.record(body, None)])
    return tuple(dict.fromkeys(hold.session for hold in lost if hold.purpose == "tool"))
