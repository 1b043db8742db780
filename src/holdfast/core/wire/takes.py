"""What one upstream takes of a request that the table lets pass; the rest stays here.

Vendors that carry the Messages API lag behind it and refuse what they do not know. What only makes
a request cheaper or quicker is dropped for them; what says something else is refused, and so is
everything where the operator says `untaken: refuse`.
"""

from collections.abc import Mapping

import msgspec

from holdfast.core.wire.betas import Betas
from holdfast.core.wire.reading import NotInTable, Walked, shown, spelt_steps
from holdfast.core.wire.splicing import Change

_SHARED = """
computer-use-2024-10-22 computer-use-2025-01-24 computer-use-2025-11-24
interleaved-thinking-2025-05-14 token-efficient-tools-2025-02-19 output-128k-2025-02-19
context-1m-2025-08-07 context-management-2025-06-27 dev-full-thinking-2025-05-14
effort-2025-11-24 tool-search-tool-2025-10-19 tool-examples-2025-10-29
fine-grained-tool-streaming-2025-05-14 extended-cache-ttl-2025-04-11 claude-code-20250219
"""
_LIGHT = frozenset(
    {"defer_loading", "diagnostics", "eager_input_streaming", "fallback_credit_token", "scope"}
    | {"service_tier", "speed"}
)
_HEAVY = frozenset(
    {"compaction", "container", "fallbacks", "inference_geo", "mcp_servers", "thread"}
)


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """What one upstream takes: `betas` (None: all that the table sends on), and what it does not.

    Fields in `dropped` are taken out, those in `refused` refuse the request; `strict`: so does
    everything that would be dropped.
    """

    betas: frozenset[str] | None = None
    dropped: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    strict: bool = False


ALL = Takes()
VENDORS: Mapping[str, Takes] = {
    "anthropic": ALL,
    "bedrock": Takes(betas=frozenset(_SHARED.split()), dropped=_LIGHT, refused=_HEAVY),
    "vertex": Takes(
        betas=frozenset([*_SHARED.split(), "web-search-2025-03-05"]), dropped=_LIGHT, refused=_HEAVY
    ),
}
"""What each vendor takes where the operator says nothing."""


class Fitted(msgspec.Struct, frozen=True):
    """A request as one upstream gets it: the betas as one header, what is taken out of the body."""

    betas: str
    changes: tuple[Change, ...]


def fitted(fields: Mapping[str, object], asks: Walked, betas: Betas, takes: Takes) -> Fitted:
    """Fit a request to an upstream; `asks` is what a walk of its `fields` gathered.

    Errors: NotInTable for what may not be left out.
    """
    sent = [name for name in betas.sent if takes.betas is None or name in takes.betas]
    left_out = [name for name in betas.sent if name not in sent]
    if takes.strict and left_out:
        raise NotInTable(f"this upstream does not take the beta `{shown(left_out[0])}`")
    drops = list(asks.drops)
    # Betas travel in the header alone, whoever named them; dialects put them where they belong.
    drops += [(name,) for name in ("anthropic_beta", "anthropic_version") if name in fields]
    for name in (*takes.refused, *takes.dropped):
        places = _places(name, asks, fields)
        if places and (takes.strict or name in takes.refused):
            raise NotInTable(f"this upstream does not take `{spelt_steps(places[0])}`")
        drops += places
    return Fitted(",".join(sent), tuple(Change(steps) for steps in dict.fromkeys(drops)))


def _places(name: str, asks: Walked, fields: Mapping[str, object]) -> list[tuple[str | int, ...]]:
    at_top: list[tuple[str | int, ...]] = [(name,)] if fields.get(name) is not None else []
    return at_top + asks.marked.get(name, [])
