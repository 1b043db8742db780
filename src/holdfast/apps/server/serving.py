"""The server put together: routes, signals, and the order of start and stop.

Not here: what a start does first (`starting`).
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route

import holdfast
from holdfast.apps.control.app import create_control_app
from holdfast.apps.control.conversations.routes import ConversationDoor
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.guard.claude_code import ClaudeCodeDoor
from holdfast.apps.control.guard.delegation import DelegationDoor
from holdfast.apps.control.guard.routes import GuardDoor
from holdfast.apps.control.guard.runs import RunDoor
from holdfast.apps.control.operator_file import ADMIN, Operators
from holdfast.apps.control.proving import Proving
from holdfast.apps.control.reading import Intake
from holdfast.apps.control.repeating import Repeats
from holdfast.apps.control.shortcut import Shortcut
from holdfast.apps.control.sign_in_file import SignIns
from holdfast.apps.control.signing_in import SigningIn
from holdfast.apps.control.work.routes import WorkDoor
from holdfast.apps.gateway.front import Front
from holdfast.apps.gateway.routes import Gateway
from holdfast.apps.gateway.serving import OrderlyServer, keep_loaded, report, uvicorn_config
from holdfast.apps.server import state
from holdfast.apps.server.console import ConsoleOnDemand
from holdfast.apps.server.judge import JudgeOnDemand
from holdfast.apps.server.relays import Relays
from holdfast.apps.server.starting import Begun, Ready, StoreLost, listen, say
from holdfast.apps.server.tasks import PolicyProcess, WorkerProcesses, kept_up, once, repeated
from holdfast.backends.system.parent import stop_with
from holdfast.compose import readiness
from holdfast.compose.config.model import Config
from holdfast.compose.house import House
from holdfast.compose.server import Harness, build
from holdfast.compose.slack import slack_secret
from holdfast.core.proofs import key_of, seal_of
from holdfast.model.settling import settle_types
from holdfast.runtime.born import token_digest
from holdfast.runtime.proofs import Proofs
from holdfast.runtime.upkeep import LOOK_S


async def serve(
    begun: Begun, ready: Ready, *, workers: int | None, gateway_port: int | None, parent: int
) -> None:
    """Run until SIGINT or SIGTERM, or until the process `parent` has ended (0: whichever).

    `workers` None starts none; below zero, one where an agent of the configuration needs it.
    `gateway_port` stands in place of `gateway.port`. Errors: ConfigInvalid, Conflict,
    StoreUnavailable, PolicyUnavailable, Unavailable (relays that do not start), before anything
    is served; StoreLost when a store elsewhere went away afterwards.
    """
    settle_types()  # Before there is a second thread.
    config, policy, listening = begun.config, begun.policy, begun.listening
    harness: Harness | None = None
    try:
        async with asyncio.TaskGroup() as starting:
            starting.create_task(policy.until_ready())
            built = starting.create_task(
                build(
                    config,
                    policy_socket=begun.policy_socket,
                    signing_key=state.signing_key(config.state_path),
                    environment=os.environ,
                    sandbox=begun.sandbox,
                    say=say,
                    moved=begun.moved,
                )
            )
        harness = built.result()
        house, retention = harness.house, harness.house.retention
        async with (
            kept_up(harness.tick, report),
            repeated(retention.due, retention.every_s, report),
            repeated(house.upkeep.look, LOOK_S, report),
            repeated(house.approvals.look, LOOK_S, report),
            once(house.approvals.look, report),
            once(house.sessions.recall_left_open, report),
        ):
            count = _workers(config, workers)
            async with (
                _relaying(begun, house, gateway_port) as relays,
                kept_up(relays.tick, report),
                WorkerProcesses(config.path.parent, count, say, begun.sandbox) as workers_kept,
            ):
                relays.measured(house.gauges)
                await relays.start()
                beside = _Beside(policy, workers_kept, relays)
                await _run(begun, harness, beside, ready, parent)
    finally:
        state.withdraw(config.state_path)
        listening.close()
        if harness is not None:
            await harness.close()


def _relaying(begun: Begun, house: House, port: int | None) -> AbstractAsyncContextManager[Relays]:
    """Relays where there are to be any; what serves them is loaded then."""
    config = begun.config
    if not config.gateway.processes:
        return nullcontext(Relays(0))
    from holdfast.apps.server.relaying import relaying  # noqa: PLC0415

    return relaying(config, house, port, begun.sandbox, listen=listen, say=say, report=report)


def _workers(config: Config, asked: int | None) -> int:
    if asked is None or asked >= 0:
        return asked or 0
    tools = (name for agent in config.agents.values() for name in agent.tools)
    return int(any(name in config.implementations for name in tools))


class _Beside(NamedTuple):
    """What a server has besides its harness."""

    policy: PolicyProcess
    workers: WorkerProcesses
    relays: Relays


async def _run(begun: Begun, harness: Harness, beside: _Beside, ready: Ready, parent: int) -> None:
    config, listening, admin = begun.config, begun.listening, begun.admin
    policy, relays, tls = beside.policy, beside.relays, config.tls_cert_path is not None
    url = _url(config, listening.getsockname()[1], tls=tls)
    model_url = _url(config, relays.port, tls=tls) if relays.port else ""
    parts = _application(begun, harness, beside, url=url)
    server = _Server(
        uvicorn_config(parts.front, tls_cert=config.tls_cert_path, tls_key=config.tls_key_path),
        harness,
        beside,
        parts.console,
    )

    def announce() -> None:
        running = state.Running(
            url=url,
            pid=os.getpid(),
            policy_pid=policy.pid,
            version=holdfast.__version__,
            admin_token_file=str(config.state_path / state.ADMIN_TOKEN),
            state_dir=str(config.state_path),
            model_url=model_url,
            seal=seal_of(key_of(admin), url, os.getpid(), str(config.state_path)),
        )
        state.announce(config.state_path, running)

    faults = await _faults(config, harness)

    def announced() -> None:
        announce()
        policy.on_return = announce
        first = readiness.first_key(config) if begun.first else ""
        for line in (*faults, readiness.unsandboxed(config), first):
            if line:
                say(line)
        ready(url, faults, parts.first_link)
        # What can wait until the server answers.
        beside.workers.start()
        harness.house.sessions.came = JudgeOnDemand(config.tools)
        keep_loaded()

    server.announce = announced
    if parent:
        stop_with(parent, server.stop)
    port = listening.getsockname()[1]
    await server.serve(sockets=[listening])
    if harness.lost:
        raise StoreLost(harness.lost, port, relays.port)


async def _faults(config: Config, harness: Harness) -> tuple[str, ...]:
    """What lets no agent work: rules in force count, and not what lies in the folder."""
    standing = await harness.policy.status()
    if standing.version:
        return readiness.models(config)
    missing = readiness.policies(config) or (f"policies: {standing.fault}",)
    return (*missing, *readiness.models(config))


class _Server(OrderlyServer):
    """Says when it is ready, and cuts what still streams when it stops."""

    announce: Callable[[], None]

    def __init__(
        self, config: uvicorn.Config, harness: Harness, beside: _Beside, console: ConsoleOnDemand
    ) -> None:
        super().__init__(config)
        self._console = console
        self._harness = harness
        self._beside = beside

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then announce."""
        await super().startup(sockets)
        if self.started:
            self.announce()

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop: as told, or because memory is ahead of a store that is gone."""
        return await super().on_tick(counter) or bool(self._harness.lost)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let workers go and cut streams well-formed first: they would outlast the drain."""
        self._console.close()
        self._harness.house.dispatch.close()
        await self._beside.workers.end()
        await self._beside.relays.end()
        for live in self._harness.house.sessions.in_memory():
            live.cut_streams("unavailable: the server is stopping")
        await super().shutdown(sockets)


