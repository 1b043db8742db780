"""When a context is too full, what is then given up, and how it is seen that a client gave up some.

What is counted is the provider's own usage of the last call. The task's text is never given up:
the loop puts it first again, byte for byte. Taint and permits live on the server and survive.
Not here: making a summary (a model call, `integrations/native`).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec

from holdfast.core.sparse import Sparse
from holdfast.model.bodies import ModelCallSettled
from holdfast.model.hooks import Strategy

_MOST_CONTEXTS = 64
_MOST_TOLD = 4_096
_MOST_CONVERSATIONS = 8
# With fewer there was no answer in it yet, and nothing to give up.
_LEAST_MESSAGES = 3


class ContextSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent's `context`, as JSON in the run's plan.

    `window_tokens` 0: of a run nothing is known, and only the provider's own refusal counts as
    full; of a session the model's price says it. From `alert_percent` of it on somebody is told,
    once a run; in a session that is no run, each time that its context comes to that.
    `limit_percent` of it starts `strategy`; `keep_turns` last answers always stay.
    `prune_tool_results` is followed by `keep_last` where it no longer helps. `summary_model` empty
    is the run's own; its answer has at most `summary_tokens`.
    """

    window_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    alert_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80
    limit_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80
    strategy: Strategy = "prune_tool_results"
    keep_turns: Annotated[int, msgspec.Meta(ge=1)] = 5
    summary_model: str = ""
    summary_tokens: Annotated[int, msgspec.Meta(ge=1)] = 1_024


class ContextUse(Sparse):
    """How full the contexts of one session are, after the last answer in each.

    A sub-agent of the client has a context of its own, and a side call without tools (a title, a
    summary) is none of the conversation: each is told apart by its path and by having tools. Only
    of the latest the fill is kept; of the others, whether they stand above the mark.
    """

    _percents: dict[tuple[str, bool], int]
    _told: dict[tuple[str, bool], None]
    _shown: dict[tuple[str, bool], dict[str, int]]
    """By context: how many messages each conversation was shown with at most, by how it begins."""

    EMPTY: ClassVar = dict.fromkeys(("_percents", "_told", "_shown"), dict)
    __slots__ = tuple(EMPTY)

    def answered(self, path: str, percent: int, alert_percent: int, *, tools: bool) -> bool:
        """Take in one answer; whether this context came to be as full as `alert_percent` by it."""
        key = (path, tools)
        self._percents.pop(key, None)
        self._percents[key] = percent
        if len(self._percents) > _MOST_CONTEXTS:
            del self._percents[next(iter(self._percents))]
        above = bool(alert_percent) and percent >= alert_percent
        told = key in self._told
        self._told.pop(key, None)
        if above:
            self._told[key] = None
            if len(self._told) > _MOST_TOLD:
                del self._told[next(iter(self._told))]
        return above and not told

    def smaller(self, path: str, opens: str, messages: int, *, tools: bool) -> "Smaller | None":
        """Take in how one request begins and how many messages it shows; what the client gave up.

        A conversation only grows, and begins as it began. One that begins otherwise and is no
        longer than the last one is another in its place: what was left of it after its client gave
        up the rest, or a new one. One that comes back is none, nor is one that goes back a few
        messages. No word of the client is needed for it.
        """
        if not opens:
            return None
        key = (path, tools)
        known = self._shown.setdefault(key, {})
        before = next(reversed(known.values()), 0)
        fresh = opens not in known
        known[opens] = max(known.pop(opens, 0), messages)
        if len(known) > _MOST_CONVERSATIONS:
            del known[next(iter(known))]
        if len(self._shown) > _MOST_CONTEXTS:
            del self._shown[next(iter(self._shown))]
        if not fresh or before < _LEAST_MESSAGES or messages > before:
            return None
        return Smaller(before, messages, self._percents.get(key, 0))

    def recorded(self, body: ModelCallSettled, alert_percent: int = 0) -> None:
        """Take in one answer as it was settled, which was told of then."""
        self.carried_on(body)
        if body.context_percent is not None:
            path, tools = body.agent_path, bool(body.tools)
            self.answered(path, body.context_percent, alert_percent, tools=tools)

    def carried_on(self, body: ModelCallSettled) -> None:
        """Take in how the conversation was shown, here or in the session that this continues."""
        self.smaller(body.agent_path, body.opens, body.messages, tools=bool(body.tools))

    @property
    def percent(self) -> int:
        """Of the conversation itself; 0 before its first answer."""
        for key in (("", True), ("", False)):
            if key in self._percents:
                return self._percents[key]
        return next(iter(self._percents.values()), 0)


class Smaller(msgspec.Struct, frozen=True):
    """A conversation of `before` messages that its client shows with `messages` that begin anew.

    `percent`: how full the context was before.
    """

    before: int
    messages: int
    percent: int


class Due(msgspec.Struct, frozen=True):
    """A compaction that is due, at so many percent of the window."""

    strategy: Strategy
    keep_from_turn: int
    percent: int


def context_percent(settings: ContextSettings, usage: Mapping[str, Any]) -> int:
    """How full the window was after a call with this usage; 0 where the window is not known."""
    names = (
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
    )
    tokens = sum(int(usage.get(name) or 0) for name in names)
    return tokens * 100 // settings.window_tokens if settings.window_tokens else 0


def compaction_due(
    settings: ContextSettings,
    kept: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    pruned_before: int,
    full: bool,
) -> Due | None:
    """What is to be given up now, or None.

    `kept` are turn and usage of every answer still in the conversation, oldest first. `full`: the
    provider itself refused the conversation as too long.
    """
    if not kept:
        return None
    percent = context_percent(settings, kept[-1][1])
    if not full and percent < settings.limit_percent:
        return None
    percent = 100 if full else percent
    strategy = settings.strategy
    if strategy == "end":
        return Due(strategy, 0, percent)
    if strategy == "hand_off":
        return Due(strategy, kept[-1][0] + 1, percent)
    keep = max(1, settings.keep_turns)
    keep_from = kept[-keep][0] if len(kept) > keep else kept[0][0]
    if strategy == "prune_tool_results":
        if keep_from > max(pruned_before, kept[0][0]):
            return Due(strategy, keep_from, percent)
        strategy = "keep_last"
    if keep_from > kept[0][0]:
        return Due(strategy, keep_from, percent)
    # Nothing more can go without tearing the last turns: only a provider's refusal ends the run.
    return Due("end", 0, percent) if full else None
