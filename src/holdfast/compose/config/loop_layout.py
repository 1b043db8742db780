"""What `loop` may say, under `defaults` and under an agent."""

from holdfast.compose.config.model import LoopSettings
from holdfast.compose.config.shapes import Field, Record, Whole

_COUNT = Whole(least=1, most=1_000_000)
_SECONDS = Whole(least=1, most=31_536_000)

LOOP = Record(
    build=LoopSettings,
    fields={
        "max_turns": Field(_COUNT, "model calls after which the session stops"),
        "warn_turns": Field(_COUNT, "turns at which a warning is journalled"),
        "alert_turns": Field(_COUNT, "turns above which an alert is journalled"),
        "max_tool_calls": Field(_COUNT, "tool calls after which the next one is refused"),
        "turn_timeout_s": Field(_SECONDS, "seconds one model call may take"),
        "wall_clock_s": Field(_SECONDS, "seconds the session may last"),
        "repeat_calls": Field(
            _COUNT, "identical calls without news that alert; at twice as many, refused"
        ),
        "repeat_window_s": Field(_SECONDS, "seconds within which identical calls are counted"),
        "stall_window": Field(_COUNT, "so many results in a row, all seen before, are a stall"),
        "stall_distinct": Field(_COUNT, "from at most so many distinct calls"),
        "no_news_alert": Field(_COUNT, "results, all seen before, of which somebody is told"),
        "no_news_stop": Field(_COUNT, "results in a row, all seen before, that stop the session"),
        "query_bytes": Field(
            Whole(least=0, most=1_000_000),
            "bytes that search queries may carry after untrusted text, then they ask",
        ),
    },
)
