"""Policies come into force by an operator's act: applied, kept by digest, loaded at the next start."""

import asyncio
from pathlib import Path

import pytest

from holdfast.errors import HoldfastError
from holdfast.testing.conformance.policy import SUITE_CEDAR
from tests.policy_process import PolicyProcess, suite_folder

STOP = '\n@id("stop") forbid (principal, action, resource);'
_POLLS_S = 2.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return suite_folder(tmp_path)


def applying(folder: Path) -> PolicyProcess:
    process = PolicyProcess(folder)
    process.arguments = ("--no-baseline", "--applied", str(folder / "applied"))
    return process


def test_a_file_that_somebody_writes_changes_nothing_until_it_is_applied(folder: Path):
    file = folder / "policies" / "suite.cedar"
    with applying(folder) as process:
        policy = process.client()

        async def body() -> None:
            first = await policy.status()
            assert first.fault == ""
            file.write_text(SUITE_CEDAR + STOP)
            await asyncio.sleep(_POLLS_S)
            seen = await policy.status()
            assert seen.version == first.version
            assert "holdfast policy apply" in seen.fault
            change = await policy.candidate()
            assert (change.previous, change.added) == (first.version, ("stop",))
            assert (change.removed, change.changed) == ((), ())
            applied = await policy.apply(change.version)
            assert applied.version == change.version != first.version
            assert applied.fault == ""

        process.run(body)


def test_what_was_applied_is_in_force_after_a_restart_whatever_the_folder_says(folder: Path):
    file = folder / "policies" / "suite.cedar"
    with applying(folder) as process:
        versions: list[str] = []

        async def seen() -> None:
            status = await process.client().status()
            versions.append(status.version)

        process.run(seen)
        process.stop()
        file.write_text("")
        process.start()
        process.run(seen)
        assert versions[0] == versions[1]
        kept = folder / "applied" / versions[0].removeprefix("sha256:")
        assert (kept / "suite.cedar").read_text() == SUITE_CEDAR
        assert (kept / "policy-inputs.json").read_bytes() == (
            folder / "contracts.json"
        ).read_bytes()


def test_files_that_changed_since_they_were_shown_or_do_not_hold_are_not_applied(folder: Path):
    file = folder / "policies" / "suite.cedar"
    with applying(folder) as process:
        policy = process.client()

        async def body() -> None:
            first = await policy.status()
            file.write_text(SUITE_CEDAR + STOP)
            shown = await policy.candidate()
            file.write_text(SUITE_CEDAR + STOP.replace("stop", "other"))
            with pytest.raises(HoldfastError):
                await policy.apply(shown.version)
            file.write_text("permit everything;")
            broken = await policy.candidate()
            assert broken.findings
            with pytest.raises(HoldfastError):
                await policy.apply(broken.version)
            assert (await policy.status()).version == first.version

        process.run(body)


def test_watching_never_takes_a_bundle_that_lost_a_rule(folder: Path):
    file = folder / "policies" / "suite.cedar"
    with PolicyProcess(folder) as process:
        policy = process.client()

        async def body() -> None:
            first = await policy.status()
            file.write_text("")
            await asyncio.sleep(_POLLS_S)
            seen = await policy.status()
            assert seen.version == first.version
            assert "rules are gone" in seen.fault
            file.write_text(SUITE_CEDAR + STOP)
            await asyncio.sleep(_POLLS_S)
            grown = await policy.status()
            assert grown.version != first.version
            file.write_text(SUITE_CEDAR)
            applied = await policy.apply((await policy.candidate()).version)
            assert applied.version == first.version

        process.run(body)
