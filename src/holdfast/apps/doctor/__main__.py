"""`python -m holdfast.apps.doctor`: `doctor`, `config` and `inputs` of a project folder.

Its own process, because reading settings needs the wiring that the command line may not know.
Nothing is changed; `inputs` prints what the policy process is told of the settings.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from holdfast.compose.config import Config, load_config, policy_inputs
from holdfast.compose.doctor import CONFIG_NAME, DoctorReport, doctor
from holdfast.errors import HoldfastError


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What `config` prints: every fault as `file:line:column: key path: …`."""

    ok: bool
    version: str = ""
    problems: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What `inputs` prints: the policies' folder, and the document for the policy process."""

    policies: str
    inputs: msgspec.Raw


def main(arguments: list[str]) -> int:
    """Exit code: 0 it holds, 1 a control is missing (`doctor`), 2 the settings do not hold."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument("verb", choices=("doctor", "config", "inputs"))
    parser.add_argument("project", type=Path, nargs="?", default=Path())
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    given = parser.parse_args(arguments)
    try:
        if given.verb == "inputs":
            return _inputs(given.project)
        verb = _doctor if given.verb == "doctor" else _config
        return verb(given.project, as_json=given.json)
    except HoldfastError as fault:
        sys.stderr.write(f"{fault.message}\n")
        return 2


def _doctor(project: Path, *, as_json: bool) -> int:
    report = doctor(project)
    _print(report, _doctor_lines(report), as_json=as_json)
    return 0 if report.ok else 1


def _doctor_lines(report: DoctorReport) -> list[str]:
    lines: list[str] = []
    for control in report.controls:
        lines.append(f"{control.standing:<8} {control.title}: {control.why}")
        if control.fix:
            lines.append(f"{'':<8} to mend it: {control.fix}")
    lines += [f"note     {note}" for note in report.notes]
    lines.append(f"{report.present} of {len(report.controls)} controls are present")
    return [*lines, report.scope]


def _config(project: Path, *, as_json: bool) -> int:
    try:
        config = load_config(project / CONFIG_NAME)
    except HoldfastError as fault:
        problems = tuple(fault.message.splitlines())
        _print(Checked(ok=False, problems=problems), list(problems), as_json=as_json)
        return 2
    checked = Checked(
        ok=True,
        version=config.version,
        agents=tuple(config.agents),
        tools=tuple(sorted(config.declared_tools)),
    )
    _print(checked, [f"settings hold: {config.version}"], as_json=as_json)
    return 0


def _inputs(project: Path) -> int:
    config: Config = load_config(project / CONFIG_NAME)
    document = Inputs(policies=str(config.policies_path), inputs=msgspec.Raw(policy_inputs(config)))
    _print(document, [], as_json=True)
    return 0


def _print(report: Any, lines: list[str], *, as_json: bool) -> None:
    text = msgspec.json.encode(report).decode() if as_json else "\n".join(lines)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
