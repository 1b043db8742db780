"""Who asks and what for, as Cedar entities, prepared once for calls that repeat them.

A session asks many times, so its own entity is kept, and so are those of a whole question (bounded
in number and size), under everything they are made of; a change of any part is another entry.
"""

import threading
from collections import OrderedDict
from itertools import chain
from typing import Any

import cedarpy
import msgspec

from holdfast.backends.cedar.conversion import Refused
from holdfast.model.decisions import PolicyRequest
from holdfast.model.principals import TrustLevel

_MAX_KEPT = 1024
_MAX_KEPT_CHARACTERS = 2048
_TRUST = frozenset(str(level) for level in TrustLevel)
_Key = tuple[str, ...]


class EntityCache:
    """Entities of recent questions of one bundle."""

    def __init__(self) -> None:
        self.askers = _Kept()
        self.questions = _Kept()

    def entities(
        self, action: str, base: cedarpy.Entities, request: PolicyRequest
    ) -> cedarpy.Entities:
        """`base` (the action's own) with the request's session and resource.

        Errors: Refused.
        """
        asker = _asker(action, request)
        key = _question(asker, request)
        known = self.questions.get(key)
        if known is None:
            known = _added(self._of_asker(asker, base, request), resource(request))
            self.questions.keep(key, known)
        return known

    def _of_asker(
        self, key: _Key, base: cedarpy.Entities, request: PolicyRequest
    ) -> cedarpy.Entities:
        """Made once: a session asks for one resource after the other."""
        known = self.askers.get(key)
        if known is None:
            known = _added(base, session(request))
            self.askers.keep(key, known)
        return known


class _Kept:
    """Those used last, bounded in number and in the size of what they are made of."""

    def __init__(self) -> None:
        self.entries: OrderedDict[_Key, cedarpy.Entities] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _Key) -> cedarpy.Entities | None:
        with self._lock:
            known = self.entries.get(key)
            if known is not None:
                self.entries.move_to_end(key)
            return known

    def keep(self, key: _Key, made: cedarpy.Entities) -> None:
        if sum(map(len, key)) > _MAX_KEPT_CHARACTERS:
            return
        with self._lock:
            self.entries[key] = made
            if len(self.entries) > _MAX_KEPT:
                self.entries.popitem(last=False)


def _asker(action: str, r: PolicyRequest) -> _Key:
    names = (action, r.session, r.tenant, r.project, r.user, r.agent, r.trust)
    return (*names, str(len(r.roles)), *r.roles)


def _question(asker: _Key, r: PolicyRequest) -> _Key:
    tags = chain.from_iterable(r.resource_tags.items())
    return (*asker, r.action, r.resource, *tags)


def _added(base: cedarpy.Entities, entity: dict[str, Any]) -> cedarpy.Entities:
    try:
        return base.with_added_json_str(msgspec.json.encode([entity]).decode())
    except (ValueError, RecursionError) as fault:
        raise Refused(f"the question cannot be written: {type(fault).__name__}") from None


def session(request: PolicyRequest) -> dict[str, Any]:
    """The principal with its attributes and parents.

    Errors: Refused for a trust level outside the glossary or a tenant's name with a slash.
    """
    if request.trust not in _TRUST:
        raise Refused(f"{request.trust!r} is not a trust level")
    if "/" in request.tenant:
        raise Refused("a tenant's name holds no slash; it would read as another tenant's user")
    parents = [("Role", role) for role in request.roles]
    parents += [("Agent", request.agent), ("Tenant", request.tenant)]
    parents += [("User", f"{request.tenant}/{request.user}")]
    parents += [("Project", f"{request.tenant}/{request.project}")]
    return {
        "uid": {"type": "Session", "id": request.session},
        "attrs": {
            "user": request.user,
            "agent": request.agent,
            "project": request.project,
            "tenant": request.tenant,
            "trust": request.trust,
            "roles": list(request.roles),
        },
        "parents": [{"type": kind, "id": name} for kind, name in parents],
    }


def resource(request: PolicyRequest) -> dict[str, Any]:
    """The resource with its attributes and tags."""
    arn = arn_of(request)
    return {
        "uid": {"type": "Resource", "id": arn},
        "attrs": {"arn": arn, "tool": request.action},
        "parents": [],
        "tags": request.resource_tags,
    }


def arn_of(request: PolicyRequest) -> str:
    """The resource's name, `tool:<name>` when the guard names none."""
    return request.resource or f"tool:{request.action}"
