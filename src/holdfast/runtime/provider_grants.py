"""What a request may start at the provider: which models, and what runs or is fetched there.

Work of the provider never meets the guard, so all that the guard would ask of a call is asked of
the request: whether it is granted, how risky its contract says it is, what policy says of it, and
whether it may reach outside for a session that has read untrusted text. There is nobody to ask in
the middle of a model call: what would wait for a person is refused.

Not here: how often it may run (`core/work`), what it costs, evidence.
"""

from typing import Any

import msgspec

from holdfast.core.contracts import ContractBook
from holdfast.core.delegation import reaches
from holdfast.core.flow.outside import gate_outside
from holdfast.core.flow.queries import gate_sites
from holdfast.core.messages import ModelRequest
from holdfast.core.risk.gate import gate
from holdfast.core.risk.registry import Risk, assess
from holdfast.core.wire.grants import REACH, Reach
from holdfast.core.wire.reading import spelt_steps
from holdfast.core.wire.splicing import Change
from holdfast.errors import Denied
from holdfast.model.bodies import ServerToolDecided
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.events import Record
from holdfast.model.tools import Contract, Effect
from holdfast.runtime import queries
from holdfast.runtime.digests import digest_of
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.policy_requests import policy_request
from holdfast.runtime.services import Services

_HARSHER = (Effect.COMMIT, Effect.DESTROY)
_FETCHED_MOST = 10_000
_SHOWN_FETCHES = 50


def check_models(live: LiveSession, request: ModelRequest) -> None:
    """Whether the agent may use every model that the request can reach. Errors: Denied."""
    allowed = live.session.allowed_models
    for model in (request.model, *request.asks.models()) if allowed else ():
        if model not in allowed:
            raise Denied(
                f"permission_denied: this agent may not use the model `{model[:100]}`",
                model=model[:100],
            )


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One name, and what was found about it; no reasons: it may go on."""

    name: str
    risk: Risk
    reasons: tuple[Reason, ...]
    granted: bool
    policy_version: str = ""
    fetched: tuple[str, ...] = ()


class ProviderGrants:
    """Decides on the work of the provider that a request may start."""

    def __init__(
        self, services: Services, contracts: ContractBook, *, removes: bool = False
    ) -> None:
        self._removes = removes
        self._policy = services.policy
        self._journal = services.journal
        self._clock = services.clock
        self._contracts = contracts

    async def check(
        self,
        live: LiveSession,
        request: ModelRequest,
        *,
        counting: bool = False,
        removes: bool | None = None,
    ) -> tuple[Change, ...]:
        """Decide on each name that the request asks for, before anything of it is sent.

        Each decision is durable by then; refusals, and those of a count, which starts nothing but
        the fetching of what it names, are told a few times a minute and then counted.
        Returns what is to be taken out of the request, with a notice in the journal, where the
        operator says so of tools that may not reach outside after untrusted text (`removes`).
        Errors: Denied, for the first that may not; PolicyUnavailable.
        """
        records: list[Record] = []
        removed: dict[Change, None] = {}
        removes = self._removes if removes is None else removes
        for name in request.server_tools:
            decided = await self._decide(live, request, name)
            told = self._told(live, decided)
            if removes and (gone := _taken_out(request, decided)):
                removed.update(dict.fromkeys(gone))
                await told.counted(self._journal, live, removed=True)
                continue
            if decided.reasons:
                await self._refuse(live, request, decided, told, records)
            live.fetched.update(decided.fetched[: max(_FETCHED_MOST - len(live.fetched), 0)])
            if not counting:
                records.append(self._journal.record(told.body, live.who, **told.flat))
            else:
                await told.counted(self._journal, live)
        if records and not removed:  # What is left is asked about again, and told then.
            await self._journal.commit(records)
        return _without_choice(request, removed)

    async def _refuse(
        self,
        live: LiveSession,
        request: ModelRequest,
        decided: _Decided,
        told: "_Told",
        records: list[Record],
    ) -> None:
        if records:
            await self._journal.commit(records)
        await told.counted(self._journal, live)
        why, name = decided.reasons[0], decided.name[:200]
        where = spelt_steps(request.asks.grants[decided.name])
        raise Denied(
            f"permission_denied: `{name}` runs at the provider, out of the guard's reach, and"
            f" {why.text}; `{where}` asks for it: {_next_step(decided, why)}",
            tool=name,
            field=where,
            code=why.code,
        )

    async def _decide(self, live: LiveSession, request: ModelRequest, name: str) -> _Decided:
        """Cheap before dear; the first no ends it."""
        session, contract = live.session, self._contracts.get(name)
        risk = assess(contract, name, {}, session.folder)
        granted = name in session.allowed_tools and reaches(session.resources, f"tool:{name}")
        if not granted:
            text = "it is not granted to this agent"
            reasons: tuple[Reason, ...] = (_no("session", "tool.not_granted", text),)
            return _Decided(name=name, risk=risk, reasons=reasons, granted=False)
        effect = contract.effect if contract is not None else Effect.COMMIT
        ruled = gate(risk, live.who.trust, effect).reasons
        if ruled:
            return _Decided(name=name, risk=risk, reasons=ruled, granted=True)
        reasons, version = await self._policy_says(live, name, contract, risk)
        fetched: tuple[str, ...] = ()
        if not reasons and (reach := REACH.get(name, Reach.OUTSIDE)) is not Reach.INSIDE:
            reasons, fetched = _reaching(live, request, name, reach)
        return _Decided(
            name=name,
            risk=risk,
            reasons=reasons,
            granted=True,
            policy_version=version,
            fetched=fetched,
        )

    async def _policy_says(
        self, live: LiveSession, tool: str, contract: Contract | None, risk: Risk
    ) -> tuple[tuple[Reason, ...], str]:
        """What policy says, for the session and all above it, and by which version."""
        version = ""
        for one in live.line:
            now_ns, tainted = self._clock.now_ns(), live.vouched.tainted
            asked = policy_request(
                one, tool, {}, contract=contract, risk=risk, tainted=tainted, at_ns=now_ns
            )
            if asked.effect not in _HARSHER or contract is None:
                asked = msgspec.structs.replace(asked, effect=Effect.EGRESS)
            answer = await self._policy.decide(asked)
            version = version or answer.policy_version
            if answer.verdict is not Verdict.ALLOW:
                rule = ", ".join(answer.rules) or (answer.nearest.rule if answer.nearest else "")
                text = answer.text or "; ".join(answer.errors) or "no rule permits it"
                code = "approval_required" if answer.verdict is Verdict.ASK else "permission_denied"
                found = Reason(
                    stage="policy", verdict=answer.verdict, code=code, text=text, rule=rule
                )
                return (found,), version
        return (), version

    def _told(self, live: LiveSession, decided: _Decided) -> "_Told":
        """The decision as the journal has it: an ask is a no here."""
        verdict = Verdict.DENY if decided.reasons else Verdict.ALLOW
        body = ServerToolDecided(
            door="gateway",
            server_tool=decided.name[:200],
            granted=decided.granted,
            reasons=decided.reasons,
            arguments={},
            policy_version=decided.policy_version,
            tainted=live.vouched.tainted,
            fetched=decided.fetched[:_SHOWN_FETCHES],
        )
        flat = {"tool": decided.name[:200], "verdict": verdict, "risk": decided.risk.level.name}
        return _Told(body=body, flat=flat)


class _Told(msgspec.Struct, frozen=True):
    """What a record says, before it is known whether it becomes one."""

    body: ServerToolDecided
    flat: dict[str, Any]

    async def counted(self, journal: Journal, live: LiveSession, *, removed: bool = False) -> None:
        """A record of its own, or one more of many."""
        body = msgspec.structs.replace(self.body, removed=removed)
        await journal.refused(body, live.who, **self.flat)


def _reaching(
    live: LiveSession, request: ModelRequest, name: str, reach: Reach
) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Whether it may reach where it would, and digests of addresses that it then has reached."""
    places = [one.addresses for one in request.asks.outside if one.grant == name] or [()]
    digests = {address: digest_of(address) for found in places for address in found}
    known = {address for address, digest in digests.items() if digest in live.fetched}
    for addresses in places:
        if reach is Reach.QUERY:
            found = gate_sites(addresses, live.vouched, known, queries.room(live))
        else:
            found = gate_outside(addresses, live.vouched, known)
        if found:
            return tuple(found), ()
    return (), tuple(one for one in dict.fromkeys(digests.values()) if one not in live.fetched)


