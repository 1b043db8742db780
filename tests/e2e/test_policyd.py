"""The policy process as operators meet it: killed, stopped, reloaded, restarted, checked."""

import asyncio
import os
import signal
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.backends.frames.client import FrameClient
from holdfast.backends.policyd_client.client import RemotePolicy
from holdfast.errors import PolicyUnavailable, Unavailable
from holdfast.model.decisions import Verdict
from holdfast.testing.conformance.policy import SUITE_CEDAR, SUITE_CONTRACTS, a_request
from tests.policy_process import PolicyProcess, offline, suite_folder, write_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return suite_folder(tmp_path)


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def until(policy: RemotePolicy, seen: Any, tries: int = 100) -> None:
    for _ in range(tries):
        if seen(await policy.status()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never seen; status is {await policy.status()}")


def test_a_killed_process_is_unavailable_and_a_restarted_one_answers_the_same_client(folder: Path):
    process = PolicyProcess(folder)

    async def main() -> None:
        policy = process.client(timeout_s=2)
        assert (await policy.decide(a_request())).verdict is Verdict.ALLOW
        process.stop(signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(PolicyUnavailable):
                await policy.decide(a_request())
        process.start()
        assert (await policy.decide(a_request())).verdict is Verdict.ALLOW
        await policy.close()

    with process:
        process.run(main)


def test_a_stopped_process_is_unavailable_within_the_time_out_and_answers_when_it_goes_on(
    folder: Path,
):
    with PolicyProcess(folder) as process:

        async def main() -> None:
            policy = process.client()
            patient = process.client(timeout_s=30)
            await patient.decide(a_request())
            os.kill(process.pid, signal.SIGSTOP)
            questions = [policy.decide(a_request()) for _ in range(50)]
            # The process stands still: whoever waited for it would wait for good.
            async with asyncio.timeout(60):
                answers = await asyncio.gather(*questions, return_exceptions=True)
            assert all(isinstance(answer, PolicyUnavailable) for answer in answers)
            os.kill(process.pid, signal.SIGCONT)
            assert (await patient.decide(a_request())).verdict is Verdict.ALLOW

        process.run(main)


def test_calls_in_flight_fail_at_once_when_the_process_dies(folder: Path):
    with PolicyProcess(folder) as process:

        async def main() -> None:
            policy = process.client(timeout_s=30)
            await policy.decide(a_request())
            os.kill(process.pid, signal.SIGSTOP)
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(gathered(policy))
                await asyncio.sleep(0.1)
                process.stop(signal.SIGKILL)
            assert all(isinstance(answer, PolicyUnavailable) for answer in asking.result())

        async def gathered(policy: RemotePolicy) -> list[Any]:
            return await asyncio.gather(
                *(policy.decide(a_request()) for _ in range(20)), return_exceptions=True
            )

        process.run(main)


def test_an_invalid_bundle_keeps_the_old_in_force_and_a_valid_one_replaces_it(folder: Path):
    file = folder / "policies" / "suite.cedar"
    with PolicyProcess(folder) as process:

        async def main() -> None:
            policy = process.client(timeout_s=30)
            before = await policy.version()
            file.write_text(
                SUITE_CEDAR + '\n@id("refund-small") forbid (principal, action, resource);'
            )
            await until(policy, lambda status: "duplicate_id" in status.fault)
            assert await policy.version() == before
            assert (await policy.decide(a_request())).verdict is Verdict.ALLOW
            assert [finding.code for finding in await policy.check()] == ["duplicate_id"]

            file.write_text(SUITE_CEDAR + '\n@id("stop") forbid (principal, action, resource);')
            await until(policy, lambda status: not status.fault and status.version != before)
            answer = await policy.decide(a_request())
            assert (answer.verdict, answer.rules) == (Verdict.DENY, ("stop",))
            assert await policy.check() == []

            (folder / "contracts.json").unlink()
            await until(policy, lambda status: "contracts.json" in status.fault)
            assert (await policy.decide(a_request())).rules == ("stop",)

        process.run(main)


def test_without_a_valid_bundle_the_process_runs_and_refuses_every_question(folder: Path):
    file = folder / "policies" / "suite.cedar"
    file.write_text("permit everything;")
    with PolicyProcess(folder) as process:

        async def main() -> None:
            policy = process.client(timeout_s=30)
            for ask in (lambda: policy.decide(a_request()), policy.version):
                with pytest.raises(PolicyUnavailable, match="no valid policies"):
                    await ask()
            status = await policy.status()
            assert (status.version, status.loaded_at_ns) == ("", 0)
            assert "suite.cedar:1" in status.fault
            file.write_text(SUITE_CEDAR)
            await until(policy, lambda status: status.version)
            assert (await policy.decide(a_request())).verdict is Verdict.ALLOW

        process.run(main)


def test_the_socket_is_private_goes_with_the_process_and_cannot_be_taken(folder: Path):
    with PolicyProcess(folder) as process:
        assert stat.S_IMODE(process.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(process.socket.parent.stat().st_mode) == 0o700
        second = PolicyProcess(folder)
        with pytest.raises(AssertionError, match="another process already answers"):
            second.start()
        assert process.socket.exists()
        assert "is in force" in process.stop()
        assert not process.socket.exists()


def test_it_serves_although_whoever_started_it_has_gone(folder: Path):
    process = PolicyProcess(folder)

    async def main() -> None:
        policy = process.client(timeout_s=2)
        answer = None
        async with asyncio.timeout(60):
            while answer is None:
                try:
                    answer = await policy.decide(a_request())
                except PolicyUnavailable:
                    await asyncio.sleep(0.05)
        assert answer.verdict is Verdict.ALLOW
        await policy.close()

    process.start(waits=False)
    try:
        process.run(main)
    finally:
        said = process.stop()
    assert "Traceback" not in said


def test_a_folder_open_to_others_is_refused(folder: Path):
    (folder / "run").mkdir(mode=0o755)
    with pytest.raises(AssertionError, match="0700"):
        PolicyProcess(folder).start()


def test_the_baseline_is_in_force_unless_it_is_refused(folder: Path):
    with PolicyProcess(folder, baseline=True) as process:

        async def main() -> None:
            policy = process.client(timeout_s=30)
            answer = await policy.decide(a_request(risk="BLOCK"))
            assert answer.rules == ("holdfast.blocked-risk",)

        process.run(main)


HOSTILE: list[dict[str, Any]] = [
    {"input": {"amount": {"__entity": {"type": "Role", "id": "admin"}}, "currency": "EUR"}},
    {"input": {"amount": {"__extn": {"fn": "decimal", "arg": "1.0"}}, "currency": "EUR"}},
    {"input": {"amount": float("nan"), "currency": "EUR"}},
    {"input": {"amount": 2**63, "currency": "EUR"}},
    {"input": {"amount": 2**64, "currency": "EUR"}},
    {"input": {"amount": 20, "currency": "\ud800"}},
    {"action": "refund\u202e"},
    {"action": "refund\x00"},
    {"input": {"amount": 20, "currency": "x" * 5_000_000}},
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_questions_are_denied_and_the_process_goes_on(
    hostile_process: PolicyProcess, number: int
):
    async def main() -> None:
        policy = hostile_process.client(timeout_s=10)
        answer = await policy.decide(a_request(**HOSTILE[number]))
        assert answer.verdict is Verdict.DENY
        assert (await policy.decide(a_request())).verdict is Verdict.ALLOW

    hostile_process.run(main)


@pytest.mark.parametrize("depth", [100, 400, 3_000])
def test_deep_nesting_never_allows_and_the_process_goes_on(
    hostile_process: PolicyProcess, depth: int
):
    deep: Any = {}
    for _ in range(depth):
        deep = [deep]

    async def main() -> None:
        policy = hostile_process.client(timeout_s=10)
        request = a_request(input={"amount": deep, "currency": "EUR"})
        try:
            answer = await policy.decide(request)
        except PolicyUnavailable:
            pass
        else:
            assert answer.verdict is Verdict.DENY
        assert (await policy.decide(a_request())).verdict is Verdict.ALLOW

    hostile_process.run(main)


@pytest.fixture(scope="module")
def hostile_process(tmp_path_factory: pytest.TempPathFactory):
    with PolicyProcess(suite_folder(tmp_path_factory.mktemp("policy"))) as process:
        yield process


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x01\xc1",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x02\x93\x00",
    ],
)
def test_bytes_that_are_no_frame_close_that_connection_only(
    hostile_process: PolicyProcess, sent: bytes
):
    async def main() -> None:
        reader, writer = await asyncio.open_unix_connection(str(hostile_process.socket))
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        policy = hostile_process.client(timeout_s=10)
        assert (await policy.decide(a_request())).verdict is Verdict.ALLOW

    hostile_process.run(main)


@pytest.mark.parametrize(
    ("method", "body"), [("decide", b""), ("decide", b"\x80"), ("decide", b"\xc1"), ("nope", b"")]
)
def test_calls_that_are_no_question_fail_and_do_not_end_the_connection(
    hostile_process: PolicyProcess, method: str, body: bytes
):
    async def main() -> None:
        connection = FrameClient(hostile_process.socket)
        with pytest.raises(Unavailable) as refused:
            await connection.call(method, body, 5)
        assert refused.value.fields["fault"] == "invalid_request"
        assert await connection.call("version", b"", 5)
        await connection.close()

    hostile_process.run(main)


def test_an_idle_process_is_small(hostile_process: PolicyProcess):
    assert rss_bytes(hostile_process.pid) < 45_000_000


def test_ten_thousand_tools_load_and_an_undeclared_one_is_still_denied(folder: Path):
    one = SUITE_CONTRACTS[1]
    many = [*SUITE_CONTRACTS, *(msgspec.structs.replace(one, name=f"t{n}") for n in range(10_000))]
    write_inputs(folder, many)
    with PolicyProcess(folder) as process:

        async def main() -> None:
            policy = process.client(timeout_s=10)
            assert (await policy.decide(a_request())).verdict is Verdict.ALLOW
            for action in ("t5", "t9999", "t10000"):
                answer = await policy.decide(
                    a_request(action=action, effect="read", input={"order": ""})
                )
                assert answer.verdict is Verdict.DENY

        process.run(main)


# --- check and test without a server ----------------------------------------------------------
def test_check_passes_a_sound_folder(folder: Path):
    code, report = offline(folder, "check")
    assert (code, report["ok"], report["findings"]) == (0, True, [])
    assert report["version"].startswith("sha256:")


def test_check_names_file_and_line_of_each_fault(folder: Path):
    (folder / "policies" / "b.cedar").write_text(
        '// note\n\n@id("x") forbid (principal, action == Action::"refnd", resource);\npermit (p);'
    )
    code, report = offline(folder, "check")
    assert code == 1
    assert [(f["file"], f["line"], f["code"]) for f in report["findings"]] == [
        ("b.cedar", 4, "parse"),
        ("b.cedar", 3, "undeclared_tool"),
    ]


TABLE = """
cases:
  - name: a small refund goes through
    given: {roles: [support], task: {max_refund: 50, currency: EUR}}
    call: {tool: refund, input: {amount: 20, currency: EUR}}
    expect: allow
    rule: refund-small
  - name: a tainted one does not
    given: {roles: [support], tainted: true, task: {max_refund: 50, currency: EUR}}
    call: {tool: refund, input: {amount: 20, currency: EUR}}
    expect: deny
    rule: tainted-commit
  - name: a large one asks
    given: {roles: [admin]}
    call: {tool: refund, input: {amount: 200, currency: EUR}}
    expect: ask
  - name: destroying asks by the baseline
    given: {roles: [admin]}
    call: {tool: drop}
    expect: ask
    rule: holdfast.destroy-asks
"""


def test_decision_tables_that_hold_pass(folder: Path):
    (folder / "policies" / "tests").mkdir()
    (folder / "policies" / "tests" / "refunds.yaml").write_text(TABLE)
    code, report = offline(folder, "test")
    assert (code, [case["fault"] for case in report["cases"]]) == (0, [""] * 4)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("expect: allow", "expect: deny", "expected deny, got allow by refund-small"),
        ("amount: 20", "amount: 51", "nearest is `refund-small`"),
        ("rule: tainted-commit", "rule: other", "expected other to decide"),
    ],
)
def test_a_case_that_comes_out_otherwise_fails_and_says_why(
    folder: Path, before: str, after: str, says: str
):
    (folder / "policies" / "tests").mkdir()
    (folder / "policies" / "tests" / "refunds.yaml").write_text(TABLE.replace(before, after, 1))
    code, report = offline(folder, "test")
    assert code == 1
    (fault,) = [case["fault"] for case in report["cases"] if case["fault"]]
    assert says in fault


@pytest.mark.parametrize(
    "table", ["cases: 3", "cases: [{name: x}]", "cases: [", "nope: 1", "", "cases: []"]
)
def test_a_table_that_tests_nothing_fails(folder: Path, table: str):
    (folder / "policies" / "tests").mkdir()
    (folder / "policies" / "tests" / "refunds.yaml").write_text(table)
    code, report = offline(folder, "test")
    assert code == 1
    assert report["findings"]


def test_tests_of_a_folder_without_tables_fail(folder: Path):
    code, report = offline(folder, "test")
    assert code == 1
    assert report["findings"][0]["code"] == "no_tables"
