"""What one answer used, read from every report of usage that it holds.

Counts only grow: of two readings the dearer wins, whichever came later, so that no event can make
an answer cheaper than an earlier one said. Every field of usage is known here or named as unread;
what is unread is never taken for free.

Not here: events (`core/stream`), prices (`core/prices`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from holdfast.model.money import Sampled, Served, Usage

# No answer has more of anything; a count beyond it must not overflow a store.
_COUNT_MAX = 1_000_000_000
_UNREAD_MAX = 20
_ITERATIONS_MAX = 1_000
_NAME_MAX = 100
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens")
_WRITTEN = "cache_creation_input_tokens"
_SPLIT = {"ephemeral_5m_input_tokens": "5m", "ephemeral_1h_input_tokens": "1h"}
_COUNTED = frozenset({*_COUNTS, _WRITTEN, "cache_creation"})
_PREMIUMS = ("speed", "inference_geo", "service_tier")
# These say how other figures came about, or what is taken off the bill, and add nothing to it.
_INERT = frozenset({"output_tokens_details", "fallback_credit"})
_SAMPLINGS = frozenset({"message", "compaction", "advisor_message", "fallback_message"})
# After these the provider wrote all that it meant to write.
_COMPLETE = frozenset({"end_turn", "tool_use", "stop_sequence", "pause_turn", "compaction"})


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter shows at one moment; the fields are those of `Metered`.

    `ended`: it is the whole answer; `failed`: the provider ended it by an error.
    """

    usage: Usage = Usage()
    served: Served = Served()
    message_id: str = ""
    stop_reason: str = ""
    saw_usage: bool = False
    final: bool = False
    ended: bool = False
    failed: bool = False
    opened: bool = False
    output_bytes: int = 0


Metering = Callable[[], tuple[Usage, int]]
"""What an answer used so far: usage as the provider named it, and bytes of output that came."""


class Metered:
    """Usage and output of one answer so far.

    `output_bytes` counts the UTF-8 bytes of text, thinking and tool calls, never fewer than the
    visible tokens. `opened`: some block of output began. `deltas` counts content events. `torn`: a
    reason to stop was told that is not one of a whole answer.
    """

    def __init__(self, *, cached_1h: bool) -> None:
        self._cached_1h = cached_1h
        self._counts = _Counts()
        self._tools: dict[str, int] = {}
        self._apart: dict[tuple[str, str], list[_Counts]] = {}
        self._premiums: set[str] = set()
        self._unread: set[str] = set()
        self._named_input = self._named_output = False
        self._model = ""
        self.message_id = ""
        self.stop_reason = ""
        self.torn = self.ended = self.failed = self.opened = False
        self.output_bytes = 0
        self.deltas = 0

    def named(self, message_id: object, model: object) -> None:
        """Who answers, under which id."""
        self.message_id = message_id if isinstance(message_id, str) else self.message_id
        if isinstance(model, str):
            self._model = model[:_NAME_MAX]

    def stopped(self, reason: object) -> None:
        """Why the model stopped; a reason that nobody knows is none of a whole answer."""
        if reason is None:
            return
        self.stop_reason = reason[:_NAME_MAX] if isinstance(reason, str) else "unreadable"
        self.torn = self.torn or self.stop_reason not in _COMPLETE

    def take(self, usage: object, *, final: bool) -> None:
        """Take over what the provider reports; what it reported before never shrinks."""
        if usage is None:
            return
        if not isinstance(usage, dict):
            self._doubt("usage")
            return
        for name in self._counts.take(usage):
            self._doubt(name)
        for name, value in usage.items():
            if name in _COUNTED or name in _INERT or value is None:
                continue
            if name in _PREMIUMS:
                self._take_premium(name, value)
            elif name == "server_tool_use":
                self._take_tools(value)
            elif name == "iterations":
                self._take_iterations(value)
            elif _says_something(value):
                self._doubt(name)
        self._named_input = self._named_input or _is_count(usage.get("input_tokens"))
        told = final and _is_count(usage.get("output_tokens"))
        self._named_output = self._named_output or told

    def _doubt(self, name: str) -> None:
        if len(self._unread) < _UNREAD_MAX:
            self._unread.add(name[:_NAME_MAX])

    def _take_premium(self, name: str, value: object) -> None:
        if isinstance(value, str) and len(self._premiums) < _UNREAD_MAX:
            self._premiums.add(f"{name}.{value}"[:_NAME_MAX])
        else:
            self._doubt(name)

    def _take_tools(self, told: object) -> None:
        if not isinstance(told, dict):
            self._doubt("server_tool_use")
            return
        for name, value in told.items():
            if _is_count(value):
                tool = name.removesuffix("_requests")[:_NAME_MAX]
                if value and (tool in self._tools or len(self._tools) < _UNREAD_MAX):
                    self._tools[tool] = max(self._tools.get(tool, 0), min(value, _COUNT_MAX))
                    continue
            if _says_something(value):
                self._doubt(f"server_tool_use.{name}")

    def _take_iterations(self, told: object) -> None:
        if not isinstance(told, list) or len(told) > _ITERATIONS_MAX:
            self._doubt("iterations")
            return
        seen: dict[tuple[str, str], int] = {}
        for one in told:
            if not isinstance(one, dict):
                self._doubt("iterations")
                continue
            kind, model = one.get("type"), one.get("model")
            if kind not in _SAMPLINGS or not isinstance(model, str | None):
                self._doubt("iterations.type" if kind not in _SAMPLINGS else "iterations.model")
            key = (str(kind)[:_NAME_MAX], str(model or "")[:_NAME_MAX])
            known = self._apart.setdefault(key, [])
            at = seen[key] = seen.get(key, -1) + 1
            if at == len(known):
                known.append(_Counts())
            for name in known[at].take(one):
                self._doubt(f"iterations.{name}")
            for name in one.keys() - _COUNTED - {"type", "model"}:
                if name not in _INERT and _says_something(one[name]):
                    self._doubt(f"iterations.{name}")

    def usage(self) -> Usage:
        """What the provider reported so far."""
        counted = self._counts.usage(cached_1h=self._cached_1h)
        return msgspec.structs.replace(counted, server_tool_calls=dict(self._tools))

    def so_far(self) -> tuple[Usage, int]:
        """See `Metering`."""
        return self.usage(), self.output_bytes

    def served(self) -> Served:
        """How it was served, as far as the provider said."""
        return Served(
            model=self._model,
            premiums=tuple(sorted(self._premiums)),
            sampled=tuple(
                Sampled(kind=kind, model=model, usage=one.usage(cached_1h=self._cached_1h))
                for (kind, model), counts in self._apart.items()
                for one in counts
            ),
            unread=tuple(sorted(self._unread)),
        )

    @property
    def saw_usage(self) -> bool:
        """Whether the provider named input; nothing has none at all."""
        prompt = self._counts.usage(cached_1h=False).prompt_tokens
        return self._named_input and (prompt > 0 or bool(self._apart))

    @property
    def final(self) -> bool:
        """Whether it named the final output; none at all beside visible output is no such word."""
        if not self._named_output:
            return False
        return self._counts.most("output_tokens") > 0 or not self.output_bytes

    def reading(self) -> Reading:
        """What stands here now, for whoever settles on it."""
        return Reading(
            usage=self.usage(),
            served=self.served(),
            message_id=self.message_id,
            stop_reason=self.stop_reason,
            saw_usage=self.saw_usage,
            final=self.final,
            ended=self.ended,
            failed=self.failed,
            opened=self.opened,
            output_bytes=self.output_bytes,
        )


