"""Tools of the SDK's servers in this process are ended at their own time, and at no other's."""

import asyncio

import pytest
from claude_agent_sdk import create_sdk_mcp_server, tool
from mcp import Client

from holdfast.integrations.claude_agent_sdk.contexts import CONTEXTS
from holdfast.integrations.claude_agent_sdk.own_servers import own_names, timed
from holdfast.model.decisions import Verdict
from holdfast.model.views.calls import Ruling

ENDED: list[str] = []


@tool("wait", "Wait", {"s": float})
async def wait(given):
    try:
        await asyncio.sleep(given["s"])
    except asyncio.CancelledError:
        ENDED.append("wait")
        raise
    return {"content": [{"type": "text", "text": "done"}]}


@pytest.fixture
def servers():
    ENDED.clear()
    other = {"type": "stdio", "command": "true"}
    return {"shop": create_sdk_mcp_server("shop", tools=[wait]), "other": other}


def called(server, arguments, limit_s, tool="mcp__shop__wait"):
    async def main():
        ruling = Ruling(
            decision_id="dec_1", verdict=Verdict.ALLOW, arguments=arguments, timeout_s=limit_s
        )
        CONTEXTS.begin("ses_1", "toolu_1", tool, ruling)
        try:
            async with asyncio.timeout(10), Client(server) as client:
                return await client.call_tool("wait", arguments)
        finally:
            CONTEXTS.end("ses_1", "toolu_1")

    return asyncio.run(main())


def test_a_tool_that_is_late_is_ended_and_says_what_happened(servers):
    answer = called(timed(servers)["shop"]["instance"], {"s": 60.0}, 0.2)
    assert answer.is_error
    assert answer.content[0].text == "tool_timeout: the tool did not answer within 0.2 s"
    assert ENDED == ["wait"]


@pytest.mark.parametrize(
    ("limit_s", "tool"),
    [(5.0, "mcp__shop__wait"), (0.0, "mcp__shop__wait"), (0.05, "mcp__bank__wait")],
)
def test_a_tool_in_time_without_a_limit_or_of_another_server_answers(servers, limit_s, tool):
    answer = called(timed(servers)["shop"]["instance"], {"s": 0.2}, limit_s, tool)
    assert (answer.is_error, answer.content[0].text) == (False, "done")
    assert ENDED == []


def test_the_servers_of_the_options_stay_as_they_are(servers):
    found = timed(servers)
    answer = called(servers["shop"]["instance"], {"s": 0.2}, 0.05)
    assert (answer.is_error, answer.content[0].text) == (False, "done")
    assert found["other"] is servers["other"]
    assert own_names(found) == ["shop"]


def test_a_server_of_a_library_that_lets_nobody_in_between_is_left_as_it_is():
    server = object()
    assert timed({"old": {"type": "sdk", "instance": server}})["old"]["instance"] is server
