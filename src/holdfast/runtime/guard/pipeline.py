"""The line that every tool call goes through, and its order."""

from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core.calls import UNDECIDED
from holdfast.core.canonical import Unrepresentable, canonical
from holdfast.core.contracts import ContractBook
from holdfast.core.history import same_tool
from holdfast.core.risk.places import UNTOLD, Governed
from holdfast.errors import ApprovalPending, PermitInvalid, PolicyUnavailable
from holdfast.model.approvals import Approval
from holdfast.model.bodies import PermitRefused
from holdfast.model.decisions import Verdict
from holdfast.model.permits import Permit
from holdfast.model.tools import CallRecord
from holdfast.ports.files import Links
from holdfast.runtime import queries
from holdfast.runtime.digests import digest_of_spelled
from holdfast.runtime.guard.asking import DEFAULT, Terms, kept, let_go
from holdfast.runtime.guard.case import Asked, Case, Ruling
from holdfast.runtime.guard.permits import Permits
from holdfast.runtime.guard.ruling import Rulings
from holdfast.runtime.guard.stages import Stages
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.live import LiveSession
from holdfast.runtime.own_texts import OwnTexts
from holdfast.runtime.services import Services


class Guard:
    """Decides every tool call of every session."""

    def __init__(
        self,
        services: Services,
        *,
        contracts: ContractBook,
        hooks: Hooks,
        signing_key: Ed25519PrivateKey,
        own: Governed = UNTOLD,
        files: OwnTexts | None = None,
        links: Links | None = None,
        terms: Terms = DEFAULT,
    ) -> None:
        self._sessions = services.sessions
        self._journal = services.journal
        self._permits = Permits(services, signing_key)
        running = files.running if files is not None else None
        self._rulings = Rulings(services, self._permits, hooks, running)
        self._stages = Stages(
            services,
            contracts=contracts,
            hooks=hooks,
            own=own,
            files=files,
            links=links,
            terms=terms,
        )
        self._line = (
            self._stages.representable,
            self._stages.attempts,
            self._stages.pre_tool_hooks,
            self._stages.granted,
            self._stages.contract,
            self._stages.reached,
            self._stages.loop,
            self._stages.risk,
            self._stages.ask_policy,
            self._stages.flow,
            self._stages.answered,
            self._stages.sources,
            self._stages.effect,
            self._stages.reserve,
        )
        self.public_keys = self._permits.public_keys

    async def decide(self, live: LiveSession, asked: Asked) -> Ruling:
        """Decide one call; returns only once the decision is durable.

        Errors: SessionStopped, CredentialExpired; PermitInvalid for a call that the model did not
        make or that was decided before; StoreUnavailable; PolicyUnavailable for a door that waits,
        and the call is as it was. Every other no is a Ruling.
        """
        self._sessions.check_live(live)
        call, arguments, spelled = await self._claim(live, asked)
        live.deciding.add(call.call_id)
        case = Case(live, call, arguments, asked, spelled)
        try:
            for stage in self._line:
                await stage(case)
                if case.denied:
                    break
            if asked.waits and case.pending is not None and not case.denied:
                await self._wait(case, case.pending)
            live.counted.discard(call.call_id)
            return await self._rulings.write(case)
        except PolicyUnavailable:
            # Counted once, however often it is asked, and what was noted on the way told once.
            if call.call_id not in live.counted:
                live.counted.add(call.call_id)
                await self._journal.commit(case.records)
            raise
        finally:
            let_go(case)
            if case.query is not None:
                queries.refund(live, case.query)
            live.deciding.discard(call.call_id)

    async def _wait(self, case: Case, pending: Approval) -> NoReturn:
        """Leave the call undecided until a person answers. Errors: ApprovalPending, always."""
        # Counted once, however often it is asked, and what was noted on the way told once.
        records = [] if case.call.call_id in case.live.counted else case.records
        case.live.counted.add(case.call.call_id)
        await self._journal.commit(records, kept(case.live, case.approvals))
        raise ApprovalPending(
            f"a person is asked whether `{case.call.tool}` may run",
            approval=pending.approval_id,
            expires_at_ns=pending.expires_at_ns,
        )

    async def _claim(
        self, live: LiveSession, asked: Asked
    ) -> tuple[CallRecord, dict[str, Any], bytes | Unrepresentable]:
        """The model's own call behind a request, undecided so far, and the model's arguments.

        The last value is how the arguments are spelt canonically.
        """
        call = live.calls.get(asked.call_id)
        arguments, spelled = asked.arguments, canonical(asked.arguments)
        digest = digest_of_spelled(spelled)
        if asked.runs_returned and call is not None and call.digest != digest:
            arguments = live.emitted.get(asked.call_id, arguments)
            spelled = canonical(arguments)
            digest = digest_of_spelled(spelled)
        fault = ""
        if call is None or call.session != live.session.session_id:
            # A continued session knows its parent's calls, but only the parent may run them.
            fault = "the model made no such call in this session"
        elif not same_tool(call.tool, asked.tool) or call.digest != digest:
            fault = "the model made this call with another tool or other arguments"
        elif call.state not in UNDECIDED or call.call_id in live.deciding:
            fault = "this call was decided before"
        if call is not None and not fault:
            return call, arguments, spelled
        body = PermitRefused(why=fault, door=asked.door, digest=digest)
        flat = {"call_id": asked.call_id[:200], "tool": asked.tool[:200], "verdict": Verdict.DENY}
        await self._journal.refused(body, live.who, **flat)
        raise PermitInvalid(fault, call_id=asked.call_id[:200], tool=asked.tool[:200])

    async def redeem(
        self, live: LiveSession, token: str, call_id: str, tool: str, arguments: dict[str, Any]
    ) -> Permit:
        """Use up a permit, before an executor runs the call it allows.

        Errors: PermitInvalid (forged, altered, expired, of another session, call or arguments, or
        used before), SessionStopped.
        """
        return await self._permits.redeem(live, token, call_id, tool, arguments)
