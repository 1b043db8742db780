"""What costs nothing is bounded by session, and stands in the journal as counts."""

import asyncio

import pytest

from holdfast.errors import InvalidRequest, RateLimited
from holdfast.model.events import Kind
from holdfast.ports.store import RecordFilter
from holdfast.runtime.free_calls import FreeCalls
from tests.unit.runtime.house import House


def test_a_session_counts_so_often_and_its_counts_are_told_together():
    async def main():
        house = House()
        live, other = await house.open(), await house.open()
        free = FreeCalls(house.journal, house.clock, per_minute=3, tell_s=0.01)
        for _ in range(3):
            free.enter(live)
        for _ in range(2):
            with pytest.raises(RateLimited) as refused:
                free.enter(live)
            assert refused.value.fields["retry_after_s"] == 20
        free.enter(other)  # Another session is not held up.
        await asyncio.sleep(0.05)
        await house.journal.commit([])
        where = RecordFilter(tenant=live.who.tenant, kinds=(Kind.MODEL_CALL_COUNTED,))
        told = await house.store.records(where)
        assert {(r.session, r.body["passed"], r.body["refused"]) for r in told} == {
            (live.session.session_id, 3, 2),
            (other.session.session_id, 1, 0),
        }

    asyncio.run(main())


def test_a_count_that_the_table_does_not_cover_never_reaches_the_provider():
    async def main():
        house = House()
        live = await house.open()
        before = len(house.upstream.sent)
        for body in (b'{"model":"m","messages":[],"novel":1}', b"{"):
            with pytest.raises(InvalidRequest):
                await house.calls.count(live, "/v1/messages/count_tokens", {}, body)
        headers = {"anthropic-beta": "brand-new-2099-01-01"}
        body = b'{"model":"m","messages":[]}'
        with pytest.raises(InvalidRequest, match="beta"):
            await house.calls.count(live, "/v1/messages/count_tokens", headers, body)
        assert len(house.upstream.sent) == before

    asyncio.run(main())
