"""What became of a permitted call, and the other things that a door reports.

Not here: whether a call may run (`runtime/guard`).
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.calls import OUTSTANDING, By, Move, moved
from holdfast.core.canonical import Unrepresentable, canonical
from holdfast.core.contracts import ContractBook
from holdfast.core.denials import broken_text, failure_text, switched_text, withheld_text
from holdfast.core.effects import TOOL_TIMEOUT, left_open
from holdfast.core.large import kept_content
from holdfast.core.news import news_of
from holdfast.core.progress import Finding
from holdfast.core.reports import UNANSWERED, code_of, late, late_text
from holdfast.core.rewritings import rewriting_marks
from holdfast.core.sessions import Command, after
from holdfast.core.unwrapped import text_of_result
from holdfast.errors import Conflict, RateLimited
from holdfast.model import bodies
from holdfast.model.budgets import Amounts, Dimension
from holdfast.model.events import Kind, Record
from holdfast.model.findings import Violation
from holdfast.model.hooks import AFTER_TOOL, HookInput, Recovery
from holdfast.model.tools import CallRecord, CallState
from holdfast.ports.store import Change
from holdfast.runtime.digests import digest_of_spelled
from holdfast.runtime.hooks import HookResult, Hooks
from holdfast.runtime.live import LiveSession
from holdfast.runtime.own_texts import OwnTexts
from holdfast.runtime.points import HookPoints
from holdfast.runtime.refusals import Refusals
from holdfast.runtime.services import Services

SHOWN_CHARACTERS = 20_000
_LONG_CHARACTERS = 16_000
_QUOTED, _QUOTED_RESULT = 8_000, 100_000
_QUICK_CHARACTERS = 2_000
_BUILTIN = frozenset(contract.name for contract in BUILTIN_TOOLS)
_PROMPTS_MOST = 60

_GIVEN_UP = (Recovery.SWITCH_TOOL, Recovery.SKIP, Recovery.FAIL)

GotOn = Callable[[str], Iterable[Change]]
"""What to commit with a report of the session of this id, whose run got on by it."""


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a permitted call. `output` is any JSON value.

    `content` is what the model reads, journalled in the same commit, for a loop that resumes from
    the journal. `uncertain`: the tool did not answer (time-out, death), so its effect is unknown.
    `replaced` names what of the output had no place in JSON, or was too much (`core/writable`).
    `code` is the tool's own for a failure; without one that its contract declares, a failure
    leaves it open whether an effect that must not happen twice did (`core/effects.left_open`).
    """

    call_id: str
    ok: bool
    output: Any = None
    error: str = ""
    duration_ms: int = 0
    content: str | None = None
    uncertain: bool = False
    replaced: tuple[str, ...] = ()
    code: str = ""


class Shown(msgspec.Struct, frozen=True):
    """What may be shown of a result: the output as hooks left it, or the text in its place.

    `withheld` is empty unless a hook objected or named another tool, or the result is not what its
    tool declares; it is what the model reads then, at every door. `content` is what the model reads
    where the report said so, as the journal keeps it. `recovery` is what the hooks of a failure
    decided. `reads` is what the gateway puts in place of the result, whatever a client sends; empty
    where it lets the client's stand.
    """

    output: Any
    withheld: str = ""
    content: str | None = None
    recovery: Recovery | None = None
    reads: str = ""


class _Written(msgspec.Struct, frozen=True):
    """A result as it is journalled: JSON, digest, what of it is news and what is not declared."""

    text: str
    digest: str
    news: str
    broken: tuple[Violation, ...]


