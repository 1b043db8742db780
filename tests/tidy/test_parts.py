"""Parts: no test is skipped by hand, a missing part fails in CI, and `make parts` brings what it can."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import parts
from tests.parts import PARTS, Part, path_without, works
from tests.tidy.repository import ROOT

TESTS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py"))}
THE_ONE_PLACE = ROOT / "tests" / "parts.py"
NAMES_PARTS = {"pytest.mark.part", "parts.require"}
BY_HAND = {"skip", "skipif", "skipIf", "skipTest", "skipUnless", "importorskip", "SkipTest"}


def skips(source: str) -> list[int]:
    """The lines where a test is skipped by hand."""
    names = {"Skipped", *BY_HAND}
    if not any(name in source for name in names):
        return []
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and any(alias.name in names for alias in node.names))
    ]


def marked(source: str) -> set[str]:
    """The parts that a test file names."""
    named: set[str] = set()
    if not any(name in source for name in NAMES_PARTS):
        return named
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if ast.unparse(node.func) in NAMES_PARTS:
            assert all(isinstance(given, ast.Constant) for given in node.args), node.lineno
            named |= {ast.literal_eval(given) for given in node.args}
    return named


def test_no_test_is_skipped_by_hand():
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path, text in TESTS.items()
        if path != THE_ONE_PLACE and (lines := skips(text))
    }
    assert not found, f"name the part instead, in tests/parts.py: {found}"


@pytest.mark.parametrize(
    "source",
    [
        'pytest.skip("no luck")',
        '@pytest.mark.skipif(True, reason="x")\ndef test(): ...',
        "@pytest.mark.skip\ndef test(): ...",
        'pytest.importorskip("x")',
        "from pytest import skip as leave",
        "raise unittest.SkipTest",
    ],
)
def test_the_rule_sees(source):
    assert skips(source)


def test_every_part_that_a_test_names_is_in_the_table_and_each_of_the_table_is_named():
    assert set().union(*map(marked, TESTS.values())) == set(PARTS)


def test_the_continuous_run_gets_the_parts_before_it_tests():
    steps = re.findall(r'^step "?(\w+)', (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert steps.index("parts") < steps.index("test")


NEEDS = """
import pytest

@pytest.mark.part("git")
def test_that_needs_it(): pass

@pytest.fixture
def late():
    from tests import parts
    parts.require("git")

def test_whose_fixture_needs_it(late): pass

def test_that_needs_nothing(): pass
"""


@pytest.mark.parametrize(
    ("ci", "said"), [("true", "2 failed"), ("", "2 skipped"), ("false", "2 skipped")]
)
def test_a_missing_part_skips_and_fails_where_ci_says_so(tmp_path, ci, said):
    (tmp_path / "test_needs.py").write_text(NEEDS)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "tests.parts", "--rootdir=."]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stdout.replace("1 passed, 2 errors", "2 failed"), done.stdout
    assert "1 passed" in done.stdout
    assert "needs git: make parts" in done.stdout


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with nothing on it but an apt-get that writes down what it is asked."""
    (tmp_path / "apt-get").write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\ncase "$*" in *install*)\n'
        f'case "$*" in *brittle*) exit 100;; esac; : > "{tmp_path}/installed";; esac\n'
    )
    (tmp_path / "apt-get").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    works.cache_clear()
    yield tmp_path
    works.cache_clear()


def given(monkeypatch, folder: Path, *packages: str) -> None:
    table = {
        "there": Part(lambda: True, ("there",)),
        "tool": Part((folder / "installed").exists, packages, otherwise="ask your operator"),
    }
    monkeypatch.setattr(parts, "PARTS", table)


def asked(folder: Path) -> list[str]:
    path = folder / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_missing_is_installed_and_nothing_else(machine, monkeypatch, capsys):
    given(monkeypatch, machine, "tool-package")
    assert parts.main() == 0
    assert [line.split()[-1] for line in asked(machine)] == ["--quiet=2", "tool-package"]
    assert capsys.readouterr().out.splitlines()[-2:] == ["there: works", "tool: works"]
    assert parts.main() == 0
    assert len(asked(machine)) == 2, "the second time there is nothing to do"


def test_whoever_is_not_root_is_told_what_to_install(machine, monkeypatch, capsys):
    given(monkeypatch, machine, "tool-package")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert parts.main() == 1
    assert asked(machine) == []
    out = capsys.readouterr().out
    assert "tool: missing; apt-get install tool-package, as root; or ask your operator" in out


def test_an_install_that_fails_is_a_failure(machine, monkeypatch, capsys):
    given(monkeypatch, machine, "brittle")
    assert parts.main() == 1
    assert "brittle failed with 100" in capsys.readouterr().out


def test_what_cannot_be_installed_keeps_no_other_part_away(machine, monkeypatch, capsys):
    table = {
        "broken": Part(lambda: False, ("brittle",)),
        "tool": Part((machine / "installed").exists, ("tool-package",)),
    }
    monkeypatch.setattr(parts, "PARTS", table)
    assert parts.main() == 1
    assert [line.split()[-1] for line in asked(machine)][1:] == ["brittle", "tool-package"]
    assert "tool: works" in capsys.readouterr().out


@pytest.mark.parametrize("there", [True, False])
def test_node_is_installed_where_there_is_none(machine, monkeypatch, there):
    npm = Part(lambda: False, ("nodejs", "npm"), ("node", "npm"), npm="of-the-test")
    monkeypatch.setattr(parts, "PARTS", {"of npm": npm})
    monkeypatch.setattr(parts, "ROOT", machine)
    (machine / "of-the-test").mkdir()
    for name in ("node", "npm") if there else ():
        (machine / name).write_text(f'#!/bin/sh\necho "$@" > "{machine}/npm-asked"\n')
        (machine / name).chmod(0o700)
    assert parts.main() == 1
    assert [line.split()[-2:] for line in asked(machine)][1:] == (
        [] if there else [["nodejs", "npm"]]
    )
    assert (machine / "npm-asked").exists() is there


def test_what_no_package_brings_is_only_told(machine, monkeypatch, capsys):
    given(monkeypatch, machine)
    assert parts.main() == 1
    assert asked(machine) == []
    assert "tool: missing; ask your operator" in capsys.readouterr().out


def test_a_hidden_part_is_out_of_reach_and_the_rest_is_not(monkeypatch, tmp_path):
    there, bare = tmp_path / "there", tmp_path / "bare"
    there.mkdir()
    bare.mkdir()
    for name in ("bwrap", "socat", "other"):
        (there / name).write_text("#!/bin/sh\n")
        (there / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{there}:{tmp_path / 'nowhere'}:/bin")
    path = path_without(bare, "bubblewrap", "socat")
    assert not {"bwrap", "socat"} & {link.name for link in Path(path).iterdir()}
    monkeypatch.setenv("PATH", path)
    subprocess.run(["other"], check=True)
    subprocess.run(["sh", "-c", "true"], check=True)
