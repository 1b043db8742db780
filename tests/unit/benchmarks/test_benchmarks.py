"""Every benchmark can be imported and says its figures with units; nothing is timed here."""

import inspect
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

import benchmarks
from benchmarks.__main__ import NAMES
from benchmarks.bursting import (
    INPUT,
    OUTPUT,
    READ,
    WRITE_5M,
    large_request,
    small_request,
    spent_nusd,
)
from benchmarks.rows import Row, at_least, at_most, percentile, printed, table
from benchmarks.upstream import Bill
from holdfast.core.messages import ModelRequest, read_request
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.model.money import Cost, Usage

# They run inside their peer's own environment, and only there.
_FOREIGN = {"litellm_auth", "durable_langgraph", "durable_celery"}


def test_every_module_imports():
    folder = Path(benchmarks.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        if path.stem not in _FOREIGN and path.stem != "__main__":
            parts = path.relative_to(folder).with_suffix("").parts
            import_module(".".join(("benchmarks", *(p for p in parts if p != "__init__"))))


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_a_run_that_gives_rows(name):
    run = import_module(f"benchmarks.{name}").run
    signature = inspect.signature(run)
    first, *more = signature.parameters.values()
    assert first.name == "quick"
    assert all(one.default is not one.empty for one in more)
    assert signature.return_annotation == list[Row]
    assert run.__doc__


def test_a_row_without_a_figure_says_why_and_is_no_success():
    row = Row(bench="b", what="x", figure=None, unit="ms", note="not measured: no nginx")
    lines: list[str] = []
    printed([row], lines.append)
    assert "not measured: no nginx" in lines[0]
    assert "MET" not in lines[0]
    assert "| - |" in table([row])


def test_verdicts_are_honest_at_their_edges():
    assert (at_most(2, 2.0), at_most(2, 2.001)) == ("met", "missed")
    assert (at_least(90, 90.0), at_least(90, 89.99)) == ("met", "missed")
    assert at_most(2, float("nan")) == "missed"
    assert at_least(2, float("nan")) == "missed"


def test_percentiles_are_nearest_rank():
    assert percentile([3.0, 1.0, 2.0, 4.0], 50) == 2.0
    assert percentile(list(range(1, 101)), 99) == 99
    assert percentile([7.0], 99) == 7.0


def test_the_bills_prices_are_those_that_the_server_charges():
    book = PriceBook(PRICE_TABLE)
    usage = Usage(
        input_tokens=1000,
        output_tokens=500,
        cache_read_tokens=2000,
        cache_write_5m_tokens=3000,
    )
    bill = Bill(
        input_tokens=1000, output_tokens=500, cache_read_tokens=2000, cache_write_5m_tokens=3000
    )
    for model in ("claude-sonnet-4-5", "claude-sonnet-4-6"):
        cost = book.cost(model, usage)
        assert isinstance(cost, Cost)
        assert cost.total_nusd == spent_nusd(bill)
    assert spent_nusd(bill) == 1000 * INPUT + 500 * OUTPUT + 2000 * READ + 3000 * WRITE_5M


def test_the_requests_are_of_the_sizes_that_they_stand_for():
    small = read_request(small_request("claude-sonnet-4-5"))
    large = read_request(large_request("claude-sonnet-4-6", 7))
    assert isinstance(small, ModelRequest)
    assert isinstance(large, ModelRequest)
    assert 3500 < len(small.body) < 4500
    assert 98_000 < len(large.body) < 104_000
    head = msgspec.json.encode([large.fields["system"], large.fields["tools"]])
    assert 40_000 < len(head) < 44_000
    assert (large.max_tokens, large.opaque, large.cached) == (128_000, True, True)
