"""Policy asked again: kept bundles answer as they did, under the version that they have, or not."""

import shutil
from pathlib import Path

import msgspec
import pytest

from holdfast.apps.policyd.applied import CONTRACTS, OURS, keep
from holdfast.apps.policyd.replaying import replayed
from holdfast.apps.policyd.service import Files
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.sources import BASELINE
from holdfast.model.decisions import Replay, Verdict
from holdfast.testing.conformance.policy import SUITE_CEDAR, a_request
from tests.policy_process import suite_folder

STOP = '\n@id("stop") forbid (principal, action, resource);'


class Kept:
    """One bundle in force and kept, and a question that it allowed."""

    def __init__(self, folder: Path, *, baseline: bool = True) -> None:
        suite_folder(folder)
        self.kept, self.baseline = folder / "kept", baseline
        self.files = Files(
            policies=folder / "policies", contracts=folder / "contracts.json", baseline=baseline
        )
        self.loaded = self.files.load()
        assert self.loaded.bundle is not None
        self.copy = self.files.keep(self.kept, self.loaded.version, self.files.policies)
        self.question = a_request()
        assert decide(self.loaded.bundle, self.question).verdict is Verdict.ALLOW

    def again(self, version: str = "", **more):
        """As the server asks: what contracts say is left to the bundle."""
        question = msgspec.structs.replace(self.question, effect="", resource_tags={})
        asked = Replay(version=version or self.loaded.version, questions=(question,), **more)
        return replayed(self.kept, asked, baseline=self.baseline)


@pytest.mark.parametrize("baseline", [True, False])
def test_a_kept_bundle_answers_as_it_did_after_the_files_changed(tmp_path, baseline):
    kept = Kept(tmp_path, baseline=baseline)
    (tmp_path / "policies" / "suite.cedar").write_text(SUITE_CEDAR + STOP)
    (tmp_path / "contracts.json").write_text("{}")
    again = kept.again()
    assert (again.fault, again.version) == ("", kept.loaded.version)
    assert kept.loaded.bundle is not None
    assert list(again.answers) == [decide(kept.loaded.bundle, kept.question)]


def test_the_rules_that_came_with_the_program_are_those_of_then(tmp_path, monkeypatch):
    kept = Kept(tmp_path)
    newer = tmp_path / "program" / BASELINE.name
    newer.parent.mkdir()
    newer.write_text(BASELINE.read_text() + STOP)
    monkeypatch.setattr("holdfast.apps.policyd.replaying.BASELINE", newer)
    assert kept.again().answers[0].verdict is Verdict.ALLOW
    (kept.copy / OURS).write_text(STOP)
    assert "is not what was in force" in kept.again().fault
    (kept.copy / OURS).unlink()
    assert "is not what was in force" in kept.again().fault


def test_a_kept_bundle_is_not_judged_by_a_later_lint(tmp_path, monkeypatch):
    kept = Kept(tmp_path)
    monkeypatch.setattr(
        "holdfast.backends.cedar.bundle.lint.lint", lambda *_: pytest.fail("it was in force")
    )
    assert kept.again().answers[0].verdict is Verdict.ALLOW


def _other_rule(copy: Path) -> None:
    (copy / "suite.cedar").write_text(SUITE_CEDAR + STOP)


def _more_files(copy: Path) -> None:
    (copy / "more.cedar").write_text(STOP)


def _other_contracts(copy: Path) -> None:
    path = copy / CONTRACTS
    path.write_bytes(path.read_bytes().replace(b"read", b"write"))


def _unreadable(copy: Path) -> None:
    (copy / "suite.cedar").write_text("permit (")


@pytest.mark.parametrize("change", [_other_rule, _more_files, _other_contracts, _unreadable])
def test_a_kept_bundle_that_was_changed_answers_nothing(tmp_path, change):
    kept = Kept(tmp_path)
    change(kept.copy)
    again = kept.again()
    assert not again.answers
    assert again.fault


@pytest.mark.parametrize(
    "version", ["sha256:" + "0" * 64, "sha256:../policies", "", "sha256:.", "kept"]
)
def test_a_version_that_is_not_kept_is_said_to_be(tmp_path, version):
    kept = Kept(tmp_path)
    again = replayed(kept.kept, Replay(version=version, questions=()), baseline=True)
    assert "not kept here" in again.fault
    assert "not kept here" in replayed(None, Replay(version="x", questions=()), baseline=True).fault


def test_given_files_are_asked_with_the_contracts_of_then_and_the_shipped_rules(tmp_path):
    kept = Kept(tmp_path)
    (tmp_path / "contracts.json").write_text("{}")
    same = kept.again(files={"suite.cedar": SUITE_CEDAR.encode()})
    assert same.answers[0].verdict is Verdict.ALLOW
    other = kept.again(files={"suite.cedar": (SUITE_CEDAR + STOP).encode()})
    assert (other.answers[0].verdict, other.answers[0].rules) == (Verdict.DENY, ("stop",))
    assert other.version != kept.loaded.version
    for broken in (b"permit (", b"\xff", b"permit (principal, action, resource) when { 1 };"):
        assert "do not hold" in kept.again(files={"suite.cedar": broken}).fault


@pytest.mark.parametrize("baseline", [True, False])
def test_given_files_are_asked_beside_the_shipped_rules_only_where_those_are_in_force(
    tmp_path, baseline
):
    kept = Kept(tmp_path, baseline=baseline)
    kept.question = msgspec.structs.replace(kept.question, risk="BLOCK")
    [answer] = kept.again(files={"suite.cedar": SUITE_CEDAR.encode()}).answers
    blocked = (Verdict.DENY, ("holdfast.blocked-risk",))
    assert (answer.verdict, answer.rules) == (
        blocked if baseline else (Verdict.ALLOW, answer.rules)
    )


def test_the_question_has_the_tags_that_the_contracts_of_then_give_the_tool(tmp_path):
    kept = Kept(tmp_path)
    path = kept.copy / CONTRACTS
    told = msgspec.json.decode(path.read_bytes())
    for contract in told["contracts"]:
        contract["tags"] = {"kind": "ledger"}
    path.write_bytes(msgspec.json.encode(told))
    when = 'when { resource.hasTag("kind") && resource.getTag("kind") == "ledger" };'
    ledger = f'{SUITE_CEDAR}\n@id("ledger") forbid (principal, action, resource) {when}'
    [answer] = kept.again(files={"suite.cedar": ledger.encode()}).answers
    assert (answer.verdict, answer.rules) == (Verdict.DENY, ("ledger",))


def test_the_first_deny_ends_the_line_of_sessions(tmp_path):
    kept = Kept(tmp_path)
    outsider = msgspec.structs.replace(kept.question, roles=(), user="nobody", agent="none")
    asked = Replay(version=kept.loaded.version, questions=(kept.question, outsider, kept.question))
    verdicts = [one.verdict for one in replayed(kept.kept, asked, baseline=True).answers]
    assert verdicts == [Verdict.ALLOW, Verdict.DENY]


def test_a_copy_is_made_once_and_never_changed(tmp_path):
    kept = Kept(tmp_path)
    (tmp_path / "policies" / "suite.cedar").write_text(STOP)
    again = keep(
        kept.kept, kept.loaded.version, tmp_path / "policies", tmp_path / "contracts.json", BASELINE
    )
    assert again == kept.copy
    assert (again / "suite.cedar").read_text() == SUITE_CEDAR
    shutil.rmtree(again)
