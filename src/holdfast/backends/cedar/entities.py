"""Who asks and what for, as Cedar entities, prepared once for calls that repeat them.

A session asks many times, so its entities are kept (bounded in number and size) under everything
they are made of; a change of any part of it is another entry.
"""

import threading
from collections import OrderedDict
from typing import Any

import cedarpy
import msgspec

from holdfast.backends.cedar.conversion import Refused
from holdfast.model.decisions import PolicyRequest
from holdfast.model.principals import TrustLevel

_MAX_KEPT = 1024
_MAX_KEPT_CHARACTERS = 2048
_TRUST = frozenset(str(level) for level in TrustLevel)
_Key = tuple[object, ...]


class EntityCache:
    """Entities of recent questions of one bundle."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, cedarpy.Entities] = OrderedDict()
        self._lock = threading.Lock()

    def entities(
        self, action: str, base: cedarpy.Entities, request: PolicyRequest
    ) -> cedarpy.Entities:
        """`base` (the action's own) with the request's session and resource.

        Errors: Refused.
        """
        key, characters = _key(action, request)
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        made = _made(base, request)
        if characters <= _MAX_KEPT_CHARACTERS:
            with self._lock:
                self._kept[key] = made
                if len(self._kept) > _MAX_KEPT:
                    self._kept.popitem(last=False)
        return made


def _key(action: str, r: PolicyRequest) -> tuple[_Key, int]:
    tags = tuple(r.resource_tags.items())
    names = (action, r.action, r.session, r.tenant, r.project, r.user, r.agent, r.trust, r.resource)
    characters = sum(map(len, names)) + sum(map(len, r.roles))
    characters += sum(len(name) + len(value) for name, value in tags)
    return (*names, r.roles, tags), characters


def _made(base: cedarpy.Entities, request: PolicyRequest) -> cedarpy.Entities:
    try:
        added = msgspec.json.encode([session(request), resource(request)]).decode()
        return base.with_added_json_str(added)
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
