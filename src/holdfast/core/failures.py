"""What a model call that failed is called, and what follows where nobody else says.

Not here: trying again (`runtime/reaching`), the hooks that may decide (`runtime/points`).
"""

from collections.abc import Mapping

import msgspec

TRIES = "holdfast-tries"
"""Of a request: the most tries at one upstream. Of a refusal: how many there were in all."""
HEADERS = {
    # The hook point that a refusal was taken to.
    "hook_point": "holdfast-hook-point",
    "tries": TRIES,
    # What the hooks there decided; without these nothing was decided.
    "recovery": "holdfast-recovery",
    "strategy": "holdfast-strategy",
    "keep_turns": "holdfast-keep-turns",
}
"""The header of each field that tells a client what follows a refusal."""
_TOO_LONG = ("prompt is too long", "context window", "too many tokens")
_TEXT_MOST = 2_000


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A model call without an answer: the status, and the error's type and text."""

    status: int
    code: str
    text: str

    @property
    def too_long(self) -> bool:
        """Whether the provider took the conversation as too long."""
        return self.status in (400, 413) and any(t in self.text.lower() for t in _TOO_LONG)


class _Envelope(msgspec.Struct):
    error: dict[str, object] = {}


def failed(status: int, body: bytes) -> Failed:
    """What a refusal in the Messages API's envelope says; of any other, its status alone."""
    try:
        told: Mapping[str, object] = msgspec.json.decode(body, type=_Envelope).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        told = {}
    text = str(told.get("message") or f"the provider answered {status}")[:_TEXT_MOST]
    code = str(told.get("code") or told.get("type") or "api_error")[:64]
    return Failed(status=status, code=code, text=text)


def told_headers(fields: Mapping[str, object]) -> dict[str, str]:
    """What follows a refusal, as headers.

    Clients of the Messages API heed `x-should-retry`, whatever the status is.
    """
    told = {header: str(fields[name]) for name, header in HEADERS.items() if name in fields}
    if fields.get("recovery", "retry") != "retry":
        told["x-should-retry"] = "false"
    return told


def most_tries(headers: Mapping[str, str]) -> int | None:
    """The most tries at one upstream that a request asks for; None where it says nothing."""
    given = next((value for name, value in headers.items() if name.lower() == TRIES), "")
    return max(int(given), 1) if given.isdecimal() and len(given) <= 4 else None
