"""Limits: how they are written, which hold when nothing is said, how layers become one set.

Not here: the arithmetic of spending (`core.budgets`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from holdfast.compose.config.model import LimitSetting, LimitSettings, LoopSettings
from holdfast.compose.config.nodes import Node, NodeKind
from holdfast.compose.config.problems import key_path, suggestion
from holdfast.compose.config.shapes import INVALID, Reading, Usd, Whole, is_scalar, mismatch
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.money import NUSD_PER_USD
from holdfast.model.sessions import LoopLimits, SessionProfile

LIFTED = "none"
DEFAULT_ALERTS = (50, 80, 100)
MONEY = (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT)
WINDOWS = (Window.HOUR, Window.DAY, Window.CALENDAR_DAY, Window.CALENDAR_MONTH)


def _usd(cents: int) -> int:
    return cents * NUSD_PER_USD // 100


def _setting(
    dimension: Dimension, window: Window, amount: int, alerts: tuple[int, ...] | None = None
) -> LimitSetting:
    return LimitSetting(dimension=dimension, window=window, amount=amount, alerts=alerts)


BUILTIN_LIMITS: Mapping[Scope, LimitSettings] = {
    Scope.TASK: (
        _setting(Dimension.USD_IN, Window.LIFE, _usd(50)),
        _setting(Dimension.USD_OUT, Window.LIFE, _usd(100)),
        _setting(Dimension.TOOL_CALLS, Window.LIFE, 25),
    ),
    # 40 % of five dollars is the warning at two.
    Scope.SESSION: (_setting(Dimension.USD, Window.LIFE, _usd(500), (40, 50, 80, 100)),),
    Scope.USER: (
        _setting(Dimension.USD, Window.HOUR, _usd(500)),
        _setting(Dimension.USD, Window.DAY, _usd(3000)),
    ),
    Scope.PROJECT: (
        _setting(Dimension.TOKENS, Window.CALENDAR_DAY, 20_000_000),
        _setting(Dimension.TOKENS, Window.CALENDAR_MONTH, 400_000_000),
    ),
    Scope.TENANT: (
        _setting(Dimension.USD, Window.CALENDAR_DAY, _usd(50_000)),
        _setting(Dimension.USD, Window.CALENDAR_MONTH, _usd(1_000_000)),
    ),
}


class AlertList(msgspec.Struct, frozen=True):
    """Percents of a limit at which an alert is journalled, rising."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A tuple of percents."""
        expects = "rising percents from 1 to 100 such as `[50, 80, 100]`"
        if node.kind is not NodeKind.LIST or len(node.items) > 100:
            return mismatch(node, reading, path, expects)
        percent = Whole(least=1, most=100)
        found = [percent.read(n, reading, f"{path}[{i}]") for i, n in enumerate(node.items)]
        if INVALID in found:
            return INVALID
        if found != sorted(set(found)):
            return reading.problem(node, path, f"expected {expects}")
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        """An array of percents."""
        percent = {"type": "integer", "minimum": 1, "maximum": 100}
        return {"type": "array", "items": percent, "uniqueItems": True, "maxItems": 100}


