"""The policy process within: what an act of the admin puts in force, and what it leaves behind."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from holdfast.apps.policyd import service as module
from holdfast.apps.policyd.applied import current, keep
from holdfast.apps.policyd.service import Files, PolicyService
from holdfast.backends.policyd_client import wire
from holdfast.errors import HoldfastError
from holdfast.model.decisions import Replay, Replayed
from holdfast.model.views.policies import PolicyChange, PolicyStatus
from holdfast.testing.conformance.policy import SUITE_CEDAR, a_request
from tests.policy_process import suite_folder

STOP = '\n@id("stop") forbid (principal, action, resource);'


class Held:
    """A service over a folder, and what it reported."""

    def __init__(self, folder: Path, *, applied: bool = True) -> None:
        self.folder = folder
        self.file = folder / "policies" / "suite.cedar"
        self.kept = folder / "applied"
        self.said: list[str] = []
        files = Files(
            policies=folder / "policies",
            contracts=folder / "contracts.json",
            baseline=False,
            applied=self.kept if applied else None,
            kept=self.kept,
        )
        self.service = PolicyService(files, now_ns=lambda: 7, report=self.said.append)

    async def ask(self, method: str, body: bytes, kind):
        answer = self.service.handle(method, body)
        raw = answer if isinstance(answer, bytes) else await answer
        return msgspec.msgpack.decode(raw, type=kind)

    async def candidate(self) -> PolicyChange:
        return await self.ask(wire.CANDIDATE, b"", PolicyChange)

    async def apply(self, version: str) -> PolicyStatus:
        return await self.ask(wire.APPLY, version.encode(), PolicyStatus)


def playing(tmp_path, main, **how):
    async def run():
        held = Held(suite_folder(tmp_path), **how)
        await held.service.refresh()
        try:
            await main(held)
        finally:
            held.service.close()

    asyncio.run(run())


def test_the_difference_names_what_was_added_removed_and_changed_and_only_that(tmp_path):
    async def main(held):
        rules = SUITE_CEDAR.split("@id(")
        gone = rules[1].split('"')[1]
        altered = rules[2].replace("permit", "forbid", 1) if "permit" in rules[2] else rules[2]
        held.file.write_text("@id(".join([rules[0], altered, *rules[3:]]) + STOP)
        change = await held.candidate()
        assert change.added == ("stop",)
        assert change.removed == (gone,)
        assert set(change.changed) <= {rules[2].split('"')[1]}
        assert bool(change.changed) is (altered != rules[2])

    playing(tmp_path, main)


def test_a_bundle_that_was_applied_is_kept_before_it_holds_and_pointed_to(tmp_path):
    async def main(held):
        first = held.service.status().version
        held.file.write_text(SUITE_CEDAR + STOP)
        change = await held.candidate()
        assert held.service.status().version == first
        done = await held.apply(change.version)
        assert done.version == change.version
        assert done.fault == ""
        kept = current(held.kept)
        assert kept is not None
        assert kept.name == change.version.rpartition(":")[2]
        assert (kept / "suite.cedar").read_text() == SUITE_CEDAR + STOP
        contracts = (held.folder / "contracts.json").read_bytes()
        assert (kept / "policy-inputs.json").read_bytes() == contracts
        # The one before stays: a decision of yesterday can be made again.
        assert (held.kept / first.rpartition(":")[2] / "suite.cedar").read_text() == SUITE_CEDAR

    playing(tmp_path, main)


def test_what_cannot_be_kept_does_not_come_into_force(tmp_path, monkeypatch):
    async def main(held):
        first = held.service.status().version
        held.file.write_text(SUITE_CEDAR + STOP)
        change = await held.candidate()

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module, "keep", full)
        with pytest.raises((HoldfastError, OSError)):
            await held.apply(change.version)
        assert held.service.status().version == first

    playing(tmp_path, main)


def test_files_that_change_while_they_are_kept_do_not_come_into_force(tmp_path, monkeypatch):
    async def main(held):
        first = held.service.status().version
        held.file.write_text(SUITE_CEDAR + STOP)
        change = await held.candidate()
        kept = keep

        def swapped(*given):
            held.file.write_text(SUITE_CEDAR.replace("forbid", "permit"))
            return kept(*given)

        monkeypatch.setattr(module, "keep", swapped)
        with pytest.raises(HoldfastError, match="changed while they were kept"):
            await held.apply(change.version)
        assert held.service.status().version == first
        # Nor at the next start.
        again = Held(held.folder)
        await again.service.refresh()
        assert again.service.status().version == first
        again.service.close()
        assert not (held.kept / change.version.rpartition(":")[2]).exists()

    playing(tmp_path, main)


@pytest.mark.parametrize("version", ["", "sha256:00", "latest"])
def test_a_version_that_was_not_shown_is_not_applied(tmp_path, version):
    async def main(held):
        first = held.service.status().version
        held.file.write_text(SUITE_CEDAR + STOP)
        with pytest.raises(HoldfastError, match="changed meanwhile"):
            await held.apply(version)
        assert held.service.status().version == first
        assert {one.name for one in held.kept.iterdir()} == {"current", first.rpartition(":")[2]}

    playing(tmp_path, main)


def test_files_that_do_not_hold_are_not_applied_under_their_own_version_either(tmp_path):
    async def main(held):
        first = held.service.status().version
        held.file.write_text("permit everything;")
        broken = await held.candidate()
        assert broken.findings
        with pytest.raises(HoldfastError, match="changed meanwhile"):
            await held.apply(broken.version)
        assert held.service.status().version == first
        assert {one.name for one in held.kept.iterdir()} == {"current", first.rpartition(":")[2]}

    playing(tmp_path, main)


def test_written_files_change_nothing_and_are_told_once_until_they_are_back(tmp_path):
    async def main(held):
        first = held.service.status().version
        for text in (SUITE_CEDAR + STOP, "", "permit everything;"):
            held.file.write_text(text)
            await held.service.refresh()
            assert held.service.status().version == first
            assert held.service.status().fault
        assert sum("not what is in force" in line for line in held.said) >= 1
        held.file.write_text(SUITE_CEDAR)
        await held.service.refresh()
        assert held.service.status().fault == ""

    playing(tmp_path, main)


def test_the_next_process_starts_from_what_was_applied_and_says_that_the_folder_differs(tmp_path):
    async def main(held):
        first = held.service.status().version
        held.file.write_text("")
        again = Held(held.folder)
        await again.service.refresh()
        assert again.service.status().version == first
        assert "apply" in again.service.status().fault
        again.service.close()

    playing(tmp_path, main)


def test_watching_takes_more_rules_and_never_fewer(tmp_path):
    async def main(held):
        first = held.service.status().version
        held.file.write_text(SUITE_CEDAR.rsplit("@id(", 1)[0])
        await held.service.refresh()
        assert held.service.status().version == first
        assert "rules are gone" in held.service.status().fault
        held.file.write_text(SUITE_CEDAR + STOP)
        await held.service.refresh()
        assert held.service.status().version != first
        assert held.service.status().fault == ""

    playing(tmp_path, main, applied=False)


def test_what_watching_took_is_kept_too_and_answers_again(tmp_path):
    async def main(held):
        first = held.service.status().version
        held.file.write_text(SUITE_CEDAR + STOP)
        await held.service.refresh()
        second = held.service.status().version
        assert second != first
        verdicts = {}
        for version in (first, second, "sha256:" + "0" * 64):
            asked = Replay(version=version, questions=(a_request(effect=""),))
            raw = msgspec.msgpack.encode(asked)
            again = await held.ask(wire.REPLAY, raw, Replayed)
            verdicts[version] = again.answers[0].verdict if again.answers else again.fault[:12]
        assert list(verdicts.values()) == ["allow", "deny", "the policies"]
        assert held.service.status().version == second

    playing(tmp_path, main, applied=False)


def test_a_question_that_cannot_be_read_is_refused_and_the_process_lives(tmp_path):
    async def main(held):
        for raw in (b"", b"\xc1", msgspec.msgpack.encode({"version": 1})):
            with pytest.raises(HoldfastError, match="cannot be read"):
                await held.ask(wire.REPLAY, raw, Replayed)
        assert held.service.status().version

    playing(tmp_path, main)
