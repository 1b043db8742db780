"""What goes on after a crash, what waits for a person, and what is done once whatever ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.promises.calls import TASK_SAYS, compacted, overflows
from tests.promises.doors import DONE, Work, call
from tests.promises.house import House, cli, fresh, until
from tests.promises.matrix import promise
from tests.promises.test_money import LONG, spenders
from tests.promises.test_sessions import end


def vanished(door, tool, order, task) -> Work:
    """The agent's program ends after a tool took effect, before anybody was told."""
    work = door.begin(
        call(tool, order, **({"amount": 7} if tool == "pay" else {})), DONE, task=task
    )
    assert until(lambda: work.acts(tool, order), 30)
    if door.name == "claude_code":
        work.end()
    with_patience(work)
    return work


def with_patience(work: Work) -> None:
    work.wait(90)


@promise("S74")
def test_a_lost_confirmation_is_no_second_effect_and_no_false_belief(door):
    """The tool took effect and its program ended: the same work again pays nothing twice, and says so."""
    order, task = f"S74-dies-{door.name}", f"open/S74-{door.name}"
    work = vanished(door, "send", order, task)
    if work.run_id:
        until(lambda: states(door, work) == ["unknown"], 30)
    else:
        end(door, work)
        again = door.work(call("send", order), DONE, task=task, user=work.user)
        (read,) = again.read("send")
        assert read["error"]
        assert "unknown" in read["text"] or "outcome" in read["text"], read
    assert len(work.acts("send", order)) == 1
    assert states(door, work) == ["unknown"]


def states(door, work) -> list[str]:
    code, told = cli(
        "effects", "list", work.run_id or work.session_id, "--json", "-C", str(door.house.folder)
    )
    assert code == 0, told
    return [json.loads(line)["state"] for line in told.splitlines() if line.startswith("{")]


@promise("S73")
def test_what_is_exhausted_or_unknown_stands_in_one_list(door):
    """A keyed tool whose every try is lost: a person finds it where runs wait, and can settle it."""
    order, task = f"S73-{door.name}", f"open/S73-{door.name}"
    work = door.work(call("press", order), DONE, task=task)
    assert 1 <= len(work.acts("press", order)) <= 4
    if not work.run_id:
        end(door, work)
    code, told = cli("dlq", "list", "-C", str(door.house.folder))
    assert code == 0, told
    named = [work.session_id, work.run_id] if work.run_id else [work.session_id]
    assert any(name in told for name in named), told
    name = work.run_id or work.session_id
    code, told = cli("dlq", "show", name, "-C", str(door.house.folder))
    assert code == 0, told
    assert "press" in told


@promise("S17")
def test_a_spent_cap_waits_for_the_person_who_may_say_so(door):
    """It pauses and waits; somebody else cannot let it go on; the named approver raises the cap, and it goes on."""
    operators = door.house.operators("ann", "bob")
    work = door.begin(*spenders(LONG, 6), DONE, agent="patient", task=f"open/S17-{door.name}")
    waits = until(lambda: waiting(door, work), 15)
    assert waits, f"it did not wait: {work.view()['state']}, {work.said}"
    name = work.run_id or work.session_id
    verb = ["runs", "resume", name] if work.run_id else ["sessions", "resume", name]
    folder = ["--reason", "the customer waits", "-C", str(door.house.folder)]
    refused = cli(*verb, *folder, env={"HOLDFAST_OPERATOR_TOKEN": operators["bob"]})
    assert refused[0] != 0
    assert "`bob` is not among" in refused[1], refused
    ann = {"HOLDFAST_OPERATOR_TOKEN": operators["ann"]}
    raised = ["budget", "set", "session", f"acme/{work.session_id}", "usd", "life", "9.00"]
    assert cli(*raised, *folder, env=ann)[0] == 0
    code, told = cli(*verb, *folder, env=ann)
    assert code == 0, told
    if work.run_id:
        found = until(lambda: run_of(door, work)["state"] == "done", 40)
        assert found, run_of(door, work)
    else:
        assert work.view()["state"] == "active"


def run_of(door, work):
    return door.house.project.call("GET", f"/v1/runs/{work.run_id}").json


def waiting(door, work) -> bool:
    if work.run_id:
        return bool(run_of(door, work)["state"] == "parked")
    return bool(work.view()["state"] == "paused")


