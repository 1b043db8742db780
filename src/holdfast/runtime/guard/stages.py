"""What each stage of the guard asks of a call. Their order stands in `pipeline`.

A stage adds reasons, records and changes to the case, and decides nothing by itself.
"""

import asyncio

import msgspec

from holdfast.core import flow, workplace
from holdfast.core.canonical import Unrepresentable, canonical
from holdfast.core.contracts import ContractBook
from holdfast.core.delegation import reaches
from holdfast.core.effects import Standing
from holdfast.core.flow.queries import is_search, read_query
from holdfast.core.progress import LOOP_DETECTED, Response
from holdfast.core.resources import resource_of
from holdfast.core.risk.gate import gate
from holdfast.core.risk.held import settled
from holdfast.core.risk.links import Named, followed, named, unresolved
from holdfast.core.risk.places import UNTOLD, Governed
from holdfast.core.risk.queried import queried
from holdfast.core.risk.registry import Risk, assess
from holdfast.core.scopes import outside
from holdfast.errors import PolicyUnavailable
from holdfast.model import bodies
from holdfast.model.bodies import PolicyAsked
from holdfast.model.budgets import Dimension, Refused
from holdfast.model.decisions import Verdict, strictest
from holdfast.model.findings import Violation
from holdfast.model.hooks import HookInput, HookPoint
from holdfast.model.tools import Contract, Effect, Idempotency
from holdfast.ports.files import Links
from holdfast.runtime import queries
from holdfast.runtime.digests import UNREPRESENTABLE, digest_of_spelled
from holdfast.runtime.exhaustion import no_room
from holdfast.runtime.guard.asking import DEFAULT, Asking, Terms
from holdfast.runtime.guard.case import Case
from holdfast.runtime.guard.rules import objection
from holdfast.runtime.guard.sourcing import Sourcing
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.live import LiveSession
from holdfast.runtime.own_texts import OwnTexts
from holdfast.runtime.policy_requests import policy_request
from holdfast.runtime.services import Services

_LONG_BYTES = 4_000
MOST_ATTEMPTS = 12
"""Tries of one call, over all its doors, time-outs and crashes."""
_OPEN_EFFECT = {
    Standing.IN_FLIGHT: ("effect_in_flight", "another call of this task is at this effect now"),
    Standing.UNKNOWN: (
        "outcome_unknown",
        "this may have been done before; a person has to say, it is not tried again",
    ),
}


