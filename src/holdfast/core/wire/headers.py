"""The table, fifth part: headers. What is not named here stays here: it is never sent on."""

from collections.abc import Iterable, Iterator, Mapping

from holdfast.core.wire.admitted import Admitted, Sort
from holdfast.core.wire.reading import NotInTable, shown
from holdfast.core.wire.shapes import Use

BETA = "anthropic-beta"
OTHERS = "*"

HEADERS: Mapping[str, Use] = {
    **dict.fromkeys(
        (
            "accept",
            "anthropic-client-platform",
            "anthropic-client-version",
            "anthropic-dangerous-direct-browser-access",
            "anthropic-version",
            "content-type",
            "idempotency-key",
            "user-agent",
            "x-app",
            "x-claude-code-agent-id",
            "x-claude-code-parent-agent-id",
            "x-claude-code-session-id",
            "x-client-app",
            "x-client-request-id",
            "x-stainless-arch",
            "x-stainless-async",
            "x-stainless-helper",
            "x-stainless-helper-method",
            "x-stainless-lang",
            "x-stainless-os",
            "x-stainless-package-version",
            "x-stainless-poll-helper",
            "x-stainless-raw-response",
            "x-stainless-read-timeout",
            "x-stainless-retry-count",
            "x-stainless-runtime",
            "x-stainless-runtime-version",
            "x-stainless-stream-helper",
            "x-stainless-timeout",
        ),
        Use.INERT,
    ),
    BETA: Use.PRICED,
    # Who is billed, and what is asked for, is not the client's to say.
    **dict.fromkeys(
        (
            "anthropic-organization-id",
            "anthropic-user-profile-id",
            "anthropic-workspace-id",
            "x-anthropic-billing-header",
            "x-goog-user-project",
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
        ),
        Use.REFUSED,
    ),
    # The client's credential is ours to read; the provider gets the operator's.
    **dict.fromkeys(
        ("anthropic-worker-id", "authorization", "cookie", "x-api-key", "x-should-retry", OTHERS),
        Use.DROPPED,
    ),
}
"""What is done about each header of a request; `*` stands for all that are not named."""

_ONCE = frozenset(
    {"anthropic-version", "authorization", "content-encoding", "content-length", "content-type"}
    | {"host", "transfer-encoding", "x-api-key"}
)


def check_headers(names: Iterable[str], admitted: Admitted) -> None:
    """Look at the header names of a request, in any case, one for each line of the head.

    Errors: NotInTable for a header that the client may not set, or one that comes twice.
    """
    seen: set[str] = set()
    for given in names:
        name = given.lower()
        if name in _ONCE and name in seen:
            raise NotInTable(f"the header `{shown(name)}` comes more than once")
        seen.add(name)
        if HEADERS.get(name) is Use.REFUSED and admitted.find(Sort.HEADER, name) is None:
            raise NotInTable(
                f"the header `{shown(name)}` is the operator's to set, not the client's; an"
                f" operator may admit it: `gateway.admit: [{{header: {shown(name)}, as: dropped}}]`"
            )


def sent_on(headers: Mapping[str, str], admitted: Admitted) -> Iterator[tuple[str, str]]:
    """The headers that go to the provider."""
    for name, value in headers.items():
        line = admitted.find(Sort.HEADER, name.lower())
        use = HEADERS.get(name.lower())
        if not line.dropped if line is not None else use in (Use.INERT, Use.PRICED):
            yield name, value


def with_betas(headers: Mapping[str, str], betas: str) -> dict[str, str]:
    """The same headers, naming these betas; one that came several times is one list."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    found.pop(BETA, None)
    return found | ({BETA: betas} if betas else {})
