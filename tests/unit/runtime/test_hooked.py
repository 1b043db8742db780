"""An old Claude Code gets no model where its hooks are what holds; everybody else does."""

import asyncio
import json

import pytest

from holdfast.errors import ClientOutdated, Unauthenticated
from holdfast.model.events import Kind
from holdfast.model.sessions import LoopLimits
from holdfast.model.tokens import hook_token
from tests.unit.runtime.house import SSE, House, asking, started, stopped, text_block
from tests.unit.runtime.relay_pair import Relayed

GOOD = (200, SSE, [started(), *text_block("hi"), *stopped()])
OLD = {"User-Agent": "claude-cli/2.1.294 (external, cli)"}
PERSON = LoopLimits(each_prompt=True)


@pytest.fixture(params=[House, Relayed], ids=["here", "through a relay"])
def house(request):
    return request.param


async def answered(house, live, headers):
    house.upstream.script = [GOOD]
    body = b"".join([chunk async for chunk in (await house.call(live, headers=headers)).events()])
    return b"hi" in body


async def refused(house, live, headers):
    house.upstream.script = []
    with pytest.raises(ClientOutdated, match=r"update Claude Code to 2\.1\.295 or newer") as raised:
        await house.call(live, headers=headers)
    return raised.value


def test_a_session_whose_hooks_asked_refuses_an_old_one_and_journals_it_once(house):
    async def main():
        here = house()
        live = await here.open()
        live.hooked = True
        error = await refused(here, live, OLD)
        await refused(here, live, {"user-agent": "claude-cli/new"})
        assert (error.code, error.http_status, error.retryable) == ("client_outdated", 400, False)
        records = here.written(Kind.MODEL_CALL_REFUSED)
        assert [record.verdict for record in records] == ["deny"]
        assert records[0].body["client"] == OLD["User-Agent"]
        assert "2.1.295" in records[0].body["why"]
        here.nothing_held()
        assert await answered(here, live, {"user-agent": "claude-cli/2.1.326 (external, cli)"})
        assert await answered(here, live, {"user-agent": "Anthropic/Python 1.0"})
        assert await answered(here, live, {})

    asyncio.run(main())


def test_a_session_for_a_person_refuses_one_that_knows_no_such_hooks(house):
    async def main():
        here = house()
        live = await here.open(loop=PERSON)
        await refused(here, live, OLD)
        embedded = {"user-agent": "claude-cli/2.1.200 (external, sdk-py, agent-sdk/0.3)"}
        assert await answered(here, live, embedded)
        live.hooked = True
        await refused(here, live, embedded)

    asyncio.run(main())


def test_an_old_one_gets_no_count_either():
    async def main():
        here = House()
        here.upstream.counts = 10
        live = await here.open(loop=PERSON)
        request = asking()
        del request["max_tokens"], request["stream"]
        body = json.dumps(request).encode()
        with pytest.raises(ClientOutdated):
            await here.calls.count(live, "/v1/messages/count_tokens", OLD, body)
        assert here.upstream.sent == []
        await here.calls.count(live, "/v1/messages/count_tokens", {}, body)
        assert len(here.upstream.sent) == 1

    asyncio.run(main())


def test_a_session_that_rests_on_no_hooks_takes_any_version(house):
    async def main():
        here = house()
        live = await here.open()
        assert await answered(here, live, OLD)
        assert here.written(Kind.MODEL_CALL_REFUSED) == []

    asyncio.run(main())


def test_the_token_of_the_hooks_is_what_says_that_they_are_in_use():
    async def main():
        here = House()
        live = await here.open()
        sessions, session = here.sessions, live.session
        with pytest.raises(Unauthenticated, match="not one that this server issued"):
            await sessions.authenticate_hook(hook_token(session.session_id, "hfs_wrong"))
        assert not live.hooked
        await sessions.authenticate_hook(hook_token(session.session_id, here.token))
        assert live.hooked

    asyncio.run(main())
