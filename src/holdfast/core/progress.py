"""The loop guard: turns, calls, repeats, stalls, cycles, and refusals that nothing follows from.

A call brings news when it has not been made with these arguments before, or returned something
else than before: an edit, the next page, a build that went on. What changes by itself (a clock, an
id, a bar of progress) is none (`core/news`). Only calls since the last news can
make a loop. A loop is refused, and the session goes on; what ends it is to be refused time after
time, or to have had all its turns. Refused calls are no loop: nothing ran.

Pure: `step` functions take the time and return what was found. A finding only alerts, refuses one
call, or stops the session; all carry a sentence that the model or the user can read.
"""

import enum
from collections import Counter
from collections.abc import Collection
from itertools import islice
from typing import ClassVar, TypeVar

import msgspec

from holdfast.core.sparse import Sparse
from holdfast.model.bodies import LoopAlert
from holdfast.model.sessions import LoopLimits

T = TypeVar("T")
_NS = 1_000_000_000
_CYCLE_PERIODS = (2, 3, 4)
_CYCLE_REPEATS = 4
_FAILURES_MAX = 10
_FAILURES_WINDOW_NS = 600 * _NS
_HISTORY = 64
_REMEMBERED = 10_000
FINAL_REFUSALS = 3
REFUSALS_IN_A_ROW = 25
LOOP_DETECTED = "loop_detected"
ASKED = "approval_pending"
"""A refusal until a person answers: the same call may well be allowed then."""
# Refusals that say nothing of the call: the same one may well be allowed in a moment.
_PASSING = frozenset(
    {
        "policy_unavailable",
        "effect_in_flight",
        "budget_exceeded",
        "call_withdrawn",
        "session_stopped",
    }
)


class Response(enum.StrEnum):
    """What a finding is answered with."""

    ALERT = "alert"
    DENY = "deny"
    STOP = "stop"


class Finding(msgspec.Struct, frozen=True):
    """Something the loop guard saw, and what it is answered with."""

    code: str
    text: str
    response: Response

    @property
    def stops(self) -> bool:
        """Whether it ends the session."""
        return self.response is Response.STOP

    def told(self) -> LoopAlert:
        """As the journal keeps it."""
        return LoopAlert(code=self.code, text=self.text, stops=self.stops)


