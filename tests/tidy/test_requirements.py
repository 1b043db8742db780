"""The committed locks: every line pinned, hashed, free of addresses, and in step with each other."""

import re
import tomllib

import pytest

from tests.tidy.repository import ROOT

LOCKS = ["uv", "build", "run", "demo", "dev", "injection"]
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    return {normal(package): version for package, version in PIN.findall(lock(name))}


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name):
    text = re.sub(r"\\\n\s*", "", lock(name))
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert lines
    loose = [line[:60] for line in lines if not (PIN.match(line) and "--hash=sha256:" in line)]
    assert not loose, loose


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_no_path_stands_in_a_lock(name):
    assert not re.findall(r"://|^--?\w|@ |^/", lock(name), re.MULTILINE)


@pytest.mark.parametrize("name", ["run", "demo"])
def test_a_smaller_lock_is_part_of_the_development_lock(name):
    assert pins(name).items() <= pins("dev").items()


def test_the_build_lock_agrees_with_the_development_lock_where_they_meet():
    build, dev = pins("build"), pins("dev")
    assert {p: v for p, v in build.items() if p in dev} == {p: dev[p] for p in build if p in dev}


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]) for line in requirements}


def test_every_declared_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    core = declared(project["dependencies"])
    assert core <= set(pins("run"))
    assert core | declared(extras["claude"]) <= set(pins("demo"))
    assert core.union(*map(declared, extras.values())) <= set(pins("dev"))


def test_every_declared_dependency_has_its_reason_in_the_decision_record():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    record = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text(encoding="utf-8")
    recorded = {normal(name) for name in re.findall(r"^\| `([^`]+)`", record, re.MULTILINE)}
    wanted = declared(project["dependencies"])
    wanted = wanted.union(*map(declared, project["optional-dependencies"].values()))
    assert wanted <= recorded, f"no reason is recorded for {sorted(wanted - recorded)}"
    assert recorded - {"uv", "hatchling", "editables"} <= wanted, "a record outlived its dependency"
