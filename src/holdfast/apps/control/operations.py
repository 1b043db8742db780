"""What the operators' API can do: a table of operations, read from functions' signatures.

A function says what it takes (path parameters by name, a struct as body or query, `ControlDeps`,
`By`, `Shown` for the token itself, `Named` where it makes something that a request with a key finds
again) and which struct it
answers with; from that a request is read and the API's document is written (`openapi`), so that
neither can say what the other does not. Not here: who may come in (`auth`), which verb is of which
kind (`acts`).
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NewType, TypeVar, get_type_hints

import msgspec
from starlette.requests import Request

from holdfast.apps.control.auth import LEAVE_PATH, LINK_PATH, PUBLIC_PATHS, Shown, shown_in
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.openapi import Described, Part, Token
from holdfast.apps.control.reading import json_of, shaped
from holdfast.core.repeats import Named
from holdfast.errors import InvalidRequest, KeyReused

By = NewType("By", str)
"""Parameter of an operation that does something: the operator whose token it was, or `admin`."""

_BY_KIND: dict[object, str] = {
    ControlDeps: "takes_deps",
    By: "takes_by",
    Named: "takes_named",
    Shown: "takes_shown",
}

Endpoint = Callable[..., Awaitable[object]]
_F = TypeVar("_F", bound=Endpoint)
_IN_PATH = re.compile(r"{(\w+)}")
_SAYS_NOTHING = (b"", b"{}")


@dataclass(frozen=True, kw_only=True)
class Operation(Described):
    """One verb of operators, and the function that does it."""

    does: Endpoint
    takes_deps: tuple[str, ...] = ()
    takes_by: tuple[str, ...] = ()
    takes_named: tuple[str, ...] = ()
    takes_shown: tuple[str, ...] = ()


@dataclass
class Operations:
    """Operations of one noun, in the order in which they are written."""

    prefix: str
    tag: str
    refusals: tuple[int, ...] = ()
    all: list[Operation] = field(default_factory=list)

    def get(self, path: str = "", *refusals: int) -> Callable[[_F], _F]:
        """Something to look at."""
        return self._adding("GET", path, refusals)

    def post(self, path: str = "", *refusals: int) -> Callable[[_F], _F]:
        """Something that is done."""
        return self._adding("POST", path, refusals)

    def put(self, path: str = "", *refusals: int) -> Callable[[_F], _F]:
        """Something that is set; twice leaves what once leaves."""
        return self._adding("PUT", path, refusals)

    def _adding(self, method: str, path: str, refusals: tuple[int, ...]) -> Callable[[_F], _F]:
        def added(does: _F) -> _F:
            refused = (*self.refusals, *refusals)
            self.all.append(operation(does, method, self.prefix + path, self.tag, refused))
            return does

        return added


def operation(
    does: Endpoint, method: str, path: str, tag: str, refusals: tuple[int, ...]
) -> Operation:
    """The operation of a function. Errors: TypeError for a parameter that nothing would fill."""
    hints = get_type_hints(does, include_extras=True)
    named = set(_IN_PATH.findall(path))
    taken: dict[str, Any] = dict.fromkeys(("in_path", *_BY_KIND.values()), ())
    for name, parameter in inspect.signature(does).parameters.items():
        kind = hints[name]
        if name in named:
            taken["in_path"] += (Part(name, kind),)
        elif kind in _BY_KIND:
            taken[_BY_KIND[kind]] += (name,)
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            taken["query" if method == "GET" else "body"] = Part(name, kind)
            taken["optional"] = parameter.default is not inspect.Parameter.empty
        else:
            raise TypeError(f"`{name}` of {does.__name__} is nothing that a request has")
    missing = named - {part.name for part in taken["in_path"]}
    if missing:
        raise TypeError(f"{does.__name__} takes no {sorted(missing)} of its path")
    keyed = bool(taken["takes_named"])
    return Operation(
        name=does.__name__,
        method=method,
        path=path,
        tag=tag,
        told=inspect.getdoc(does) or "",
        token=_token_at(path),
        does=does,
        answer=hints["return"],
        refusals=(*refusals, KeyReused.http_status) if keyed else refusals,
        keyed=keyed,
        **taken,
    )


def _token_at(path: str) -> Token:
    if path in {LINK_PATH, LEAVE_PATH}:
        return Token.LINK if path == LINK_PATH else Token.SIGN_IN
    return Token.NONE if path in PUBLIC_PATHS else Token.OPERATOR


def arguments(
    one: Operation, request: Request, body: bytes, deps: ControlDeps, by: str
) -> dict[str, Any]:
    """What the function is called with. Errors: InvalidRequest."""
    given: dict[str, Any] = dict.fromkeys(one.takes_deps, deps)
    given |= dict.fromkeys(one.takes_by, By(by))
    if one.takes_shown:
        given |= dict.fromkeys(one.takes_shown, shown_in(request))
    for name, kind in one.in_path:
        given[name] = shaped(request.path_params[name], kind, field=name)
    if one.query is not None:
        given[one.query.name] = _queried(request, one.query.kind)
    elif request.query_params and one.token is not Token.NONE:
        name = next(iter(request.query_params))
        raise InvalidRequest("this path takes no parameters", field=name)
    if one.body is not None:
        given[one.body.name] = _bodied(request, body, one.body.kind, optional=one.optional)
    elif body.strip() not in _SAYS_NOTHING:
        raise InvalidRequest("this path takes no body", field="body")
    if one.takes_named:
        asked = {name: value for name, value in given.items() if name in _asked_in(one)}
        named = deps.repeats.named(request.headers, by, one.name, asked)
        given |= dict.fromkeys(one.takes_named, named)
    return given


def _asked_in(one: Operation) -> set[str]:
    """The parameters that say what is asked for."""
    return {part.name for part in (*one.in_path, one.query, one.body) if part is not None}


def _queried(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Of a filter by text or by name, `?state=` says as little as no `state` at all."""
    told: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in told:
            raise InvalidRequest(f"`{name}` is given twice", field=name)
        told[name] = value
    may_be_empty = {
        field.name for field in msgspec.structs.fields(kind) if field.default in ("", None)
    }
    said = {name: v for name, v in told.items() if v != "" or name not in may_be_empty}
    found = shaped(said, kind, strict=False)
    for name in said:
        # The text `null` would pass for no filter, where it was meant for one.
        if getattr(found, name) is None:
            raise InvalidRequest(f"`{name}`: there is no such value", field=name)
    return found


def _bodied(
    request: Request, body: bytes, kind: type[msgspec.Struct], *, optional: bool
) -> msgspec.Struct:
    if not body and optional:
        return kind()
    spoken = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body or not (spoken == "application/json" or spoken.endswith("+json")):
        raise InvalidRequest("a JSON body is needed, as `content-type: application/json`")
    return shaped(json_of(body), kind)