class Stages:
    """The stages, each an `async (Case) -> None`."""

    def __init__(
        self,
        services: Services,
        *,
        contracts: ContractBook,
        hooks: Hooks,
        own: Governed = UNTOLD,
        files: OwnTexts | None = None,
        links: Links | None = None,
        terms: Terms = DEFAULT,
    ) -> None:
        self._asking = Asking(services, terms)
        self._links = links
        self._own = own
        self._sourcing = Sourcing(files) if files is not None else None
        self._budgets = services.budgets
        self._effects = services.effects
        self._journal = services.journal
        self._policy = services.policy
        self._clock = services.clock
        self._entropy = services.entropy
        self._contracts = contracts
        self._hooks = hooks

    async def representable(self, case: Case) -> None:
        """Arguments without a canonical form match no digest, so nothing may run with them."""
        if case.call.digest == UNREPRESENTABLE:
            text = "the arguments have no canonical json form"
            case.deny("contract", "contract_violation", text, case.call.tool)

    async def attempts(self, case: Case) -> None:
        """A call that came to no end so often is not going to by one more try."""
        if case.call.attempts >= MOST_ATTEMPTS:
            text = f"`{case.call.tool}` was tried {case.call.attempts} times without an outcome"
            case.deny("effect", "attempts_exhausted", text, case.call.tool)

    async def pre_tool_hooks(self, case: Case) -> None:
        """User hooks object, or rewrite what may run; what follows looks at what they left."""
        if not self._hooks.stand(case.live.who.agent, HookPoint.PRE_TOOL):
            return
        given = HookInput(
            point=HookPoint.PRE_TOOL,
            principal=case.live.who,
            tool=case.call.tool,
            call_id=case.call.call_id,
            arguments=case.arguments,
        )
        result = await self._hooks.run(given)
        case.records += result.records
        case.reasons += result.reasons
        if result.arguments is not None:
            case.arguments = result.arguments
            case.spelled = canonical(result.arguments)
            case.digest = digest_of_spelled(case.spelled)

    async def granted(self, case: Case) -> None:
        """The agent has this tool."""
        if case.call.tool not in case.live.session.allowed_tools:
            text = f"`{case.call.tool}` is not among the tools of this agent"
            case.deny("session", "tool.not_granted", text, case.live.who.agent)

    async def contract(self, case: Case) -> None:
        """The arguments fit the tool's contract, and name the resource that it acts on."""
        case.contract = self._contracts.get(case.call.tool)
        if isinstance(case.spelled, Unrepresentable):
            case.deny("contract", "contract_violation", case.spelled.reason)
            return
        if case.contract is None:
            return
        violations = list(self._contracts.check_input(case.call.tool, case.arguments)[:5])
        resource = resource_of(case.contract, case.arguments)
        if isinstance(resource, Violation):
            violations.append(resource)
        else:
            case.resource = resource
        for violation in violations:
            text = f"{violation.path or 'arguments'}: {violation.text}"
            case.deny("contract", "contract_violation", text, case.call.tool)

    async def reached(self, case: Case) -> None:
        """A child may have been given some resources only, a task some files only."""
        resource = case.resource or f"tool:{case.call.tool}"
        if not reaches(case.live.session.resources, resource):
            text = f"`{resource[:200]}` is not among the resources of this session"
            case.deny("session", "resource_not_granted", text, case.live.who.agent)
            return
        schema = case.contract.input_schema if case.contract is not None else {}
        session = case.live.session
        if text := outside(session.scopes, case.call.tool, schema, case.arguments, session.folder):
            case.deny("session", "scope_not_granted", text, case.live.who.agent)

    async def loop(self, case: Case) -> None:
        """The loop guard counts the call, once, and refuses one that only repeats what was."""
        if case.counted:
            return
        case.counted = True
        progress, now_ns = case.live.progress, self._clock.now_ns()
        for finding in progress.call(case.call.tool, case.digest, now_ns):
            record = self._journal.record(finding.told(), case.live.who)
            case.records.append(record)
            if finding.response is Response.DENY:
                case.deny("loop", LOOP_DETECTED, finding.text, finding.code)

    async def risk(self, case: Case) -> None:
        """How dangerous it is, and what an agent of this trust may do of that."""
        shown = case.spelled if isinstance(case.spelled, bytes) else b""
        folder = case.live.session.folder
        given = (case.contract, case.call.tool, case.arguments, folder, self._own)
        if len(shown) > _LONG_BYTES:
            # A hostile command can take the parser a second: not on the loop that kills.
            case.risk = await asyncio.to_thread(assess, *given)
        else:
            case.risk = assess(*given)
        await self._follow(case, case.risk)
        held = case.live.place.sandboxed and workplace.is_inside(case.arguments)
        heard = case.live.vouched.tainted or case.live.place.stale
        case.risk = settled(case.risk, held=held, heard=heard, typed=case.live.vouched.typed)
        effect = case.contract.effect if case.contract else Effect.COMMIT
        if case.contract is not None and is_search(case.contract):
            effect = self._searched(case, case.contract, case.risk)
        ruled = gate(case.risk, case.live.who.trust, effect)
        case.reasons += ruled.reasons
        if ruled.notify:
            told = tuple(f"{r.code}: {r.text}" for r in case.risk.reasons)
            flat = {"tool": case.call.tool, "call_id": case.call.call_id}
            record = self._journal.record(
                bodies.RiskNotice(reasons=told), case.live.who, risk=case.risk.level.name, **flat
            )
            case.records.append(record)

    def _searched(self, case: Case, contract: Contract, risk: Risk) -> Effect:
        """The effect of a search tool's call: a bounded query with room reads, and is counted."""
        live, given = case.live, case.arguments
        query = read_query(contract, given, live.vouched, live.residue)
        fault = query.fault
        if not fault and self._journal.scrubbed(given) != given:
            fault = "holds what looks like a secret"
        fault = fault or queries.held(live, query)
        case.risk = queried(risk, fault)
        case.query = None if fault else query
        return contract.effect if fault else Effect.READ

    async def _follow(self, case: Case, risk: Risk) -> None:
        """Judge by real places, too, where the call goes through links on this machine."""
        session, contract, links = case.live.session, case.contract, self._links
        if links is None or not session.folder or contract is None:
            return
        paths = named(contract, case.arguments, risk, session.folder)
        places = await _places(links, session.folder, paths) if paths is not None else None
        if paths is None or places is None:
            case.risk = unresolved(risk)
        elif places:
            given = (risk, contract, case.arguments, paths, places)
            # Many links to long places are as much work as a long command.
            told = await asyncio.to_thread(followed, *given, folder=session.folder, own=self._own)
            case.risk, case.real = told.risk, told.arguments
            schema, tool = contract.input_schema, case.call.tool
            if text := outside(session.scopes, tool, schema, told.arguments, session.folder):
                text = f"through a link: {text}"
                case.deny("session", "scope_not_granted", text, case.live.who.agent)

    async def ask_policy(self, case: Case) -> None:
        """What a child may do, each session above it may do as well."""
        asked = PolicyAsked(at_ns=self._clock.now_ns(), tainted=case.live.vouched.tainted)
        case.policy_asked = asked
        for one in case.live.line:
            await self._ask_policy_of(case, one, asked)
            if case.denied:
                break

    async def _ask_policy_of(self, case: Case, one: LiveSession, asked: PolicyAsked) -> None:
        try:
            answer = await self._policy.decide(
                policy_request(
                    one,
                    case.call.tool,
                    case.arguments,
                    contract=case.contract,
                    resource=case.resource,
                    risk=case.risk,
                    at_ns=asked.at_ns,
                    tainted=asked.tainted,
                )
            )
        except PolicyUnavailable as error:
            if case.asked.waits:
                raise
            case.deny("policy", error.code, error.message)
            return
        case.policy_version = case.policy_version or answer.policy_version
        if (objected := objection(answer)) is not None:
            case.reasons.append(objected)

    async def flow(self, case: Case) -> None:
        """After untrusted text, arguments that decide have to stand where they are vouched for.

        Of work on files it is the place that decides; a command that was typed whole may run.
        """
        vouched, contract = case.live.vouched, case.contract
        if not vouched.tainted:
            return
        if contract is not None and case.query is not None:
            contract = msgspec.structs.replace(contract, effect=Effect.READ)
        if contract is None or case.risk is None or not workplace.is_work(contract):
            case.reasons += flow.gate(contract, case.arguments, vouched, case.live.place)
        else:
            sourcing = self._sourcing
            place = await sourcing.place(case) if sourcing is not None else case.live.place
            asked = workplace.gate_work(
                contract, case.real or case.arguments, case.risk, place, vouched.tainted_by
            )
            command = str(case.arguments.get(contract.shell, "")) if contract.shell else ""
            # One word (`make`) stands in many a sentence that asks for something else.
            typed = len(command.split()) > 1 and vouched.typed(command)
            case.reasons += [] if typed else asked

    async def answered(self, case: Case) -> None:
        """What a person said, where a stage asks; and they are asked where nobody was."""
        self._asking.look(case)

    async def sources(self, case: Case) -> None:
        """Whether what the call returns is the operator's own text, which does not taint."""
        if self._sourcing is not None and strictest(case.reasons) is Verdict.ALLOW:
            await self._sourcing.look(case)

    async def effect(self, case: Case) -> None:
        """Claim the call's effect in the ledger, if nothing objected so far."""
        contract = case.contract
        if contract is None or contract.idempotency is Idempotency.PURE:
            return
        if strictest(case.reasons) is not Verdict.ALLOW:
            return
        if contract.idempotency is Idempotency.KEYED and not case.asked.hands_key:
            contract = msgspec.structs.replace(contract, idempotency=Idempotency.ONCE)
        proposal = await self._effects.propose(
            case.live, contract, case.call, case.arguments, case.asked.key, case.spelled
        )
        entry = proposal.entry
        case.effect = proposal
        case.call = msgspec.structs.replace(case.call, effect_key=entry.key)
        if proposal.standing is Standing.FRESH:
            case.changes.append(entry)
        elif proposal.standing is not Standing.STORED:
            case.deny("effect", *_OPEN_EFFECT[proposal.standing], rule=entry.key)
        elif not case.asked.takes_stored:
            kept = canonical(entry.output) if entry.output_kept else b"its result was not kept"
            shown = kept.decode() if isinstance(kept, bytes) else ""
            text = f"this was done before in this task, and is not done twice: {shown[:4000]}"
            case.deny("effect", "already_done", text, entry.key)

    async def reserve(self, case: Case) -> None:
        """Hold one call, if nothing objected so far; a further attempt is a call as well.

        An account that is spent, in whatever dimension, refuses it as it refuses a model call. Its
        time is not held: a sub-agent's tool call lasts as long as the model calls in it, which pay
        for their own seconds.
        """
        if strictest(case.reasons) is not Verdict.ALLOW:
            return
        live, amounts = case.live, {Dimension.TOOL_CALLS: 1}
        hold_id = self._entropy.new_id("hld")
        async with self._budgets.at_hand(live.chain):
            answer, records, changes = self._budgets.reserve_now(
                hold_id, live.session, live.chain, amounts, purpose="tool"
            )
        case.records += records
        case.changes += changes
        if isinstance(answer, Refused):
            case.deny("budget", "budget_exceeded", no_room(answer), str(answer.key))
        else:
            case.call = msgspec.structs.replace(case.call, hold_id=hold_id)


async def _places(
    links: Links, folder: str, paths: tuple[Named, ...]
) -> dict[str, tuple[str, ...]] | None:
    """Where they lead; a shell alone makes names of patterns."""
    found: dict[str, tuple[str, ...]] = {}
    for globs in (False, True):
        group = [one.path for one in paths if (one.role is not None) is globs]
        places = await links.resolved(folder, group, globs=globs) if group else {}
        if places is None:
            return None
        found |= places
    return found