class LimitsShape(msgspec.Struct, frozen=True):
    """The `limits` of one scope.

    Task and session: `usd: 5.00` over the whole life. User, project, tenant: `usd: {hour: 5}`.
    Each amount may be `{max: 5, alerts: [50, 100]}` or `none`, which lifts the limit.
    """

    scope: Scope

    @property
    def windowed(self) -> bool:
        """Whether amounts stand under a window."""
        return self.scope not in (Scope.TASK, Scope.SESSION)

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A tuple of LimitSetting."""
        if node.kind is not NodeKind.MAP:
            return mismatch(node, reading, path, "a mapping such as `{usd: …}`")
        before = len(reading.problems)
        found: list[LimitSetting] = []
        known = {str(d): d for d in Dimension}
        for key, value in node.entries:
            below = key_path(path, key.text)
            reading.places[below] = key
            if key.text not in known:
                reading.problem(key, below, f"unknown limit{suggestion(key.text, known)}")
            elif self.windowed:
                found.extend(self._over_windows(value, reading, below, known[key.text]))
            else:
                life = (known[key.text], Window.LIFE)
                found.extend(_amount(value, reading, below, *life))
        return INVALID if len(reading.problems) > before else tuple(found)

    def _over_windows(
        self, node: Node, reading: Reading, path: str, dimension: Dimension
    ) -> Iterator[LimitSetting]:
        if is_scalar(node) and node.text == LIFTED:
            yield LimitSetting(dimension=dimension, window=None, amount=None)
            return
        known = {str(w): w for w in WINDOWS}
        if node.kind is not NodeKind.MAP:
            windows = ", ".join(known)
            expects = f"`none` or a mapping from a window ({windows}) to an amount"
            mismatch(node, reading, path, expects)
            return
        for key, value in node.entries:
            below = key_path(path, key.text)
            reading.places[below] = key
            if key.text not in known:
                reading.problem(key, below, f"unknown window{suggestion(key.text, known)}")
            else:
                yield from _amount(value, reading, below, dimension, known[key.text])

    def schema(self) -> dict[str, Any]:
        """A closed object of the seven dimensions."""
        properties = {}
        for dimension in Dimension:
            amount = _amount_schema(dimension)
            if self.windowed:
                windows = {
                    "type": "object",
                    "properties": {str(w): amount for w in WINDOWS},
                    "additionalProperties": False,
                }
                amount = {"anyOf": [windows, {"const": LIFTED}]}
            properties[str(dimension)] = amount
        return {"type": "object", "properties": properties, "additionalProperties": False}


def _plain(dimension: Dimension) -> Usd | Whole:
    return Usd() if dimension in MONEY else Whole()


def _amount_schema(dimension: Dimension) -> dict[str, Any]:
    plain = _plain(dimension).schema()
    choices = plain.get("anyOf", [plain])
    lifted = {"const": LIFTED}
    long = {
        "type": "object",
        "properties": {
            "max": {"anyOf": [*choices, lifted]},
            "alerts": AlertList().schema(),
        },
        "required": ["max"],
        "additionalProperties": False,
    }
    return {"anyOf": [*choices, lifted, long]}


def _amount(
    node: Node, reading: Reading, path: str, dimension: Dimension, window: Window
) -> Iterator[LimitSetting]:
    alerts: Any = None
    amount_node, amount_path = node, path
    if node.kind is NodeKind.MAP:
        entries = {key.text: (key, value) for key, value in node.entries}
        for word, (key, _) in entries.items():
            if word not in ("max", "alerts"):
                hint = suggestion(word, ("max", "alerts"))
                reading.problem(key, key_path(path, word), f"unknown key{hint}")
        if "alerts" in entries:
            alerts = AlertList().read(entries["alerts"][1], reading, f"{path}.alerts")
        if "max" not in entries:
            reading.problem(node, path, "the key `max` is missing: the amount of this limit")
            return
        amount_node, amount_path = entries["max"][1], f"{path}.max"
    amount: Any = None
    if not (is_scalar(amount_node) and amount_node.text == LIFTED):
        amount = _plain(dimension).read(amount_node, reading, amount_path)
    if amount is not INVALID and alerts is not INVALID:
        yield LimitSetting(dimension=dimension, window=window, amount=amount, alerts=alerts)


def compile_limits(scope: Scope, layers: Iterable[LimitSettings]) -> tuple[Limit, ...]:
    """One set of limits from layers, the outermost (most general) first; later lines win."""
    found: dict[tuple[Dimension, Window], Limit] = {}
    for layer in layers:
        for line in layer:
            if line.amount is None:
                for key in [k for k in found if k[0] is line.dimension]:
                    if line.window in (None, key[1]):
                        del found[key]
            elif line.window is not None:
                key = (line.dimension, line.window)
                below = found[key].alerts if key in found else DEFAULT_ALERTS
                alerts = below if line.alerts is None else line.alerts
                found[key] = Limit(
                    scope=scope, dimension=key[0], window=key[1], amount=line.amount, alerts=alerts
                )
    dimensions, windows = list(Dimension), list(Window)
    order = sorted(found, key=lambda k: (dimensions.index(k[0]), windows.index(k[1])))
    return tuple(found[key] for key in order)


# A person sits there and types: a day of work, counted by what was asked for.
_INTERACTIVE = LoopSettings(
    max_turns=200, warn_turns=20, alert_turns=25, wall_clock_s=12 * 3600, turn_timeout_s=600
)
_BY_THE_PROMPT = (Dimension.TOOL_CALLS, Dimension.TURNS)


def loop_defaults(loop: LoopLimits) -> LimitSettings:
    """The session's limits on turns, tool calls and seconds that follow from its loop guard."""
    return (
        _setting(Dimension.TOOL_CALLS, Window.LIFE, loop.max_tool_calls),
        _setting(Dimension.TURNS, Window.LIFE, loop.max_turns),
        _setting(Dimension.SECONDS, Window.LIFE, loop.wall_clock_s),
    )


def lifted(scope: Scope, loop: LoopLimits) -> LimitSettings:
    """What no account of a task or session limits where the loop guard counts by the prompt."""
    if not loop.each_prompt or scope not in (Scope.TASK, Scope.SESSION):
        return ()
    return tuple(LimitSetting(dimension=d, window=None, amount=None) for d in _BY_THE_PROMPT)


def compile_loop(
    shared: LoopSettings,
    own: LoopSettings | None = None,
    profile: SessionProfile = SessionProfile.AUTONOMOUS,
) -> tuple[LoopLimits, str]:
    """The loop guard of the file's defaults, of a profile, and of what an agent says itself.

    The second value is what does not fit, empty if all does. A layer that moves `max_turns` alone
    moves the warning and the alert in proportion.
    """
    interactive = profile is SessionProfile.INTERACTIVE
    loop = LoopLimits(each_prompt=interactive)
    for layer in (shared, _INTERACTIVE if interactive else None, own):
        if layer is None:
            continue
        given = {k: v for k, v in msgspec.structs.asdict(layer).items() if v is not None}
        if "max_turns" in given:
            given.setdefault("warn_turns", given["max_turns"] * 2 // 3)
            given.setdefault("alert_turns", given["max_turns"] * 5 // 6)
        loop = msgspec.structs.replace(loop, **given)
    if not loop.warn_turns <= loop.alert_turns <= loop.max_turns:
        return loop, (
            f"expected warn_turns <= alert_turns <= max_turns, found {loop.warn_turns}, "
            f"{loop.alert_turns}, {loop.max_turns}"
        )
    if loop.stall_distinct >= loop.stall_window:
        return loop, (
            f"expected stall_distinct < stall_window, found {loop.stall_distinct} and "
            f"{loop.stall_window}"
        )
    return loop, ""