class Progress(Sparse):
    """What one session has been doing lately."""

    _calls: list[tuple[int, str]]
    """Calls that may run, and `_stale` results that were seen before, since the last news."""
    _stale: list[tuple[int, str]]
    _seen: set[tuple[str, str]]
    _outputs: Counter[str]
    _news: list[bool]
    _failures: list[int]
    _refusals: Counter[str]
    _given_up: set[str]
    """Calls that failed and that a hook gave up."""

    EMPTY: ClassVar = {
        **dict.fromkeys(("_calls", "_stale", "_news", "_failures"), list),
        **dict.fromkeys(("_seen", "_given_up"), set),
        "_outputs": Counter,
        "_refusals": Counter,
    }
    __slots__ = (*EMPTY, "_allowed", "_in_a_row", "_limits", "_stale_in_a_row", "turns")

    def __init__(self, limits: LoopLimits) -> None:
        self._limits = limits
        # Results in a row that were seen before, however far apart.
        self._stale_in_a_row = 0
        self._in_a_row = 0
        self._allowed = 0
        self.turns = 0

    def prompted(self) -> None:
        """The user said something new: what was refused may be asked anew.

        In a session whose turns and calls are counted by the prompt, they begin again.
        """
        self._refusals.clear()
        self._given_up.clear()
        self._in_a_row = 0
        if self._limits.each_prompt:
            self.turns = self._allowed = 0

    def turn_ahead(self) -> list[Finding]:
        """One more model call is asked for; it counts once it is taken."""
        limits, ahead = self._limits, self.turns + 1
        for_what = " for one prompt" if limits.each_prompt else ""
        if ahead > limits.max_turns:
            text = f"the session has had its {limits.max_turns} turns{for_what}"
            return [Finding("loop.turns", text, Response.STOP)]
        if ahead == limits.alert_turns + 1:
            text = f"more than {limits.alert_turns} turns{for_what}"
            return [Finding("loop.turns_alert", text, Response.ALERT)]
        if ahead == limits.warn_turns:
            text = f"{ahead} turns so far{for_what}"
            return [Finding("loop.turns_warning", text, Response.ALERT)]
        return []

    def turn_taken(self) -> None:
        """The provider answered: the turn counts."""
        self.turns += 1

    def failure(self, now_ns: int) -> None:
        """The provider failed one attempt."""
        _keep(self._failures, now_ns, _FAILURES_MAX)

    def retrying(self, now_ns: int) -> Finding | None:
        """Too many failed attempts in a short time: retrying is not going to help."""
        recent = sum(1 for at in self._failures if now_ns - at < _FAILURES_WINDOW_NS)
        if recent < _FAILURES_MAX:
            return None
        text = f"{recent} model calls failed within {_FAILURES_WINDOW_NS // _NS // 60} minutes"
        return Finding("loop.retries", text, Response.DENY)

    def call(self, tool: str, digest: str, now_ns: int) -> list[Finding]:
        """One more tool call is asked for; it counts until it is refused (`decided`)."""
        signature = f"{tool} {digest}"
        if signature in self._given_up:
            text = (
                "a hook gave this very call up when it failed; it is not made again until the user"
                " says something new"
            )
            return [Finding("loop.given_up", text, Response.DENY)]
        if self._refusals[signature] >= FINAL_REFUSALS:
            text = (
                f"this very call was refused {FINAL_REFUSALS} times; it is not decided again until"
                " the user says something new"
            )
            return [Finding("loop.refused", text, Response.DENY)]
        limits = self._limits
        # Long enough for every limit that counts over them.
        kept = max(_HISTORY, 2 * limits.repeat_calls, limits.stall_window)
        _keep(self._calls, (now_ns, signature), kept)
        since = now_ns - limits.repeat_window_s * _NS
        found = [
            self._stalled(signature, since),
            self._cycling(since),
            self._repeating(tool, signature, since),
        ]
        return [finding for finding in found if finding is not None]

    def _repeating(self, tool: str, signature: str, since: int) -> Finding | None:
        limits = self._limits
        count = sum(1 for at, s in self._calls if s == signature and at > since)
        text = (
            f"`{tool}` was called {count} times alike within {limits.repeat_window_s} s and brought"
            " nothing new; wait before you look again, or do something else"
        )
        if count >= 2 * limits.repeat_calls:
            return Finding("loop.repeats", text, Response.DENY)
        if count == limits.repeat_calls:
            return Finding("loop.repeats_alert", text, Response.ALERT)
        return None

    def _stalled(self, signature: str, since: int) -> Finding | None:
        """The last results were all seen before, hold few distinct calls, and here is one more."""
        limits = self._limits
        recent = [s for at, s in self._stale if at > since]
        distinct = set(recent)
        full = 0 < limits.stall_window <= len(recent)
        if not full or len(distinct) > limits.stall_distinct or signature not in distinct:
            return None
        text = (
            f"the last {len(recent)} results were all seen before and come of only"
            f" {len(distinct)} distinct calls; wait before you look again, or do something else"
        )
        return Finding("loop.stall", text, Response.DENY)

    def _cycling(self, since: int) -> Finding | None:
        latest = (s for at, s in reversed(self._calls) if at > since)
        recent = list(islice(latest, _CYCLE_PERIODS[-1] * _CYCLE_REPEATS))[::-1]
        for period in _CYCLE_PERIODS:
            span = period * _CYCLE_REPEATS
            tail = recent[-span:]
            cycle = tail[:period]
            if len(tail) < span or len(set(cycle)) < period:
                continue
            if all(tail[i] == cycle[i % period] for i in range(span)):
                text = (
                    f"the same {period} tool calls came {_CYCLE_REPEATS} times and brought nothing"
                    " new; do something else"
                )
                return Finding("loop.cycle", text, Response.DENY)
        return None

    def decided(
        self, tool: str, digest: str, *, allowed: bool, codes: Collection[str] = ()
    ) -> Finding | None:
        """What became of a call that was asked for; `codes` are those of the reasons against it.

        Alerts where a prompt has brought more calls than is usual; stops a session that does
        nothing but ask for what is refused.
        """
        signature = f"{tool} {digest}"
        if not allowed:
            return self._refused(signature, codes)
        self._refusals.pop(signature, None)
        self._in_a_row = 0
        self._allowed += 1
        limits = self._limits
        if not limits.each_prompt or self._allowed != limits.max_tool_calls + 1:
            return None
        text = f"more than {limits.max_tool_calls} tool calls for one prompt"
        return Finding("loop.calls_alert", text, Response.ALERT)

    def _refused(self, signature: str, codes: Collection[str]) -> Finding | None:
        for at in range(len(self._calls) - 1, -1, -1):
            if self._calls[at][1] == signature:
                del self._calls[at]
                break
        if not _PASSING.isdisjoint(codes):
            return None
        if LOOP_DETECTED not in codes and ASKED not in codes:
            if len(self._refusals) >= _REMEMBERED:
                self._refusals.clear()
            self._refusals[signature] += 1
        self._in_a_row += 1
        if self._in_a_row < REFUSALS_IN_A_ROW:
            return None
        text = f"{self._in_a_row} tool calls in a row were refused"
        return Finding("loop.refusals", text, Response.STOP)

    def given_up(self, tool: str, digest: str) -> None:
        """It failed, and is not to be tried again."""
        if len(self._given_up) >= _REMEMBERED:
            self._given_up.clear()
        self._given_up.add(f"{tool} {digest}")

    def outcome(self, tool: str, digest: str, output: str, now_ns: int) -> Finding | None:
        """A tool call returned; alerts once when a whole window brought nothing new.

        `digest` and `output` are the digests of its arguments and of what it returned, the latter
        without what changes by itself. Alive and never further, a session is stopped in the end.
        """
        signature = f"{tool} {digest}"
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        if (signature, output) in self._seen:
            _keep(self._stale, (now_ns, signature), self._limits.stall_window)
            self._stale_in_a_row += 1
        else:
            self._stale_in_a_row = 0
            self._seen.add((signature, output))
            self._stale.clear()
            self._calls.clear()
        if self._stale_in_a_row >= self._limits.no_news_stop:
            text = (
                f"the last {self._stale_in_a_row} results were all seen before; a new session goes"
                " on, with another task or a higher `loop.no_news_stop`"
            )
            return Finding("loop.no_progress", text, Response.STOP)
        return self._old_news(output)

    def _old_news(self, output: str) -> Finding | None:
        if len(self._outputs) >= _REMEMBERED:
            self._outputs.clear()
        self._outputs[output] += 1
        _keep(self._news, self._outputs[output] == 1, self._limits.no_news_alert)
        if len(self._news) == self._limits.no_news_alert and not any(self._news):
            self._news.clear()
            text = f"the last {self._limits.no_news_alert} results were all seen before"
            return Finding("loop.no_news", text, Response.ALERT)
        return None


def _keep(kept: list[T], one: T, most: int) -> None:
    """Add one to the last ones, of which there are at most so many."""
    kept.append(one)
    del kept[: max(len(kept) - most, 0)]
