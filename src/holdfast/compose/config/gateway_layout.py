"""Every key of `gateway`: its processes, and what may pass beyond the table. See `layout`."""

from collections.abc import Mapping
from typing import Any

from holdfast.compose.config.model import AdmitSetting, AdmittedAs, AfterTaint, GatewaySettings
from holdfast.compose.config.names import WIRE_NAME
from holdfast.compose.config.shapes import (
    Choice,
    Field,
    ListOf,
    Reading,
    Record,
    Text,
    Usd,
    Whole,
)
from holdfast.core.wire.admitted import Sort
from holdfast.core.wire.table import KINDS, is_place


def _admits_one_thing(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    named = [sort for sort in Sort if values.get(sort)]
    if len(named) != 1:
        words = ", ".join(f"`{sort}`" for sort in Sort)
        reading.problem_at(path, f"a line admits one thing: give one of {words}")
    elif "calls" in values and named != [Sort.TOOL]:
        reading.problem_at(f"{path}.calls", "only a tool is called")
    elif values.get("beta") == "*" and values.get("as") is not AdmittedAs.DROPPED:
        reading.problem_at(f"{path}.beta", "betas that nobody named can only be `as: dropped`")
    elif named in ([Sort.BLOCK], [Sort.TOOL]) and values.get("as") is AdmittedAs.DROPPED:
        reading.problem_at(f"{path}.as", "what stands in a list cannot be taken out of it")
    elif named == [Sort.BLOCK] and not ("tokens" in values and values.get("at")):
        reading.problem_at(
            path,
            "a block is admitted at places, with a bound: say `at: [messages.content]` or wherever"
            " it may stand, and `tokens`, 0 where its bytes are all that it adds",
        )
    elif "at" in values and named != [Sort.BLOCK]:
        reading.problem_at(f"{path}.at", "only a block is admitted at places")
    elif "fields" in values and named not in ([Sort.BLOCK], [Sort.FIELD]):
        reading.problem_at(f"{path}.fields", "only of a block or a field is said what it holds")
    else:
        for number, place in enumerate(values.get("at") or ()):
            first = place.partition(".")[0]
            if not is_place(place) and (first in KINDS or first in KINDS["request"].fields):
                reading.problem_at(f"{path}.at[{number}]", "the table has no such place")


ADMIT = Record(
    build=AdmitSetting,
    fields={
        "field": Field(WIRE_NAME, "a field, as its path without indices: `metadata.team`"),
        "block": Field(WIRE_NAME, "a `type` of content block"),
        "tool": Field(WIRE_NAME, "a `type` of tool; a known tool's name sets own bounds for it"),
        "header": Field(WIRE_NAME, "a header, in lower case"),
        "beta": Field(
            Text(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9_.-]{0,127})$", says="a beta, or `*`"),
            "a beta; `*`, only as `dropped`, is every beta that is not known",
        ),
        "at": Field(
            ListOf(item=WIRE_NAME, most=100),
            "where a block may stand: `messages.content`, `system`, `tool_result.content`",
        ),
        "fields": Field(
            ListOf(item=WIRE_NAME, most=100),
            "the texts, numbers and flags that may stand in a block, or in the object of a field",
        ),
        "as": Field(Choice(AdmittedAs), "sent on, or taken out before it is sent", "admitted_as"),
        "usd": Field(Usd(), "dollars for each call of a tool, else for each", "usd_nusd"),
        "calls": Field(Whole(least=1, most=1000), "calls of the tool in one request, at most"),
        "tokens": Field(
            Whole(least=0, most=10_000_000),
            "input tokens that it adds unseen, at most; of a tool, each result",
        ),
    },
    checks=(_admits_one_thing,),
)

GATEWAY = Record(
    build=GatewaySettings,
    fields={
        "processes": Field(
            Whole(least=0, most=64), "processes that serve the model's door; 0: the server does"
        ),
        "port": Field(
            Whole(least=0, most=65535), "port that they listen on together; 0 takes a free one"
        ),
        "admit": Field(
            ListOf(item=ADMIT, most=1000),
            "what may pass beyond the table of the Messages API, and own bounds for its tools",
        ),
        "after_taint": Field(
            Choice(AfterTaint),
            "tools of the provider that may reach anywhere, once untrusted text was read: refuse"
            " the request, or remove them from it",
        ),
    },
)
