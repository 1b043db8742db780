"""The evidence check at the gateway: what may go back to the model, and what follows from it.

The first ungoverned result of a call that the session's own model made stops it. A history that is
not what was emitted is refused, and stops nothing: a conversation that began in another session, a
tool example, or one that was rewritten. The first arrival of a governed result marks its call as
done and taints the context, or vouches for it when the tool is first-party.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from holdfast.core.calls import OUTSTANDING, By, Move, moved
from holdfast.core.contracts import ContractBook
from holdfast.core.delegation import DELEGATE_TOOL
from holdfast.core.evidence import (
    Admitted,
    Rewritten,
    Ungoverned,
    check_evidence,
    check_history,
    unknown_calls,
)
from holdfast.core.flow import Given, Origin, given_by
from holdfast.core.history import Misshapen, ShownCall
from holdfast.core.large import result_text
from holdfast.core.messages import Evidence, ModelRequest
from holdfast.core.sessions import Command
from holdfast.core.wire.reading import ResultText
from holdfast.errors import (
    EvidenceMissing,
    HistoryRewritten,
    HistoryUnknown,
    HoldfastError,
    InvalidRequest,
)
from holdfast.model import bodies
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import Verdict
from holdfast.model.events import Record
from holdfast.model.hooks import HookPoint
from holdfast.model.sessions import SessionState
from holdfast.model.tools import CallRecord, CallState
from holdfast.runtime.budgets import Budgets
from holdfast.runtime.digests import UNREPRESENTABLE, digest_of
from holdfast.runtime.earlier import Earlier, Found
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.prompts import Prompts
from holdfast.runtime.sessions import Sessions

# Faults of one session's histories that are journalled.
_MOST_TOLD = 200
_UNKNOWN = (
    "the history holds the tool call `{}`, which no session of this user and agent made: open the"
    " session with `parent` (`holdfast sessions open --parent SESSION`) to continue that one's"
    " conversation, and give examples of tool calls as text"
)
_HELD = (
    "the history holds the tool call `{0}` of the session `{1}`, which a person paused or killed:"
    " it goes on where somebody who may resume it opens the session with `--parent {1}`"
)
_REWRITTEN = (
    "the history was rewritten at the tool call `{}`: {}; {}, or leave the call and its result out"
)
_NO_PERMIT = (
    "the tool call `{}` of an earlier session has no permit ({}): leave the call and its result out"
)
_WOULD_STOP = (
    "the tool call `{}` has no permit ({}): a model call with its result stops the session, so"
    " leave it out, and check that the hooks are in place"
)


class Admission:
    """Judges the tool results in every request to a model."""

    def __init__(
        self,
        sessions: Sessions,
        budgets: Budgets,
        journal: Journal,
        contracts: ContractBook,
        earlier: Earlier,
        hooks: Hooks,
        prompts: Prompts | None = None,
    ) -> None:
        self._prompts = prompts
        self._hooks = hooks
        self._sessions = sessions
        self._budgets = budgets
        self._journal = journal
        self.contracts = contracts
        self._earlier = earlier
        self._comparing = asyncio.Semaphore(1)

    async def admit(self, live: LiveSession, request: ModelRequest) -> dict[tuple[int, int], str]:
        """Texts that replace the content of results without a permit, by (message, block).

        Errors: EvidenceMissing, after the session was stopped where its own model made the call;
        HistoryUnknown, HistoryRewritten, InvalidRequest; StoreUnavailable.
        """
        judged = await self._judged(live, request, counting=False)
        if judged.first_seen or judged.never_ran:
            closed, changes = self._close(live, judged.never_ran)
            taken, seen = self._take_in(live, request, judged.first_seen)
            await self._journal.commit([*closed, *taken], [*changes, *seen])
        return judged.contents

    async def look(self, live: LiveSession, request: ModelRequest) -> dict[tuple[int, int], str]:
        """The same of a request that no model reads: it makes nothing known as done or read.

        Errors: as `admit`, and none of them stops the session.
        """
        return (await self._judged(live, request, counting=True)).contents

    async def _judged(
        self, live: LiveSession, request: ModelRequest, *, counting: bool
    ) -> Admitted:
        """What the history and its evidence come to; a count takes in nothing of it."""
        shown = request.shown()
        if isinstance(shown, Misshapen):
            raise InvalidRequest(shown.text)
        if request.asks.brought and not counting:
            # Nobody here has seen what it holds; each request that shows it says so again.
            live.vouched.taint(f"a {request.asks.brought} that the provider reads")
        if self._prompts is not None:
            await self._prompts.confirm(live, request)
        if not shown and not request.evidence:
            return Admitted({}, ())
        unknown = unknown_calls(shown, request.evidence, live.calls)
        found = await self._earlier.look_up(live, unknown) if unknown else Found(live.calls)
        if not counting:
            await self._earlier.take_in(live, found)
        hooked = self._hooks.stand(live.who.agent, HookPoint.POST_TOOL)
        session_id, calls = live.session.session_id, found.calls
        # Before the evidence: between that and what follows from it, nobody else may come.
        rewritten = await self._compared(request, shown, calls)
        judged = check_evidence(request.evidence, calls, session_id, live.limited, hooked=hooked)
        if isinstance(judged, Ungoverned) and judged.stops:
            if counting:
                text = _WOULD_STOP.format(judged.call_id[:200], judged.text)
                raise await self._refused(live, EvidenceMissing(text), judged.call_id)
            await self._stop(live, judged)
        if found.held[0]:
            text = _HELD.format(found.held[1][:200], found.held[0])
            raise await self._refused(live, HistoryUnknown(text), found.held[1])
        if found.missing:
            text = _UNKNOWN.format(found.missing[:200])
            raise await self._refused(live, HistoryUnknown(text), found.missing)
        if rewritten is not None:
            text = _REWRITTEN.format(rewritten.call_id[:200], rewritten.text, rewritten.remedy)
            raise await self._refused(live, HistoryRewritten(text), rewritten.call_id)
        if isinstance(judged, Ungoverned):
            text = _NO_PERMIT.format(judged.call_id[:200], judged.text)
            raise await self._refused(live, EvidenceMissing(text), judged.call_id)
        return judged

    async def _compared(
        self, request: ModelRequest, shown: Sequence[ShownCall], calls: Mapping[str, CallRecord]
    ) -> Rewritten | None:
        """What of the history is not as it was.

        What a hook rewrote is compared word by word: not on the loop, and a request at a time.
        """
        messages = request.fields["messages"] if request.calls is None else ()
        given = (shown, request.evidence, messages, calls)
        if not any(
            block.call_id in calls and calls[block.call_id].rewritten for block in request.evidence
        ):
            return check_history(*given)
        async with self._comparing:
            return await asyncio.to_thread(check_history, *given)

    async def _refused(
        self, live: LiveSession, error: HoldfastError, call_id: str
    ) -> HoldfastError:
        """The refusal, journalled the first time: clients send a history again and again."""
        call = live.calls.get(call_id)
        told = (call_id[:200], error.code)
        if told not in live.told_faults and len(live.told_faults) < _MOST_TOLD:
            live.told_faults.add(told)
            body = bodies.EvidenceRefused(code=error.code, text=error.message)
            tool = call.tool if call is not None else ""
            flat = {"call_id": call_id[:200], "tool": tool, "verdict": Verdict.DENY}
            record = self._journal.record(body, live.who, **flat)
            await self._journal.commit([record])
        error.fields["call_id"] = call_id[:200]
        return error

    async def _stop(self, live: LiveSession, fault: Ungoverned) -> None:
        record = self._journal.record(
            bodies.EvidenceMissing(text=fault.text),
            live.who,
            call_id=fault.call_id[:200],
            tool=fault.tool,
            verdict="deny",
        )
        text = f"a tool result without a permit: {fault.text}"
        if live.session.state is SessionState.ACTIVE:
            await self._sessions.change(live, Command.STOP, text, extra=[record])
            live.cut_streams(text)
        else:
            await self._journal.commit([record])
        raise EvidenceMissing(
            f"{text}; the session is stopped, check that the hooks are in place",
            call_id=fault.call_id[:200],
        )

    def _close(
        self, live: LiveSession, never_ran: tuple[CallRecord, ...]
    ) -> tuple[list[Record], list[CallRecord]]:
        """The model is told that these never ran, so it must stay true."""
        records: list[Record] = []
        for call in never_ran:
            closed = moved(call, Move.CLOSE, By.GATEWAY)
            live.emitted.pop(call.call_id, None)
            live.limited.discard(call.call_id)
            live.calls[call.call_id] = closed
            flat = {"turn": call.turn, "call_id": call.call_id, "tool": call.tool}
            body = bodies.ToolResultReplaced(text=call.denial)
            records.append(self._journal.record(body, live.who, **flat))
        return records, [live.calls[call.call_id] for call in never_ran]

    def _take_in(
        self, live: LiveSession, request: ModelRequest, first_seen: tuple[CallRecord, ...]
    ) -> tuple[list[Record], list[CallRecord]]:
        blocks = {e.call_id: e for e in request.evidence}
        records: list[Record] = []
        changes: list[CallRecord] = []
        for call in first_seen:
            block = blocks[call.call_id]
            if call.denial and not call.quotes:
                records.append(self._withheld(live, call))
            else:
                failed = block.is_error or call.state is CallState.FAILED
                result = _result_of(request, block)
                records.append(self._admitted(live, call, result, failed=failed))
            live.reported(call.call_id)
            seen = call
            if call.state in OUTSTANDING:
                # The door never reported: the result itself is the proof that the call ran.
                seen = moved(call, Move.FAIL if block.is_error else Move.SUCCEED, By.GATEWAY)
                hold = self._budgets.ledger.hold(call.hold_id)
                actual = hold.amounts if hold else {Dimension.TOOL_CALLS: 1}
                self._budgets.settle_now(call.hold_id, actual, live.who)
            seen = msgspec.structs.replace(seen, admitted=True)
            live.calls[call.call_id] = seen
            changes.append(seen)
        return records, changes

    def _withheld(self, live: LiveSession, call: CallRecord) -> Record:
        """The model reads our text, so the result neither taints nor vouches."""
        live.answers.pop(call.call_id, None)
        live.running.pop(call.call_id, None)
        flat = {"turn": call.turn, "call_id": call.call_id, "tool": call.tool}
        body = bodies.ToolResultReplaced(text=call.denial)
        return self._journal.record(body, live.who, **flat)

    def _admitted(
        self, live: LiveSession, call: CallRecord, result: ResultText, *, failed: bool
    ) -> Record:
        """The first arrival of a result: what it gives, and whether it taints."""
        contract = self.contracts.get(call.tool)
        answer = live.answers.pop(call.call_id, None)
        kept = answer is not None and answer == result.text
        origin = self._origin(live, call, result)
        if origin is Origin.OTHERS:
            live.vouched.taint(call.tool)
        # A child's text vouches for nothing, whatever its tool's contract says: a model wrote it.
        # Nor does a result that a transcript brings: what its session's model wrote is not known.
        # Nor what was too long to come here from where it was read.
        mute = (
            result.text is None
            or call.tool == DELEGATE_TOOL
            or call.call_id in live.found_calls
            or (bool(live.collected) and _digest(result) in live.collected)
        )
        given = Given() if mute else given_by(contract, origin, result.text or "", failed=failed)
        live.vouched.learn(given)
        listed = bodies.Vouching(records=dict(given.records), members=given.members)
        body = bodies.ToolResultAdmitted(
            characters=result.characters,
            neutral=origin is Origin.NEUTRAL,
            taints=origin is Origin.OTHERS,
            unread=result.text is None,
            # It stands in `run.tool_answered`, word for word.
            trusted_answer=bool(given.text) and kept,
            trusted="" if kept else given.text,
            given=listed if given.records or given.members else None,
        )
        return self._journal.record(
            body,
            live.who,
            turn=call.turn,
            call_id=call.call_id,
            decision_id=call.decision_id,
            tool=call.tool,
        )

    def _origin(self, live: LiveSession, call: CallRecord, result: ResultText) -> Origin:
        """Who wrote the result of a call."""
        from_child = live.collected.get(_digest(result)) if live.collected else None
        if from_child is None and call.tool == DELEGATE_TOOL:
            from_child = True
        if from_child is not None:
            return Origin.OTHERS if from_child else Origin.NEUTRAL
        if call.call_id in live.neutral:
            live.neutral.discard(call.call_id)
            return Origin.NEUTRAL
        contract = self.contracts.get(call.tool)
        return Origin.OWN if contract is not None and contract.first_party else Origin.OTHERS


def _result_of(request: ModelRequest, block: Evidence) -> ResultText:
    """The text of a result block, or what is left of it where it was read elsewhere."""
    if block.result is not None:
        return block.result
    text = result_text(request.fields["messages"][block.message]["content"][block.block])
    return ResultText(len(text), text)


def _digest(result: ResultText) -> str:
    if result.digest is None:
        return digest_of(result.text)
    return result.digest or UNREPRESENTABLE
