"""Operations are read from signatures; what a request says beside them is refused."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta
from starlette.requests import Request

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.openapi import Token, document
from holdfast.apps.control.operations import By, Operation, Operations, arguments
from holdfast.errors import InvalidRequest

Id = Annotated[str, Meta(max_length=4)]
NOBODY: Any = None


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked."""

    amount: Annotated[int, Meta(ge=1)] = 1
    name: str = ""
    state: Token | None = None


class Shown(msgspec.Struct):
    """What is shown."""

    done: bool


THINGS = Operations("/v1/things", "things", (409,))


@THINGS.get("/{thing}", 404)
async def look(thing: Id, which: Asked, deps: ControlDeps) -> Shown:
    """Look at `thing`.

    It is not changed.
    """
    return Shown(done=bool(deps) and bool(which) and bool(thing))


@THINGS.post("/{thing}/do")
async def do(thing: Id, by: By, asked: Asked = Asked()) -> Shown:  # noqa: B008 - it is frozen
    """Do it."""
    return Shown(done=bool(by) and bool(asked) and bool(thing))


@THINGS.put()
async def put(asked: Asked) -> Shown:
    """Set it."""
    return Shown(done=bool(asked))


@THINGS.post("/all")
async def all_of_them(deps: ControlDeps) -> Shown:
    """Do all."""
    return Shown(done=bool(deps))


LOOK, DO, PUT, ALL_OF_THEM = THINGS.all


def request(query: str = "", kind: str = "application/json", **in_path: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query.encode(),
            "path_params": in_path,
            "headers": [(b"content-type", kind.encode())],
        }
    )


def refused(one: Operation, asked: Request, body: bytes) -> tuple[str, object]:
    with pytest.raises(InvalidRequest) as caught:
        arguments(one, asked, body, NOBODY, "ann")
    return caught.value.message, caught.value.fields.get("field")


def test_a_function_is_called_with_what_its_signature_names():
    given = arguments(LOOK, request("amount=3&state=&name=", thing="a"), b"", NOBODY, "ann")
    assert given == {"thing": "a", "which": Asked(amount=3), "deps": None}
    given = arguments(DO, request(thing="a"), b'{"amount": 2}', NOBODY, "ann")
    assert given == {"thing": "a", "asked": Asked(amount=2), "by": "ann"}


def test_a_body_may_be_left_out_only_where_the_function_says_so():
    assert arguments(DO, request(thing="a"), b"", NOBODY, "ann")["asked"] == Asked()
    with pytest.raises(InvalidRequest, match="a JSON body is needed"):
        arguments(PUT, request(), b"", NOBODY, "ann")
    with pytest.raises(InvalidRequest, match="a JSON body is needed"):
        arguments(PUT, request(kind="text/plain"), b"{}", NOBODY, "ann")


@pytest.mark.parametrize(
    ("one", "asked", "body", "said", "field"),
    [
        (LOOK, request("amount=0", thing="a"), b"", "`amount`: expected `int` >= 1", "amount"),
        (LOOK, request("amount=x", thing="a"), b"", "`amount`: expected `int`", "amount"),
        (LOOK, request("amount=1&amount=2", thing="a"), b"", "`amount` is given twice", "amount"),
        (LOOK, request("colour=red", thing="a"), b"", "`colour`: there is no such", "colour"),
        (LOOK, request("amount=", thing="a"), b"", "`amount`: expected `int`", "amount"),
        (LOOK, request("colour=", thing="a"), b"", "`colour`: there is no such field", "colour"),
        (LOOK, request("state=null", thing="a"), b"", "`state`: there is no such val", "state"),
        (LOOK, request("state=sk-1", thing="a"), b"", "`state`: there is no such val", "state"),
        (PUT, request(kind="text/json"), b"{}", "a JSON body is needed", None),
        (LOOK, request(thing="abcde"), b"", "`thing`: expected `str` of length <= 4", "thing"),
        (DO, request("x=1", thing="a"), b"", "this path takes no parameters", "x"),
        (PUT, request(), b'{"amount": "3"}', "`amount`: expected `int`, got `str`", "amount"),
        (PUT, request(), b'{"a`\\u0007": 1}', "`a??`: there is no such field", "a??"),
        (PUT, request(), b"[]", "`body`: expected `object`, got `array`", "body"),
        (ALL_OF_THEM, request(), b'{"a": 1}', "this path takes no body", "body"),
    ],
)
def test_what_nothing_asks_for_is_refused_by_name(one, asked, body, said, field):
    message, named = refused(one, asked, body)
    assert message.startswith(said)
    assert named == field


def test_an_operation_without_a_body_takes_an_empty_one():
    assert arguments(ALL_OF_THEM, request(), b" {} ", NOBODY, "ann") == {"deps": None}


def test_a_parameter_that_nothing_fills_is_a_fault_of_the_code():
    with pytest.raises(TypeError, match="`colour` of odd is nothing that a request has"):

        @THINGS.get("/odd")
        async def odd(colour: str) -> Shown:
            return Shown(done=bool(colour))

    with pytest.raises(TypeError, match=r"takes no \['thing'\] of its path"):

        @THINGS.get("/{thing}/odd")
        async def odder() -> Shown:
            return Shown(done=True)


def test_the_document_says_what_the_signature_says():
    told = document([LOOK, DO], title="t", version="1", url="http://here")
    look_at = told["paths"]["/v1/things/{thing}"]["get"]
    assert (look_at["summary"], look_at["description"]) == (
        "Look at `thing`.",
        "It is not changed.",
    )
    assert [(p["name"], p["in"], p["required"]) for p in look_at["parameters"]] == [
        ("thing", "path", True),
        ("amount", "query", False),
        ("name", "query", False),
        ("state", "query", False),
    ]
    assert look_at["parameters"][3]["schema"]["anyOf"][0]["enum"] == sorted(Token)
    assert {"404", "409", "401", "503", "200"} <= set(look_at["responses"])
    assert look_at["security"] == [{"operator": []}]
    doing = told["paths"]["/v1/things/{thing}/do"]["post"]
    assert doing["requestBody"]["required"] is False
    assert told["components"]["schemas"]["Asked"]["additionalProperties"] is False