class Outcomes:
    """Takes reports; refuses none that is a fact."""

    def __init__(
        self,
        services: Services,
        *,
        contracts: ContractBook,
        hooks: Hooks,
        points: HookPoints,
        got_on: GotOn,
        files: OwnTexts | None = None,
    ) -> None:
        self._files = files
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._effects = services.effects
        self._journal = services.journal
        self._clock = services.clock
        self._contracts = contracts
        self._hooks = hooks
        self._points = points
        self._got_on = got_on
        self._prompts = Refusals(_PROMPTS_MOST)
        self._comparing = asyncio.Semaphore(1)

    async def finish(self, live: LiveSession, done: Finish) -> Shown:
        """Record what became of a permitted call; returns what hooks left of its output.

        Where a hook objects the result is withheld: the gateway puts a text of ours in its place,
        whatever the client sends. What the call did stands, and is recorded as done.
        A killed session may still report: what happened is a fact. Errors: Conflict when the call
        holds no permit or has been reported before.
        """
        call = live.calls.get(done.call_id)
        running = call is not None and call.state in OUTSTANDING
        mine = call is not None and call.session == live.session.session_id
        if call is None or not running or not mine or call.call_id in live.deciding:
            raise Conflict("no running call of that id", call_id=done.call_id[:200])
        live.deciding.add(call.call_id)
        try:
            if done.content is not None:
                content = await self._as_kept(done.content)
                done = msgspec.structs.replace(done, content=content)
            return await self._finish(live, call, done)
        finally:
            live.deciding.discard(call.call_id)

    async def _finish(self, live: LiveSession, call: CallRecord, done: Finish) -> Shown:
        # First of all, so that what stands there is what the call left.
        left: list[Record] = []
        if self._files is not None:
            left = await self._files.ended(live, call.call_id, ok=done.ok)
        done = self._held(call, done)
        broken = self._broken(call, done)
        heard, output = await self._heard(live, call, done)
        rewritten, done = await self._rewritten(done, output)
        written = await _written(done, output, broken)
        quoted = await self._quoted(call, done, output)
        move = Move.SUCCEED if done.ok else Move.FAIL
        # As it is by now: its result may have been sent to the model while the hooks ran.
        now = live.calls.get(call.call_id, call)
        decided = _decided(live, heard)
        withheld = now.denial or _withheld(call, heard, broken, decided)
        quoted = "" if withheld else quoted
        live.calls[call.call_id] = moved(
            now,
            move,
            By.DOOR,
            denial=withheld or quoted,
            quotes=bool(quoted),
            rewritten=rewritten,
        )
        live.running.pop(call.call_id, None)
        noted, effect = self._effects.finish(
            live,
            call,
            ok=done.ok,
            # Whoever asks for the same effect again reads what was shown of it, no more.
            output=withheld or output,
            error=done.error,
            uncertain=done.uncertain or self._left_open(live, call, done),
        )
        records = [record for result in heard for record in result.records]
        told, finding = self._outcome(live, call, done, written, decided)
        records += [*told, *noted, *left]
        content = (
            None if done.content is None else self._scrubbed(withheld) or quoted or done.content
        )
        if content is not None:
            failed = bool(withheld) or not done.ok
            records.append(self.answered(live, call, content, failed=failed))
            live.answers[call.call_id] = content
        actual: Amounts = {Dimension.TOOL_CALLS: 1}
        got_on = self._got_on(live.session.session_id)
        changes: list[Change] = [live.calls[call.call_id], *effect, *got_on]
        _, durable = self._budgets.settle(call.hold_id, actual, live.who, records, changes)
        await durable
        await self._follow(live, finding)
        if decided is not None:
            await self._points.escalate(live, decided, done.error)
        recovery = decided.recovery if decided is not None else None
        return Shown(withheld or output, withheld, content, recovery, withheld or quoted)

    def _held(self, call: CallRecord, done: Finish) -> Finish:
        """The report as it reads by the tool's contract. Claude Code's own tools have their say."""
        contract = self._contracts.get(call.tool)
        if contract is None or call.tool in _BUILTIN:
            return done
        if done.ok and late(contract, done.duration_ms):
            error = late_text(contract, done.duration_ms)
            return msgspec.structs.replace(
                done, ok=False, error=error, code=TOOL_TIMEOUT, uncertain=True
            )
        if done.ok:
            return done
        code = code_of(contract, done.code, done.error, done.duration_ms)
        uncertain = done.uncertain or code in UNANSWERED
        return msgspec.structs.replace(done, code=code, uncertain=uncertain)

    def _broken(self, call: CallRecord, done: Finish) -> tuple[Violation, ...]:
        """What of a result is not as its tool declares it."""
        if not done.ok:
            return ()
        return self._contracts.check_result(call.tool, done.output)[:5]

    async def _quoted(self, call: CallRecord, done: Finish, output: Any) -> str:
        """The tool's own words as the model reads them at every door; empty where a door's hold.

        A failure has one envelope, whatever the door makes of it. Clients that take no other result
        of an MCP server than its own get what a hook left of it here.
        """
        contract = self._contracts.get(call.tool)
        rewrote = output is not done.output
        if not done.ok and not rewrote:
            if contract is None or call.tool in _BUILTIN:
                return ""
            said = (done.error or done.content or "")[:_QUOTED]
            return await self._as_kept(failure_text(call.tool, contract, done.code, said))
        if rewrote and (not done.ok or call.tool.startswith("mcp__")):
            return await self._as_kept(text_of_result(output)[:_QUOTED_RESULT])
        return ""

    def _left_open(self, live: LiveSession, call: CallRecord, done: Finish) -> bool:
        entry = live.effects.get(call.call_id)
        if entry is None or done.ok:
            return False
        contract = self._contracts.get(call.tool)
        return left_open(entry, contract, done.code, begun=call.state is CallState.BEGUN)

    async def _heard(
        self, live: LiveSession, call: CallRecord, done: Finish
    ) -> tuple[list[HookResult], Any]:
        """What the hooks after a call say, and what they leave of its output."""
        points = AFTER_TOOL[:1] if done.ok else AFTER_TOOL
        output, heard = done.output, list[HookResult]()
        for point in points:
            given = HookInput(
                point=point,
                principal=live.who,
                tool=call.tool,
                call_id=call.call_id,
                arguments=live.running.get(call.call_id, {}),
                output=output,
                ok=done.ok,
                detail=done.error,
                tries=max(call.attempts, 1),
                code=done.code,
            )
            result = await self._hooks.run(given)
            output = output if result.output is None else result.output
            heard.append(result)
        return heard, output

    async def _rewritten(self, done: Finish, output: Any) -> tuple[tuple[str, ...], Finish]:
        """What of a result may not be shown any more, and the report with what may be.

        Not on the loop, and one at a time: a result may be long, and each of its words counts.
        """
        if not done.ok or output is done.output:
            return (), done
        async with self._comparing:
            found = await asyncio.to_thread(rewriting_marks, done.output, output)
        if found and done.content is not None:
            shown = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
            done = msgspec.structs.replace(done, content=await self._as_kept(shown))
        return found, done

    async def _as_kept(self, content: str) -> str:
        """Text as the journal keeps it, so that a resumed run reads what the live one read.

        No more of it than a model could read, and long text not on the loop that kills.
        """
        content = kept_content(content)
        if len(content) <= _LONG_CHARACTERS:
            return self._scrubbed(content)
        return await asyncio.to_thread(self._scrubbed, content)

    def _scrubbed(self, content: str) -> str:
        clean: str = self._journal.scrubbed({"content": content})["content"]
        return clean

    def answered(
        self, live: LiveSession, call: CallRecord, content: str, *, failed: bool
    ) -> Record:
        """The record of what the model reads for a call: text of ours, or scrubbed before."""
        body = bodies.RunToolAnswered(content=content, is_error=failed)
        flat = {"turn": call.turn, "call_id": call.call_id, "tool": call.tool}
        return self._journal.record_of_ours(body, live.who, **flat)

    def _outcome(
        self,
        live: LiveSession,
        call: CallRecord,
        done: Finish,
        written: _Written,
        decided: HookResult | None,
    ) -> tuple[list[Record], Finding | None]:
        given_up = decided is not None and decided.recovery in _GIVEN_UP
        body = bodies.ToolCallFinished(
            # Where the model's own text of it is kept, the result stands there already.
            output="" if done.content is not None else written.text[:SHOWN_CHARACTERS],
            error=done.error[:2000],
            contract=tuple(one.text for one in written.broken),
            given_up=given_up,
            news=written.news,
            replaced=tuple(one[:200] for one in done.replaced[:10]),
            ok=done.ok and not written.broken,
            output_digest=written.digest,
            output_bytes=len(written.text),
            duration_ms=done.duration_ms,
        )
        flat = {
            "turn": call.turn,
            "call_id": call.call_id,
            "decision_id": call.decision_id,
            "tool": call.tool,
        }
        records = [self._journal.record(body, live.who, **flat)]
        now_ns = self._clock.now_ns()
        if given_up:
            live.progress.given_up(call.tool, call.permitted_digest)
        finding = live.progress.outcome(call.tool, call.permitted_digest, written.news, now_ns)
        if finding is not None:
            records.append(self._journal.record(finding.told(), live.who))
        return records, finding

    async def _follow(self, live: LiveSession, finding: Finding | None) -> None:
        """A session that is alive and gets no further is stopped, where it still goes on."""
        if finding is None or not finding.stops:
            return
        if after(live.session, Command.STOP) is not None:
            await self._sessions.change(live, Command.STOP, f"loop_detected: {finding.text}")
            live.cut_streams(f"session_stopped: {finding.text}")

    async def prompt(self, live: LiveSession, text: str, *, vouched: bool = True) -> None:
        """The user typed this: it is journalled, and its words are vouched for.

        Errors: RateLimited for more of them in a minute than anybody types.

        Not `vouched` when it came by a token that the agent's own tools can read: it is journalled
        alone. Nor in a child: no user types there, a model wrote its task.
        """
        self._sessions.check_live(live)
        now_ns = self._clock.now_ns()
        self._prompts.due(now_ns)
        if not self._prompts.tells(Kind.PROMPT_SUBMITTED, live.who, now_ns):
            raise RateLimited(f"a session takes {_PROMPTS_MOST} prompts a minute", retry_after_s=60)
        vouched = vouched and not live.session.delegated_by
        live.progress.prompted()
        if vouched:
            live.vouched.trust(text)
        body = bodies.PromptSubmitted(text=text[:SHOWN_CHARACTERS], vouched=vouched)
        await self._journal.commit([self._journal.record(body, live.who)])


