"""The loop guard: turns, calls, repeats, stalls, cycles, and work that brings nothing new.

Pure: `step` functions take the time and return what was found. A finding either only alerts or
stops the session; both carry a sentence that the model or the user can read.
"""

import hashlib
import re
from collections import Counter, deque

import msgspec

from holdfast.model.sessions import LoopLimits

_NS = 1_000_000_000
_CYCLE_PERIODS = (2, 3, 4)
_CYCLE_REPEATS = 4
_NO_NEWS_WINDOW = 8
_FAILURES_MAX = 10
_FAILURES_WINDOW_NS = 600 * _NS
_HISTORY = 64
_NEAR_CHARACTERS = 900
_NUMBERS = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")


class Finding(msgspec.Struct, frozen=True):
    """Something the loop guard saw. `stops` ends the session; otherwise it only alerts."""

    code: str
    text: str
    stops: bool


def near(tool: str, canonical_arguments: str) -> str:
    """A signature that ignores numbers, case and spacing; of bounded length."""
    text = f"{tool} " + _SPACE.sub(" ", _NUMBERS.sub("#", canonical_arguments)).lower()
    if len(text) <= _NEAR_CHARACTERS:
        return text
    return text[:_NEAR_CHARACTERS] + hashlib.sha256(text.encode()).hexdigest()


class Progress:
    """What one session has been doing lately."""

    def __init__(self, limits: LoopLimits) -> None:
        self._limits = limits
        # Long enough for every limit that counts over it.
        kept = max(_HISTORY, 2 * limits.repeat_calls, limits.stall_window)
        self._calls: deque[tuple[int, str, str]] = deque(maxlen=kept)
        self._outputs: Counter[str] = Counter()
        self._news: deque[bool] = deque(maxlen=_NO_NEWS_WINDOW)
        self._failures: deque[int] = deque(maxlen=_FAILURES_MAX)
        self.turns = 0

    def turn_ahead(self) -> list[Finding]:
        """One more model call is asked for; it counts once it is taken."""
        limits, ahead = self._limits, self.turns + 1
        if ahead > limits.max_turns:
            text = f"the session has had its {limits.max_turns} turns"
            return [Finding("loop.turns", text, stops=True)]
        if ahead == limits.alert_turns + 1:
            return [Finding("loop.turns_alert", f"more than {limits.alert_turns} turns", False)]
        if ahead == limits.warn_turns:
            return [Finding("loop.turns_warning", f"{ahead} turns so far", False)]
        return []

    def turn_taken(self) -> None:
        """The provider answered: the turn counts."""
        self.turns += 1

    def failure(self, now_ns: int) -> None:
        """The provider failed one attempt."""
        self._failures.append(now_ns)

    def retrying(self, now_ns: int) -> Finding | None:
        """Too many failed attempts in a short time: retrying is not going to help."""
        recent = sum(1 for at in self._failures if now_ns - at < _FAILURES_WINDOW_NS)
        if recent < _FAILURES_MAX:
            return None
        text = f"{recent} model calls failed within {_FAILURES_WINDOW_NS // _NS // 60} minutes"
        return Finding("loop.retries", text, stops=False)

    def call(self, tool: str, digest: str, near_signature: str, now_ns: int) -> list[Finding]:
        """One more tool call is asked for, allowed or not."""
        self._calls.append((now_ns, f"{tool} {digest}", near_signature))
        found = [self._stalled(), self._cycling(), *self._repeating(tool, now_ns)]
        return [finding for finding in found if finding is not None]

    def _repeating(self, tool: str, now_ns: int) -> list[Finding]:
        limits = self._limits
        signature = self._calls[-1][1]
        since = now_ns - limits.repeat_window_s * _NS
        count = sum(1 for at, s, _ in self._calls if s == signature and at >= since)
        text = f"`{tool}` was called {count} times alike within {limits.repeat_window_s} s"
        if count >= 2 * limits.repeat_calls:
            return [Finding("loop.repeats", text, stops=True)]
        if count == limits.repeat_calls:
            return [Finding("loop.repeats_alert", text, stops=False)]
        return []

    def _stalled(self) -> Finding | None:
        limits = self._limits
        if limits.stall_window <= 0 or len(self._calls) < limits.stall_window:
            return None
        recent = [s for _, s, _ in self._calls][-limits.stall_window :]
        distinct = len(set(recent))
        if distinct > limits.stall_distinct:
            return None
        text = f"the last {len(recent)} tool calls hold only {distinct} distinct ones"
        return Finding("loop.stall", text, stops=True)

    def _cycling(self) -> Finding | None:
        recent = [n for _, _, n in self._calls]
        for period in _CYCLE_PERIODS:
            span = period * _CYCLE_REPEATS
            tail = recent[-span:]
            cycle = tail[:period]
            if len(tail) < span or len(set(cycle)) < period:
                continue
            if all(tail[i] == cycle[i % period] for i in range(span)):
                text = f"the same {period} tool calls came {_CYCLE_REPEATS} times, nearly alike"
                return Finding("loop.cycle", text, stops=True)
        return None

    def outcome(self, output_digest: str) -> Finding | None:
        """A tool call returned; alerts once when a whole window brought nothing new."""
        self._outputs[output_digest] += 1
        self._news.append(self._outputs[output_digest] == 1)
        if len(self._outputs) > 10_000:
            self._outputs.clear()
        if len(self._news) == _NO_NEWS_WINDOW and not any(self._news):
            self._news.clear()
            text = f"the last {_NO_NEWS_WINDOW} results were all seen before"
            return Finding("loop.no_news", text, stops=False)
        return None
