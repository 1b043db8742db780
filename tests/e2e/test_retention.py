"""Conversations and gc against a real server: through its doors, over its death, with real files."""

import asyncio
import json
import signal
import subprocess
import sys
import uuid
from typing import Any

import apsw
import pytest
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query
from claude_agent_sdk.testing import run_session_store_conformance

from holdfast.client import connect
from holdfast.errors import Conflict, Denied, InvalidRequest, NotFound, SessionStopped, TooLarge
from holdfast.integrations.claude_agent_sdk import HoldfastSessionStore, govern
from holdfast.testing.project import SETTINGS, RunningProject
from holdfast.testing.scripted_model import Scenario, Script, Text, Turn
from holdfast.testing.scripted_model.script import Match

TENANTS = SETTINGS.replace(
    "tenants:\n", 'tenants:\n  umbra: {users: {"*": {roles: [support]}}}\n'
).replace("defaults:", "retention: {sessions_days: 1, every_s: 3600}\ndefaults:")
ODD = b'[ {"role":"user", "content":"sk-ant-REDACTED \\u0000 \xc3\xa9"},1e2 ]'
SCRIPT = Script(
    scenarios=(
        Scenario(name="all", turns=(Turn(blocks=(Text(text="Noted."),)),), match=Match(text="")),
    )
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    with RunningProject(folder, script=SCRIPT, settings=TENANTS) as running:
        yield running


def client(project):
    return connect(project.url, token=project.admin_token)


def typed(project, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.apps.cli.main", *arguments, "-C", str(project.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_conversation_survives_the_server_byte_for_byte(project):
    async def saved():
        async with client(project) as admin:
            session = await admin.sessions.open(agent="desk", user="ann", tenant="acme")
            head = await session.conversations.save("chat/1", ODD, b'{ "n": 1 }')
            await session.close()
            return head

    async def loaded():
        async with client(project) as admin:
            return await admin.conversations(user="ann", tenant="acme").load("chat/1")

    head = asyncio.run(saved())
    project.stop(signal.SIGKILL)
    project.start()
    found = asyncio.run(loaded())
    assert (found.messages_json, found.metadata_json) == (ODD, b'{ "n": 1 }')
    assert found.version == head.version
    told = project.records(tenant="acme", user="ann", kind="conversation.saved")
    assert told[-1]["body"]["size_bytes"] == len(ODD) + 10
    assert "sk-ant" not in json.dumps(told)


def test_nobody_reaches_what_is_not_theirs(project):
    async def main():
        async with client(project) as admin:
            ann = await admin.sessions.open(agent="desk", user="ann", tenant="acme")
            other = await admin.sessions.open(agent="desk", user="ann", tenant="umbra")
            bob = await admin.sessions.open(agent="desk", user="bob", tenant="acme")
            await ann.conversations.save("mine", [1])
            for theirs in (other, bob):
                assert await theirs.conversations.list() == ()
                with pytest.raises(NotFound):
                    await theirs.conversations.load("mine")
                with pytest.raises(NotFound):
                    await theirs.conversations.delete("mine")
            assert [one.name for one in await ann.conversations.list("mi")] == ["mine"]
            with pytest.raises(NotFound):
                await admin.conversations(user="ann", tenant="nobody").list()
            with pytest.raises(InvalidRequest):
                await admin.conversations(user="ann").list()
            # A session's token opens no operator's path, nor names another user.
            with pytest.raises(Denied):
                await (
                    connect(project.url, token=ann.token)
                    .conversations(user="bob", tenant="acme")
                    .list()
                )
            reply = project.call(
                "POST", "/v1/guard/conversations/list", {"user": "bob"}, token=ann.token
            )
            assert reply.status == 400
            await admin.sessions.kill(ann.session_id, "enough")
            with pytest.raises(SessionStopped):
                await ann.conversations.load("mine")
            for one in (ann, other, bob):
                await one.close()

    asyncio.run(main())


def test_bounds_and_versions_are_refused_by_name(project):
    async def main():
        async with client(project) as admin:
            kept = admin.conversations(user="cleo", tenant="acme")
            first = await kept.save("c", [1], expected_version=0)
            with pytest.raises(Conflict) as stale:
                await kept.save("c", [2], expected_version=0)
            assert stale.value.fields["version"] == first.version
            with pytest.raises(TooLarge):
                await kept.save("c", ["x" * (4 * 1024 * 1024)])
            big = ["x" * (4 * 1024 * 1024 - 10)]
            await kept.save("big", big)
            assert (await kept.load("big")).messages == big
            for wrong in ({"ttl_s": 0}, {"ttl_s": 2**40}):
                with pytest.raises(InvalidRequest):
                    await kept.save("c", [1], **wrong)
            with pytest.raises(InvalidRequest):
                await kept.save("c", b'{"not": "a list"}')
            await kept.save("brief", [1], ttl_s=1)
            await asyncio.sleep(1.1)
            with pytest.raises(NotFound):
                await kept.load("brief")

    asyncio.run(main())
    token = project.admin_token
    for body in (
        b"",
        b"{",
        b'{"user":"cleo","tenant":"acme","name":"c","messages":[1],"x":1}',
        b'{"user":"cleo","tenant":"acme","name":"c","messages":[{"a":1,"a":2}]}',
        b'{"user":"cleo","tenant":"acme","name":"c"}',
        b'{"user":"cleo","tenant":"acme","name":"\\ud800","messages":[]}',
        b'{"user":"cleo","tenant":"acme","name":"c","messages":' + b"[" * 500 + b"]" * 500 + b"}",
    ):
        reply = project.call("POST", "/v1/conversations/save", body, token=token)
        assert reply.status == 400, body[:80]
    for wrong in ("", "hfa_wrong", "hfs_wrong"):
        assert project.call("POST", "/v1/conversations/save", b"{}", token=wrong).status == 401


def test_gc_deletes_the_calls_of_ended_sessions_alone(project):
    async def worked(user):
        async with client(project) as admin:
            session = await admin.sessions.open(agent="desk", user=user, tenant="acme")
            for n in range(3):
                await session.conversations.save(f"gc/{n}", [n], ttl_s=1)
            await session.close()
            return session

    ended, live = asyncio.run(worked("eve")), asyncio.run(worked("eve"))
    assert project.call("POST", f"/v1/sessions/{ended.session_id}/end", {}).status == 200
    asyncio.run(asyncio.sleep(1.2))
    code, said = typed(project, "gc", "--older-than", "1s", "--dry-run", "--json")
    assert code == 0, said
    tried = json.loads(said)
    assert tried["sessions"] >= 1
    assert tried["conversations"] >= 3
    code, said = typed(project, "gc", "--older-than", "1s", "--json")
    done = json.loads(said)
    counted = ("sessions", "calls", "runs", "effects", "conversations")
    assert {name: done[name] for name in counted} == {name: tried[name] for name in counted}
    code, said = typed(project, "gc", "--json")
    assert code == 0
    assert json.loads(said)["sessions_before_ns"] > 0
    assert all(json.loads(said)[name] == 0 for name in counted)
    code, said = typed(project, "gc", "--older-than", "soon")
    assert code == 2

    reply = project.call(
        "POST",
        "/v1/sessions",
        {"agent": "desk", "user": "eve", "tenant": "acme", "parent": ended.session_id},
    )
    assert reply.status == 409, reply
    assert project.view(live.session_id)["state"] == "active"
    assert project.view(ended.session_id)["state"] == "ended"
    # The journal is whole, over a restart too.
    project.stop(signal.SIGKILL)
    project.start()
    told = project.records(tenant="acme", session=ended.session_id)
    assert next(one["kind"] for one in told) == "session.opened"


def test_the_timer_deletes_what_expired(tmp_path):
    settings = TENANTS.replace("every_s: 3600", "every_s: 1")
    with RunningProject(tmp_path, script=SCRIPT, settings=settings) as project:

        async def main():
            async with client(project) as admin:
                await admin.conversations(user="ann", tenant="acme").save("brief", [1], ttl_s=1)
                await asyncio.sleep(1.0)
                left: Any = -1
                told: list[Any] = []
                for _ in range(100):
                    rows = apsw.Connection(
                        str(project.state / "holdfast.db"), flags=apsw.SQLITE_OPEN_READONLY
                    )
                    left = rows.execute("SELECT count(*) FROM conversations").get
                    told = rows.execute(
                        "SELECT body FROM journal WHERE kind = 'retention.applied'"
                    ).fetchall()
                    rows.close()
                    if told:
                        break
                    await asyncio.sleep(0.1)
                assert left == 0
                (body,) = (json.loads(raw) for (raw,) in told)
                assert (body["by"], body["conversations"]) == ("the timer", 1)

        asyncio.run(main())


def kept_by_sdk(conversations, **settings) -> Any:
    """The store, for entries of which only a test knows what they hold."""
    return HoldfastSessionStore(conversations, **settings)


def test_the_sdks_own_suite_holds_for_its_store_on_holdfast(project):
    async def main():
        async with client(project) as admin:
            users = iter(range(10_000))

            def fresh():
                kept = admin.conversations(user=f"sdk-{next(users)}", tenant="acme")
                return kept_by_sdk(kept)

            await run_session_store_conformance(fresh)

    asyncio.run(main())


def test_a_transcript_grows_over_parts_and_writers_and_repeats_nothing(project):
    async def main():
        async with client(project) as admin:
            kept = admin.conversations(user="parts", tenant="acme")
            one, other = kept_by_sdk(kept), kept_by_sdk(kept)
            key = {"project_key": "p", "session_id": "s"}
            big = "x" * 200_000

            def entry(n):
                return {"type": "user", "uuid": str(uuid.UUID(int=n)), "n": n, "text": big}

            await one.append(key, [entry(n) for n in range(7)])
            await other.append(key, [entry(7)])
            await asyncio.gather(
                *(s.append(key, [entry(8 + k)]) for k, s in enumerate((one, other)))
            )
            await one.append(key, [entry(n) for n in range(6, 11)])
            found = await kept_by_sdk(kept).load(key)
            assert sorted(e["n"] for e in found) == list(range(11))
            assert [e["n"] for e in found][:8] == list(range(8))
            parts = await kept.list("claude-sdk/")
            assert len(parts) >= 5
            # A transcript that lost a part is not there, rather than wrong.
            await kept.delete(parts[1].name)
            assert await kept_by_sdk(kept).load(key) is None

    asyncio.run(main())


def test_earlier_parts_live_as_long_as_the_last(project):
    async def main():
        async with client(project) as admin:
            kept = admin.conversations(user="long", tenant="acme")
            store = kept_by_sdk(kept, ttl_s=4)
            key = {"project_key": "p", "session_id": "s"}
            for n in range(6):
                await store.append(key, [{"type": "user", "n": n, "text": "x" * 300_000}])
                await asyncio.sleep(0.9)
            found = await store.load(key)
            assert [e["n"] for e in found] == list(range(6))

    asyncio.run(main())


def test_the_real_sdk_resumes_from_holdfast_where_its_own_files_are_gone(project, tmp_path):
    async def said(session, store, text, **more):
        options = govern(
            ClaudeAgentOptions(session_store=store, cwd=str(tmp_path), **more), session
        )
        found = [m async for m in query(prompt=text, options=options)]
        (result,) = (m for m in found if isinstance(m, ResultMessage))
        return result.session_id

    async def main():
        async with client(project) as admin:
            session = await admin.sessions.open(agent="desk", user="sdk", tenant="acme")
            store = kept_by_sdk(session.conversations)
            first = await said(session, store, "Remember the kettle.")
            again = kept_by_sdk(session.conversations)
            second = await said(session, again, "What did I say?", resume=first)
            assert second == first
            sent = json.dumps(project.model.message_requests[-1].json)
            assert "Remember the kettle." in sent
            await session.close()

    asyncio.run(main())
