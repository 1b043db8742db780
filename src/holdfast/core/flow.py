"""The flow gate: after untrusted text entered the context, who/what/much must be vouched for.

A value is vouched for when it stands verbatim in what the user typed, in the operator's profile
of the task, or in a first-party result. Identifiers under four characters prove nothing
(`13` matches `June 13`); numbers are compared as whole tokens. Text detectors play no part here.
Method and figures: the AgentDojo recount in the security research (taint plus provenance).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.model.decisions import Reason, Verdict
from holdfast.model.tools import ArgumentRole, Contract, Effect

_GUARDED = (ArgumentRole.WHO, ArgumentRole.WHAT, ArgumentRole.MUCH, ArgumentRole.URL)
_SHORTEST = 4
_KEPT_CHARACTERS = 400_000
# A name, number or address that goes on beyond the text found.
_GOES_ON_LEFT = re.compile(r"[\w@+-]\Z|\w[.:,]\Z")
_GOES_ON_RIGHT = re.compile(r"[\w@+-]|[.:,/?#=&]\w")
_TOKEN = re.compile(r"[\w@.+:/-]+")


class Vouched:
    """What may be believed in one session: typed text, profile, first-party results."""

    def __init__(self) -> None:
        self.tainted = False
        self.tainted_by = ""
        self._tokens: set[str] = set()
        self._text: list[str] = []
        self._size = 0

    def trust(self, text: str) -> None:
        """Take in text from the user's keyboard, the operator, or a first-party system."""
        room = _KEPT_CHARACTERS - self._size
        kept = text[:room] if room > 0 else ""
        if kept:
            self._text.append(kept.casefold())
            self._size += len(kept)
            for token in _TOKEN.findall(kept.casefold()):
                self._tokens.add(token.strip("./:-"))

    def taint(self, tool: str) -> None:
        """Untrusted text entered the context through `tool`."""
        if not self.tainted:
            self.tainted, self.tainted_by = True, tool

    def copy(self) -> "Vouched":
        """What may be believed so far, for a session that starts from here."""
        made = Vouched()
        made.tainted, made.tainted_by = self.tainted, self.tainted_by
        made._tokens, made._text, made._size = set(self._tokens), list(self._text), self._size
        return made

    def vouches(self, value: object, *, short_ok: bool) -> bool:
        """Whether one scalar stands verbatim in trusted text."""
        text = _plain(value).casefold()
        if not text:
            return True
        if len(text) < _SHORTEST and not short_ok:
            return False
        return text in self._tokens or (
            len(text) >= _SHORTEST and any(_stands_in(text, part) for part in self._text)
        )


def gate(contract: Contract | None, arguments: Mapping[str, Any], vouched: Vouched) -> list[Reason]:
    """Reasons to ask about a call after taint; empty when it may go on.

    Reads never ask. An undeclared tool, and an effect whose arguments have no declared roles,
    asks always: nothing says what decides there.
    """
    if not vouched.tainted or (contract is not None and contract.effect is Effect.READ):
        return []
    source = f"untrusted text from `{vouched.tainted_by}` is in the context"
    if contract is None:
        return [_ask("flow.undeclared", f"{source} and this tool declares no contract")]
    if contract.effect is Effect.DESTROY:
        return [_ask("flow.destroy", f"{source} and the call destroys")]
    guarded = {name: role for name, role in contract.roles.items() if role in _GUARDED}
    if not guarded and contract.effect in (Effect.COMMIT, Effect.EGRESS):
        return [_ask("flow.no_roles", f"{source} and no argument declares who, what or how much")]
    return [
        _ask("flow.unvouched", f"{source} and `{name}` ({role}) stands in no trusted text")
        for name, role in guarded.items()
        for value in _scalars(arguments.get(name))
        # An amount is a whole token of its own; three digits of it are no accident of prose.
        if not vouched.vouches(value, short_ok=role is ArgumentRole.MUCH)
    ]


def _stands_in(text: str, part: str) -> bool:
    """Whether `text` stands in `part` whole: `ann@acme.co` is no part of `ann@acme.com`."""
    at = part.find(text)
    while at >= 0:
        end = at + len(text)
        before, after = part[max(at - 2, 0) : at], part[end : end + 2]
        if not _GOES_ON_LEFT.search(before) and not _GOES_ON_RIGHT.match(after):
            return True
        at = part.find(text, at + 1)
    return False


def _ask(code: str, text: str) -> Reason:
    return Reason(stage="flow", verdict=Verdict.ASK, code=code, text=text)


def _plain(value: object) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _scalars(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _scalars(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _scalars(inner)
    else:
        yield value