@promise("S87")
def test_progress_is_kept_and_gone_on_from(door):
    """In the journal, in a kept conversation, in the client's transcript: what was done is not done again."""
    order, task = f"S87-{door.name}", f"open/S87-{door.name}"
    first = (
        call("pay", order, amount=7),
        {**call("step", order), "pacing": {"first_event_delay_ms": 2500}},
    )
    if door.name == "runs":
        work = door.begin(*first, DONE, task=task)
        assert until(lambda: work.acts("pay", order), 30)
        kill_worker(door)
        work.wait(90)
        asked = [r.turn for r in door.house.requests(work.marker) if r.status == 200]
        assert asked.count(0) == 1, "it began again"
    else:
        begun = door.work(first[0], DONE, task=task)
        work = door.work(call("step", order), DONE, task=task, user=begun.user, resume=begun)
        assert [r["tool"] for r in work.read()] == ["pay", "step"], work.read()
    assert (work.failed, "done" in work.text) == (False, True), work.said
    assert len(work.acts("pay", order)) == 1


def kill_worker(door) -> None:
    """`kill -9` of the worker that is at work, and another in its place."""
    worker = door.house.workers.pop()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(15)
    door.house.worker()


@promise("S146")
def test_workers_come_and_go_without_loss(door):
    """Of two workers one is killed with -9 while six runs are at work: all six end, each effect once."""
    door.house.worker()
    slow = {"first_event_delay_ms": 600}
    works = []
    for n in range(6):
        order = f"S146-{n}"
        turns = (call("pay", order, amount=7), {**call("step", order), "pacing": slow}, DONE)
        works.append(door.begin(*turns, task=f"open/S146-{n}"))
    assert until(lambda: any(w.acts("pay", f"S146-{n}") for n, w in enumerate(works)), 30)
    kill_worker(door)
    for n, work in enumerate(works):
        work.wait(90)
        assert (work.failed, "done" in work.text) == (False, True), work.said
        assert len(work.acts("pay", f"S146-{n}")) == 1
    surplus = door.house.workers.pop()
    surplus.send_signal(signal.SIGTERM)
    surplus.wait(15)


@promise("S145")
def test_a_conversation_is_saved_loaded_and_deleted_outside_the_program(door):
    """With metadata, for an hour unless said otherwise, for its own user alone."""
    import asyncio

    from holdfast.client import connect
    from holdfast.errors import NotFound
    from holdfast.integrations.claude_agent_sdk import HoldfastSessionStore

    async def main():
        project = door.house.project
        async with connect(url=project.url, token=project.admin_token) as client:
            user = fresh("u")
            session = await client.sessions.open(agent="desk", user=user, tenant="acme")
            kept = session.conversations
            messages = [{"role": "user", "content": "Where is my kettle?"}]
            head = await kept.save("support/7", messages, {"channel": "web"})
            assert head.expires_at_ns - head.saved_at_ns == 3_600_000_000_000
            found = await kept.load("support/7")
            assert (found.messages, found.metadata) == (messages, {"channel": "web"})
            assert await client.conversations(user="nobody", tenant="acme").list() == ()
            await kept.delete("support/7")
            with pytest.raises(NotFound):
                await kept.load("support/7")
            if door.name == "sdk":
                store = HoldfastSessionStore(kept)
                key: Any = {"project_key": "p", "session_id": "s"}
                await store.append(key, [{"type": "user", "uuid": "1"}])
                assert len(await store.load(key) or []) == 1
                await store.delete(key)
                assert not await store.load(key)
            await session.end()
            await session.close()

    asyncio.run(main())