class _Counts:
    """The largest count of each kind that any report named."""

    def __init__(self) -> None:
        self._most: dict[str, int] = {}

    def most(self, name: str) -> int:
        """The largest count of this name that was reported, 0 where none was."""
        return self._most.get(name, 0)

    def take(self, fields: Mapping[str, Any]) -> list[str]:
        """Take over a report; the names of what could not be read."""
        unread = [name for name in (*_COUNTS, _WRITTEN) if not self._grow(name, fields.get(name))]
        split = fields.get("cache_creation")
        if split is None:
            return unread
        if not isinstance(split, dict):
            return [*unread, "cache_creation"]
        written = 0
        for name, value in split.items():
            short = _SPLIT.get(name)
            if short is None:
                unread += [f"cache_creation.{name}"] if _says_something(value) else []
                continue
            if not self._grow(short, value):
                unread.append(f"cache_creation.{name}")
            written += min(value, _COUNT_MAX) if _is_count(value) else 0
        self._grow("split", written)
        return unread

    def _grow(self, name: str, value: object) -> bool:
        """Whether the figure was one that can be read, absent ones included."""
        if value is None:
            return True
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        self._most[name] = max(self.most(name), min(value, _COUNT_MAX))
        return 0 <= value <= _COUNT_MAX

    def usage(self, *, cached_1h: bool) -> Usage:
        """As one usage. What was written without a lifetime counts at the dearer one in play."""
        split, hour = self.most("split"), self.most("1h")
        written = max(self.most(_WRITTEN), split)
        if cached_1h or hour:
            hour += written - split
        return Usage(
            input_tokens=self.most("input_tokens"),
            cache_read_tokens=self.most("cache_read_input_tokens"),
            cache_write_5m_tokens=written - hour,
            cache_write_1h_tokens=hour,
            output_tokens=self.most("output_tokens"),
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _says_something(value: object) -> bool:
    """Whether a figure that nobody knows could stand for money: anything but noughts."""
    if isinstance(value, dict):
        return any(_says_something(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_says_something(inner) for inner in value)
    return bool(value)