async def _written(done: Finish, output: Any, broken: tuple[Violation, ...]) -> _Written:
    """Once what of a result is news was looked for: in a long one, not on the loop that kills."""
    spelled = canonical(output)
    text = "" if isinstance(spelled, Unrepresentable) else spelled.decode()
    # What a failure says is what came of the call.
    said = text if done.ok else f"{text} {done.error[:_QUICK_CHARACTERS]}"
    quick = len(said) <= _QUICK_CHARACTERS
    news = news_of(said) if quick else await asyncio.to_thread(news_of, said)
    return _Written(text, digest_of_spelled(spelled), news, broken)


def _decided(live: LiveSession, heard: list[HookResult]) -> HookResult | None:
    """What the hooks of a failure decided; None where nothing failed, or they left it open.

    Another tool can only be one that the session has.
    """
    said = heard[-1]
    if said.recovery is None:
        return None
    if said.recovery is Recovery.SWITCH_TOOL and said.tool not in live.session.allowed_tools:
        return msgspec.structs.replace(said, recovery=Recovery.FAIL, tool="")
    return said


def _withheld(
    call: CallRecord,
    heard: list[HookResult],
    broken: tuple[Violation, ...],
    decided: HookResult | None,
) -> str:
    """The house's own text in place of a result; empty where nothing keeps the model from it."""
    reasons = [reason for result in heard for reason in result.reasons]
    if reasons:
        return withheld_text(reasons, call.decision_id)
    if broken:
        return broken_text(broken, call.decision_id)
    if decided is not None and decided.recovery is Recovery.SWITCH_TOOL:
        return switched_text(call.tool, decided.tool, call.decision_id)
    return ""