class _Parts(NamedTuple):
    """What is served, and what of it is told to others."""

    front: Front
    console: ConsoleOnDemand
    first_link: Callable[[], str]


def _application(begun: Begun, harness: Harness, beside: _Beside, *, url: str) -> _Parts:
    config, admin = begun.config, begun.admin
    house, limit, relays = harness.house, config.server.max_body_bytes, beside.relays
    gateway = Gateway(
        house.doorkeeper,
        house.calls,
        house.entropy,
        max_body_bytes=limit,
        report=report,
        admitted=house.calls.admitted,
        readers=harness.readers,
    )
    intake = Intake(limit, report, harness.readers)
    door, hooks = GuardDoor(house, intake, begun.moved), ClaudeCodeDoor(house, intake)
    children = DelegationDoor(house, config, intake, model_port=relays.port)
    runs = RunDoor(house, intake)
    worker = state.worker_token(config.state_path)
    work = WorkDoor(house.dispatch, token_digest(worker), report, model_port=relays.port)
    operators = Operators(config.state_path)
    digests = {ADMIN: token_digest(admin)}
    under_way = _signing_in(harness, config.server.public_url or url)
    sign_ins = SignIns(
        config.state_path,
        lambda name: (
            digests.get(name) or operators.credential_of(name) or house.keys.credential_of(name)
        ),
        issuer=under_way.issuer if under_way is not None else "",
    )
    deps = ControlDeps(
        house=house,
        policy=harness.policy,
        config=config,
        admin_token_digest=token_digest(admin),
        operators=operators,
        sign_ins=sign_ins,
        signing_in=under_way,
        console_url=config.server.public_url,
        repeats=Repeats(state.repeats_secret(config.state_path), house.store),
        base_url=url,
        version=holdfast.__version__,
        model_port=relays.port,
        relays=relays.here if relays.port else None,
        moved=begun.moved,
        receivers=harness.receivers,
    )
    talks, control = ConversationDoor(deps, report), create_control_app(deps)
    doors = (*gateway.routes(), *hooks.routes(), *door.routes(), *children.routes(), *runs.routes())
    console = ConsoleOnDemand(control, url, config.server.public_url)
    beside_api = (*talks.routes(), *work.routes(), *_slack(deps), *console.routes())
    routes = [*doors, *beside_api, Mount("/", control)]
    own = (token_digest(admin), token_digest(worker))
    known = Proofs(
        lambda: (
            *own,
            *operators.digests(),
            *house.keys.digests(),
            *sign_ins.digests(),
        ),
        url,
        house.clock,
        secrets.token_bytes(32),
        lambda: secrets.token_hex(16),
    )
    quick = Shortcut((*hooks.routes(), *door.routes()), Starlette(routes=routes))
    front = Front(gateway.direct(), Proving(quick, known))
    return _Parts(front, console, lambda: _first_link(deps))


def _signing_in(harness: Harness, url: str) -> SigningIn | None:
    """What is under way at the identity provider, where there is one."""
    if harness.identity is None:
        return None
    new_seed = harness.house.entropy.new_token
    return SigningIn(harness.identity, url, secrets.token_bytes(32), lambda: new_seed("hfi"))


def _slack(deps: ControlDeps) -> list[Route]:
    """Slack's door where the settings open one; it is loaded then."""
    if deps.config.slack is None:
        return []
    from holdfast.apps.control.slack.door import SlackDoor  # noqa: PLC0415
    from holdfast.backends.slack.replies import Replies  # noqa: PLC0415

    secret = slack_secret(deps.config.slack, os.environ)
    return SlackDoor(deps, secret, Replies(say).send, report).routes()


def _first_link(deps: ControlDeps) -> str:
    """The link that the first start of a project prints, so that its owner can look at it."""
    if not deps.sign_ins.first:
        return ""
    code, _ = deps.sign_ins.link(ADMIN, deps.house.clock.now_ns())
    return deps.link_of(code)


def _url(config: Config, port: int, *, tls: bool) -> str:
    host = config.server.host
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"