@promise("S149")
def test_a_first_governed_call_needs_minutes_and_no_docker(door, tmp_path, monkeypatch):
    """`holdfast init`, a server, a session: the first call of a tool or model is governed and seen."""
    monkeypatch.setenv(
        "PATH",
        os.pathsep.join(
            p for p in os.environ["PATH"].split(os.pathsep) if not (shutil.which("docker", path=p))
        ),
    )
    began = time.monotonic()
    code, told = cli(
        "init", str(tmp_path / "p"), *(["--claude-code"] if door.name == "claude_code" else [])
    )
    assert code == 0, told
    folder = tmp_path / "p"
    settings = (folder / "holdfast.yaml").read_text()
    settings += (
        '\nupstreams: {anthropic: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}}\n'
    )
    settings += "gateway: {processes: 1, port: 0}\n" if door.name == "relay" else ""
    agent = "assistant"
    if door.name == "runs":  # Its tools are the client's; a run has those of a module.
        agent, settings = (
            "clerk",
            settings.replace("agents:\n", "agents:\n  clerk: {model: claude-opus-5-5}\n"),
        )
    with House(folder, settings=settings, workers=int(door.name == "runs")) as house:
        work = type(door)(house).work({"text": "hello"}, agent=agent, tenant="default")
        assert (work.text, work.failed) == ("hello", False), work.said
        assert work.records("model_call.settled")
    assert time.monotonic() - began < 600


@promise("S59")
def test_a_tool_is_reached_by_tenant_with_that_tenants_credential(door):
    for tenant in ("acme", "globex"):
        work = door.work(call("post", f"S59-{tenant}"), DONE, tenant=tenant, agent="poster")
        assert not work.read("post")[0]["error"], work.read()
    seen = {
        path: fields["authorization"]
        for path, fields, _ in door.house.receiver.seen
        if path.startswith("/post/")
    }
    assert seen == {
        "/post/acme": "Bearer acme-credential",
        "/post/globex": "Bearer globex-credential",
    }


@promise("S68")
def test_a_result_leaves_only_once_it_fits_its_structure_and_rules(door):
    work = door.work(
        {"text": '{"cents": 500}'}, {"text": "no json"}, {"text": '{"cents": 50}'}, agent="checked"
    )
    assert not work.failed, work.said
    assert "50" in work.text
    assert "500" not in work.text
    never = door.work(*[{"text": '{"cents": 500}'}] * 6, agent="checked")
    assert never.failed
    assert "output_invalid" in never.said
    assert "500" not in never.text


@promise("S85")
def test_no_work_dies_of_a_full_context(door):
    work = compacted(door)
    assert (work.failed, work.text) == (False, "done"), work.said
    if door.name == "runs":
        assert work.records("run.compacted")
        return
    assert overflows(work), "no hook was asked"
    (seen,) = work.records("context.compacted")
    assert seen["body"]["messages"] <= seen["body"]["before"]


@promise("S89")
def test_the_task_is_told_again_to_the_letter_after_a_compaction(door):
    work = compacted(door)
    if door.name == "runs":
        assert work.records("run.compacted")
    last = door.house.requests(work.marker)[-1].json
    system = last.get("system") or []
    blocks = [block["text"] for block in system if isinstance(block, dict)]
    blocks += [m["content"] for m in last["messages"] if isinstance(m["content"], str)]
    for message in last["messages"]:
        if isinstance(message["content"], list):
            blocks += [block.get("text", "") for block in message["content"]]
    assert any(block.startswith("Task: keeps") and f"\n{TASK_SAYS}" in block for block in blocks), (
        "after the compaction the model was not told its task"
    )


@promise("S86")
def test_the_size_of_a_chunk_stands_with_the_task(door, tmp_path):
    (tmp_path / "holdfast.yaml").write_text(
        "version: 1\nagents: {sorter: {model: claude-opus-5-5}}\n"
        "tasks: {sorting: {description: Sort each., chunk: 2}}\n"
    )
    _code, told = cli("config", "check", "-C", str(tmp_path))
    assert "tasks.sorting.chunk" not in told, told


@promise("S88")
def test_a_batch_of_five_hundred_stops_at_its_first_bad_chunk(door, tmp_path):
    records = tmp_path / "r.jsonl"
    records.write_text("".join(json.dumps({"id": f"r{n}", "text": "?"}) + "\n" for n in range(500)))
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "holdfast.apps.cli.main",
                "batch",
                "run",
                "-C",
                str(door.house.folder),
            ),
            *("--agent", "nobody", "--user", "ann", "--tenant", "acme", "--records", str(records)),
            *(
                "--chunk",
                "100",
                "--check",
                "desk_checks:known",
                "--json",
                "Sort each record of S88.",
            ),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 10, (said, done.stderr)
    assert [(s.get("chunk"), s.get("verified")) for s in said[:-1]] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert said[-1]["verified"] == 2
