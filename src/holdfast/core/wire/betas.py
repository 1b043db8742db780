"""The table, fourth part: betas, whether a header or the body names them.

A beta that is `dropped` is never sent on: it belongs to other parts of the API, or is not
published, so that nobody could say what it does to a price. What is not in the table is refused.
"""

from collections.abc import Iterable, Mapping

import msgspec

from holdfast.core.wire.admitted import Admitted, Sort
from holdfast.core.wire.reading import NotInTable, shown
from holdfast.core.wire.shapes import Use

_INERT = """
computer-use-2024-10-22 computer-use-2025-01-24 computer-use-2025-11-24
interleaved-thinking-2025-05-14 dev-full-thinking-2025-05-14 thinking-token-count-2026-05-13
thinking-display-updates-2026-08-18 thinking-binding-controls-2026-08-01
context-management-2025-06-27 model-context-window-exceeded-2025-08-26
structured-outputs-2025-11-13 structured-outputs-2025-12-15 task-budgets-2026-03-13
mid-conversation-tool-changes-2026-07-01 mid-conversation-output-config-2026-07-01
mid-conversation-system-clear-at-2026-08-21 mid-conversation-system-2026-04-07
inline-tools-2026-09-15 message-threads-2026-08-12 prompt-caching-2024-07-31 pdfs-2024-09-25
token-counting-2024-11-01 token-efficient-tools-2025-02-19 files-api-2025-04-14
cache-diagnosis-2026-04-07 claude-code-20250219 advanced-tool-use-2025-11-20
tool-examples-2025-10-29 effort-2025-11-24 per-turn-control-2026-07-01
fine-grained-tool-streaming-2025-05-14 prompt-caching-scope-2026-01-05
redact-thinking-2026-02-12 fallback-credit-2026-06-01 fallback-credit-2026-07-01
agent-memory-2026-07-22 web-search-2025-03-05 web-fetch-2025-09-10
"""
# What they open is itself priced, bounded or granted, by the field or tool that it needs.
_PRICED = """
context-1m-2025-08-07 fast-mode-2026-02-01 extended-cache-ttl-2025-04-11
server-side-fallback-2026-06-01 server-side-fallback-2026-07-01 compact-2026-01-12
compact-2026-09-04 output-128k-2025-02-19 output-300k-2026-03-24
"""
_GRANTED = """
mcp-client-2025-04-04 mcp-client-2025-11-20 mcp-client-2026-09-15 code-execution-2025-05-22
code-execution-2025-08-25 advisor-tool-2026-03-01 skills-2025-10-02 tool-search-tool-2025-10-19
mcp-tunnels-2026-06-22
"""
_DROPPED = """
managed-agents-2026-04-01 dreaming-2026-04-21 message-batches-2024-09-24 webhooks-2026-10-07
ce-plugins-2026-09-01 spend-limit-reads-2026-09-26 telemetry-destinations-2026-08-11
admin-user-sign-out-2026-10-08 analytics-usage-cost-2026-08-24
experimental-claude-tag-2026-10-21 ce-user-management-2026-07-13
ce-claude-code-managed-settings-2026-10-06
afk-mode-2026-01-31 auto-mode-classifier-2026-07-16 cache-keepalive-2026-09-03
ccr-byoc-2025-07-29 ccr-triggers-2026-01-30 claude-code-side-query-2026-09-29
context-hint-2026-04-09 dangerous-tool-use-2026-09-03 environments-2025-11-01
mcp-servers-2025-12-04 oauth-2025-04-20 oidc-federation-2026-04-01
program-use-case-ids-2026-09-17 prompt-caching-evict-2026-05-12 request-tags-2026-08-21
resumption-2026-10-08 thinking-resumption-2026-07-17 timing-2026-09-09
tool-provenance-2026-10-26 web-search-results-only-2026-11-15
"""
_REFUSED = """
user-profiles-2026-03-24 user-profiles-2026-08-18 user-profiles-2026-09-04
user-profiles-billing-2026-10-01
"""

BETAS: Mapping[str, Use] = {
    **dict.fromkeys(_INERT.split(), Use.INERT),
    **dict.fromkeys(_PRICED.split(), Use.PRICED),
    **dict.fromkeys(_GRANTED.split(), Use.GRANTED),
    **dict.fromkeys(_DROPPED.split(), Use.DROPPED),
    **dict.fromkeys(_REFUSED.split(), Use.REFUSED),
}
"""Every beta that the table knows."""

WIDER_CONTEXT = "context-1m-2025-08-07"
_NAMED_MAX = 64
ANY = "*"


class Betas(msgspec.Struct, frozen=True):
    """The betas of one request: those to send on, and those that are taken out."""

    sent: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether one widens the context window to a million tokens."""
        return WIDER_CONTEXT in self.sent


def read_betas(header: str, in_body: object, admitted: Admitted) -> Betas:
    """Judge the betas of a header (one line, commas) and of a body's `anthropic_beta` alike.

    Errors: NotInTable for one that nobody knows, or that says who is billed.
    """
    body = in_body if isinstance(in_body, list | tuple) else ()
    named = [part.strip() for part in (*header.split(","), *body) if isinstance(part, str)]
    unique = tuple(dict.fromkeys(name for name in named if name))
    if len(unique) > _NAMED_MAX:
        raise NotInTable(f"`anthropic-beta` names more than {_NAMED_MAX} betas")
    sent, dropped = list[str](), list[str]()
    for name in unique:
        (dropped if _is_dropped(name, admitted) else sent).append(name)
    return Betas(tuple(sent), tuple(dropped))


def _is_dropped(name: str, admitted: Admitted) -> bool:
    use = BETAS.get(name)
    line = admitted.find(Sort.BETA, name)
    if use is None and line is None:
        line = admitted.find(Sort.BETA, ANY)
    if line is not None:
        return line.dropped
    if use is None:
        raise NotInTable(
            f"the beta `{shown(name)}` is not in the table of what may pass; an operator may admit"
            f" it: `gateway.admit: [{{beta: {shown(name)}, as: inert}}]`, or `as: dropped`"
        )
    if use is Use.REFUSED:
        raise NotInTable(f"the beta `{shown(name)}` lets a request say who is billed")
    return use is Use.DROPPED


def joined(betas: Iterable[str]) -> str:
    """Betas as one header."""
    return ",".join(betas)
