"""What a model call carries: nothing that no station has set, and edits that fit what is held."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.edits import Edits
from holdfast.model.upstreams import Trouble
from holdfast.runtime.clearing import ClientRequest
from holdfast.runtime.model_call import ModelCall, Offer
from holdfast.runtime.reaching import Unreached


@pytest.fixture(autouse=True, params=["holdfast.runtime.model_call"])
def about(request):
    """What these tests are about."""


def of(headers=None) -> Any:
    nobody: Any = None
    return ModelCall(nobody, ClientRequest("/p", headers or {}, b""), nobody)


def test_call_holds_nothing_that_no_station_has_set():
    call = of()
    assert set(vars(call)) == {
        "live",
        "given",
        "carrier",
        "payer",
        "tries",
        "told",
        "again_most",
        "before",
    }
    assert (call.payer, call.tries, call.told, call.again_most) == (None, 0, {}, None)
    found = set(ModelCall.__annotations__) - {"payer"}
    assert len(found) == 9
    for name in found:
        with pytest.raises(AttributeError):
            getattr(call, name)


def test_edits_are_those_of_admission_and_what_the_offer_lowers():
    call = of()
    runs = SimpleNamespace(changes=lambda: ("uses",))
    call.offer = Offer([(runs, "quote"), (None, "lower")], 900)
    assert (call.offer.asked, call.offer.quote, call.offer.wanted) == (runs, "quote", 900)
    call.fits = "fits"
    call.clearance = SimpleNamespace(
        request=SimpleNamespace(max_tokens=900),
        edits=lambda fits: Edits(betas=fits, changes=("fitted",), model="m"),
    )
    for output, lowered in ((900, None), (899, 899), (901, None)):
        call.offer.output_tokens = output
        assert call.edits == Edits(
            betas="fits", changes=("fitted", "uses"), model="m", max_tokens=lowered
        )


def test_call_has_failed_where_the_upstream_asked_last_brought_no_answer():
    call = of()
    call.came = Unreached(upstream="main", trouble=Trouble.UPSTREAM)
    assert call.failed is call.came
    call.came = SimpleNamespace(status=200)
    assert call.failed is None


def test_name_of_an_agent_is_a_short_plain_name_or_none():
    assert of({}).agent_path == ""
    for given, name in (
        ("", ""),
        ("aZ09._:-", "aZ09._:-"),
        ("a" * 48, "a" * 48),
        ("a" * 49, ""),
        ("a b", ""),
        ("\u00e9", ""),
        ("a\n", ""),
        ("\u0663", ""),
    ):
        assert of({"x-claude-code-agent-id": given}).agent_path == name
