"""Views on the wire: whole both ways, readable by older and newer readers."""

import enum
import importlib
import pkgutil
import types
import typing
from typing import Any

import msgspec
import pytest

from holdfast.client.wire import _typed
from holdfast.model import views
from holdfast.model.sessions import SessionState
from holdfast.model.views.sessions import SessionView


def all_views() -> list[type[msgspec.Struct]]:
    """Every struct of `model/views`, by the module that it stands in."""
    found = []
    for one in pkgutil.iter_modules(views.__path__):
        module = importlib.import_module(f"{views.__name__}.{one.name}")
        found += [
            x for x in vars(module).values() if getattr(x, "__module__", "") == module.__name__
        ]
    return [x for x in found if isinstance(x, type) and issubclass(x, msgspec.Struct)]


VIEWS = all_views()
EVERY = pytest.mark.parametrize("kind", VIEWS, ids=lambda kind: kind.__name__)


def sample(kind: Any) -> Any:
    """A value of a type, with something in it all the way down."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{field.name: sample(field.type) for field in msgspec.structs.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(kind)[-1]
    if origin in (typing.Union, types.UnionType):
        return sample(next(one for one in inner if one is not type(None)))
    if origin is typing.Literal:
        return inner[-1]
    if origin is tuple:
        return (sample(inner[0]),)
    if origin is dict:
        return {sample(inner[0]): sample(inner[1])}
    plain = {str: "text", int: 7, float: 0.5, bool: True, Any: {"a": [1, None]}}
    return msgspec.Raw(b'{"a": 1}') if kind is msgspec.Raw else plain[kind]


def of_newer(shown: Any) -> Any:
    """The same from a server that says more in each view."""
    if isinstance(shown, msgspec.Struct):
        told = {name: of_newer(getattr(shown, name)) for name in shown.__struct_fields__}
        return {**told, "newer": [1]}
    if isinstance(shown, tuple):
        return [of_newer(one) for one in shown]
    return shown


@EVERY
def test_what_a_server_shows_is_what_a_client_reads(kind):
    shown = sample(kind)
    wire = msgspec.json.encode(shown)
    read = _typed(wire, kind)
    assert type(read) is kind
    assert msgspec.json.encode(read) == wire
    assert set(msgspec.json.decode(wire)) == set(kind.__struct_fields__), "a field is left out"


@EVERY
def test_client_ignores_what_a_newer_server_says_beside(kind):
    shown = sample(kind)
    read = _typed(msgspec.json.encode(of_newer(shown)), kind)
    assert msgspec.json.encode(read) == msgspec.json.encode(shown)


@EVERY
def test_client_reads_an_answer_without_what_came_later(kind):
    told = msgspec.json.decode(msgspec.json.encode(sample(kind)))
    needed = {one.encode_name for one in msgspec.structs.fields(kind) if one.required}
    read = _typed(msgspec.json.encode({name: told[name] for name in needed}), kind)
    for one in msgspec.structs.fields(kind):
        if not one.required:
            assert not getattr(read, one.name) or getattr(read, one.name) == one.default, one.name


def test_views_are_frozen():
    assert len(VIEWS) >= 40
    assert [kind for kind in VIEWS if not kind.__struct_config__.frozen] == []


def test_session_of_the_first_servers_reads():
    told = {
        "session_id": "ses_1",
        "tenant": "acme",
        "project": "shop",
        "user": "ann",
        "agent": "desk",
        "task": "t",
        "trust": "autonomous",
        "state": "active",
        "opened_at_ns": 1,
        "expires_at_ns": 2,
    }
    read = _typed(msgspec.json.encode(told), SessionView)
    assert (read.state, read.scopes, read.context_percent) == (SessionState.ACTIVE, (), 0)
