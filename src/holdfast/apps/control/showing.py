"""Routes that answer with views (`model/views`), each encoded once, as it is.

A view is frozen and typed already, so nothing validates it a second time. Not here: refusals
(`errors`, `wire`).
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import BaseRoute

_REF = "#/components/schemas/{name}"
_JSON = "application/json"


class Routes(APIRouter):
    """A router whose endpoints may return a struct; the API's document describes it."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """As FastAPI's, but for what is answered."""
        kind = shown_by(endpoint)
        if kind is not None:
            content = {_JSON: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
            options["responses"] = {200: {"content": content}, **(options.get("responses") or {})}
            options["response_model"] = None
            endpoint = _encoding(endpoint)
        super().add_api_route(path, endpoint, **options)


def shown_by(endpoint: Callable[..., Any]) -> type[msgspec.Struct] | None:
    """The view that an endpoint answers with."""
    kind = inspect.signature(endpoint).return_annotation
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def schemas_of(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """JSON Schemas of all that these routes show, by the name that their answers refer to."""
    ends = [end for route in routes if (end := getattr(route, "endpoint", None)) is not None]
    kinds = {kind for end in ends if (kind := shown_by(end)) is not None}
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    return schemas


def _encoding(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def answering(*given: Any, **named: Any) -> Response:
        return Response(msgspec.json.encode(await endpoint(*given, **named)), media_type=_JSON)

    return answering