def _taken_out(request: ModelRequest, decided: _Decided) -> list[Change]:
    """What would have to go so that nothing of this name is offered; nothing where it cannot.

    Only tools and connectors that the request offers at its top go: content is not ours to drop.
    """
    if not decided.reasons or decided.reasons[0].stage != "flow":
        return []
    places = [one.steps for one in request.asks.outside if one.grant == decided.name]
    if not places or any(steps[0] not in ("tools", "mcp_servers") for steps in places):
        return []
    found = [Change(steps) for steps in places]
    if any(steps[0] == "mcp_servers" for steps in places):
        tools = request.fields.get("tools") or ()
        sets = [at for at, tool in enumerate(tools) if tool.get("type") == "mcp_toolset"]
        found = [Change(("mcp_servers",)), *(Change(("tools", at)) for at in sets)]
    return found


def _without_choice(request: ModelRequest, removed: dict[Change, None]) -> tuple[Change, ...]:
    """The same, with a choice of tool that has nothing left to choose, and a list left empty."""
    gone = {change.steps[1] for change in removed if change.steps[0] == "tools"}
    if not gone:
        return tuple(removed)
    tools, choice = request.fields["tools"], request.fields.get("tool_choice") or {}
    chosen = {tools[at].get("name") for at in gone if isinstance(at, int)}
    found = dict(removed)
    if len(gone) == len(tools):
        found = {change: None for change in removed if change.steps[0] != "tools"}
        found[Change(("tools",))] = None
    if choice and (len(gone) == len(tools) or choice.get("name") in chosen):
        found[Change(("tool_choice",))] = None
    return tuple(found)


def _no(stage: str, code: str, text: str) -> Reason:
    return Reason(stage=stage, verdict=Verdict.DENY, code=code, text=text)


def _next_step(decided: _Decided, why: Reason) -> str:
    name = decided.name[:200]
    if why.code == "flow.query_spent":
        return (
            "leave it out, or have an operator raise `loop.query_bytes` of the agent, or have such"
            " tools taken out instead (`gateway.after_taint: remove`)"
        )
    if why.stage == "flow":
        return (
            "leave it out, send content instead of its address, or have the user or the operator"
            " name the address (`allowed_domains` of `web_fetch`, the URL) in what they type; an"
            " operator may have such tools taken out instead (`gateway.after_taint: remove`)"
        )
    if why.verdict is Verdict.ASK:
        return (
            "that waits for a person, and nobody can be asked within a model call: an operator may"
            f" lower `tools.{name}.risk`, or permit it by a rule"
        )
    return (
        f"an operator may grant it by a contract `tools.{name}`, the name `{name}` in the agent's"
        " `tools`, and a rule that permits it"
    )
