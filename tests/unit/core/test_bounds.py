"""The bound of a request to the nano-dollar, and what is written into it, request by request.

`bounds.json` holds prices, requests and their bounds; it was read over when it was
written, and figures of it were reckoned by hand.
"""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core.messages import ModelRequest, read_request
from holdfast.core.prices import PriceBook
from holdfast.core.wire.admitted import Admission, Admitted
from holdfast.core.work import Asked, bound_of
from holdfast.model.prices import ModelPrice, PriceTable, Rates, Tier

GIVEN = json.loads(Path(__file__).with_name("bounds.json").read_text(encoding="utf-8"))


def price(told):
    tiers = tuple(Tier(above, Rates(*rates)) for above, rates in told.get("tiers", ()))
    return ModelPrice(**told | {"rates": Rates(*told["rates"]), "tiers": tiers})


BOOK = PriceBook(
    PriceTable(source="s", valid_on="2026-01-01", models=tuple(map(price, GIVEN["models"])))
)


def name(entry):
    return json.dumps({key: value for key, value in entry.items() if key != "bound"})[:90]


@pytest.mark.parametrize("entry", GIVEN["requests"], ids=name)
def test_a_request_is_bounded_to_the_nano_dollar(entry):
    lines = Admitted([msgspec.convert(line, Admission) for line in entry.get("admit", [])])
    body = {"model": "flat", "max_tokens": 10, "messages": []} | entry["body"]
    request = read_request(json.dumps(body).encode(), lines)
    assert isinstance(request, ModelRequest)
    asked = Asked(
        request=request,
        input_tokens=entry.get("tokens", 1000),
        admitted=lines,
        uses=entry.get("uses"),
        wide=entry.get("wide", False),
    )
    assert msgspec.to_builtins(bound_of(BOOK, asked)) == entry["bound"]
    assert json.loads(msgspec.json.encode(asked.changes())) == entry["changes"]
    assert asked.uses_from() == entry["uses_from"]
