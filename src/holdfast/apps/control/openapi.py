"""The API's own document (OpenAPI 3.1), written from what its doors say of their verbs.

Shapes are the JSON Schemas of the structs that requests are read with and answers are written from.
Not here: the words of the Messages API, which Anthropic documents.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from holdfast.apps.control.errors import PROBLEM_JSON
from holdfast.core.repeats import HEADER, KEY_MOST

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_SAID = {
    400: "the request can never work as it stands",
    401: "no token, or one that was never issued",
    403: "the token is for another door, or whose it is may not",
    404: "no such thing",
    409: "the state does not allow it",
    413: "the body is too large",
    402: "a budget is spent, or does not reach",
    422: "a value does not fit what it names, or a key came before with another request",
    429: "too much at once; `error.retry_after_s` says when",
    500: "a fault inside; the server's log says more",
    503: "something that Holdfast needs is down; nothing was changed",
}


_ALWAYS = (400, 401, 403, 413, 503)


class Token(enum.StrEnum):
    """Whose token a verb takes."""

    NONE = "none"
    OPERATOR = "operator"
    SESSION = "session"
    HOOKS = "hooks"
    WORKER = "worker"
    LINK = "link"
    SIGN_IN = "sign_in"


_TOKENS = {
    Token.OPERATOR: "the admin's or an operator's token, as a bearer token or in `x-api-key`;"
    " better: signed requests, which carry no token; `open_session` takes a spending key too",
    Token.SESSION: "a session's own token, from `open_session`, `delegate` or `claim`",
    Token.HOOKS: "the token of a session's hooks, which opens nothing else",
    Token.LINK: "the code of a link that signs a browser in; it is used up",
    Token.SIGN_IN: "what a browser or a terminal is signed in with",
    Token.WORKER: "the token of workers, from the state folder",
}


class Part(NamedTuple):
    """One parameter of a function: the struct of body or query, or a piece of the path."""

    name: str
    kind: Any


@dataclass(frozen=True, kw_only=True)
class Described:
    """One verb, as the document tells of it.

    `optional`: the body may be left out, as if it were `{}`. `keyed`: with a key, the same request
    sent again finds what it made. `refusals` are the statuses that it
    may answer with beside those that any verb has.
    """

    name: str
    method: str
    path: str
    tag: str
    told: str
    token: Token
    answer: type[msgspec.Struct]
    refusals: tuple[int, ...] = ()
    in_path: tuple[Part, ...] = ()
    query: Part | None = None
    body: Part | None = None
    optional: bool = False
    keyed: bool = False


def verb(
    path: str,
    told: str,
    answer: type[msgspec.Struct],
    body: type[msgspec.Struct] | None = None,
    *,
    token: Token = Token.SESSION,
    tag: str = "guard",
    optional: bool = False,
    refusals: tuple[int, ...] = (409, 422, 429),
) -> Described:
    """A row of the table of a door whose verbs read their bodies themselves."""
    return Described(
        name=path.removeprefix("/v1/").replace("/", "_").replace("-", "_"),
        method="GET" if body is None else "POST",
        path=path,
        tag=tag,
        told=told,
        token=token,
        answer=answer,
        body=None if body is None else Part("body", body),
        optional=optional,
        refusals=refusals,
    )


class Fault(msgspec.Struct):
    """What went wrong; further fields explain it (account, limit, field, …)."""

    code: str
    message: str
    retryable: bool


class Problem(msgspec.Struct):
    """The body of every answer that is not a success: a problem of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    error: Fault


def document(
    operations: Sequence[Described], *, title: str, version: str, url: str
) -> dict[str, Any]:
    """The whole document."""
    kinds = [Problem, *(one.answer for one in operations)]
    kinds += [one.body.kind for one in operations if one.body is not None]
    refs, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    shapes = dict(zip(kinds, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _described(one, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": whose}
                for name, whose in _TOKENS.items()
            },
        },
    }


def _described(one: Described, shapes: Mapping[object, Any]) -> dict[str, Any]:
    first, _, rest = one.told.partition("\n")
    told: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": first,
        "responses": {
            "200": {"description": "done", "content": _content(_JSON, shapes[one.answer])},
            **{
                str(status): {
                    "description": _SAID[status],
                    "content": _content(PROBLEM_JSON, shapes[Problem]),
                }
                for status in sorted({*(_ALWAYS if _refuses(one) else ()), *one.refusals})
            },
        },
        "security": [{one.token: []}] if one.token is not Token.NONE else [],
    }
    if rest.strip():
        told["description"] = rest.strip()
    if parameters := [*_in_path(one), *_in_query(one), *_in_head(one)]:
        told["parameters"] = parameters
    if one.body is not None:
        told["requestBody"] = {
            "required": not one.optional,
            "content": _content(_JSON, shapes[one.body.kind]),
        }
    return told


def _refuses(one: Described) -> bool:
    """Whether it asks for a token, or reads what anybody sends."""
    return one.token is not Token.NONE or one.method != "GET"


def _content(media: str, shape: Any) -> dict[str, Any]:
    return {media: {"schema": shape}}


def _in_path(one: Described) -> Iterable[dict[str, Any]]:
    for name, kind in one.in_path:
        yield {"name": name, "in": "path", "required": True, "schema": msgspec.json.schema(kind)}


def _in_query(one: Described) -> Iterable[dict[str, Any]]:
    if one.query is None:
        return
    _, whole = msgspec.json.schema_components([one.query.kind], ref_template=_REF)
    shape = whole[one.query.kind.__name__]
    needed = set(shape.get("required", ()))
    for name, schema in shape["properties"].items():
        yield {
            "name": name,
            "in": "query",
            "required": name in needed,
            "schema": _inlined(schema, whole),
        }


def _in_head(one: Described) -> Iterable[dict[str, Any]]:
    if one.keyed:
        yield {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "sent again with the same key, the request finds what it made",
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MOST},
        }


def _inlined(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema on its own: enumerations stand in it, and no null for what is absent."""
    resolved: dict[str, Any] = _walk(schema, lambda name: known[name])
    if resolved.get("default", "") is None:
        del resolved["default"]
        resolved["anyOf"] = [one for one in resolved["anyOf"] if one != {"type": "null"}]
    return resolved


def _walk(schema: Any, of: Callable[[str], Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _walk(of(schema["$ref"].rpartition("/")[2]), of)
        return {name: _walk(inner, of) for name, inner in schema.items()}
    if isinstance(schema, list):
        return [_walk(inner, of) for inner in schema]
    return schema
