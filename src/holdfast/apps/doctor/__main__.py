"""`python -m holdfast.apps.doctor`: `doctor`, `config`, `inputs`, `tools-…` of a project folder.

Its own process, because reading settings needs the wiring that the command line may not know.
Nothing is changed, and no code of the project runs without `--import`; `inputs` prints what the
policy process is told of the settings.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from holdfast.apps.doctor.hooks import hooks_list, hooks_try
from holdfast.apps.doctor.tools import tools_lint, tools_list
from holdfast.compose import readiness
from holdfast.compose.config import Config, load_config, policy_inputs
from holdfast.compose.doctor import CONFIG_NAME, DoctorReport, doctor
from holdfast.compose.hooks import unfit as hooks_unfit
from holdfast.errors import ConfigInvalid, HoldfastError

VERBS = ("doctor", "config", "inputs", "tools-list", "tools-lint", "hooks-list", "hooks-try")


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What `config` prints: every fault as `file:line:column: key path: …`.

    `unread` are modules of tools that were not looked at; then `version` is not the server's.
    """

    ok: bool
    version: str = ""
    problems: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What `inputs` prints: the policies' folder, and the document for the policy process."""

    policies: str
    inputs: msgspec.Raw


def main(arguments: list[str]) -> int:
    """Exit code: 0 it holds, 1 a control is missing or a tool falls short, 2 bad settings."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("project", type=Path, nargs="?", default=Path())
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    parser.add_argument("--mcp", action="append", default=[], help="for `tools-lint`: a server")
    parser.add_argument("--mcp-all", action="store_true", help="for `tools-lint`: every server")
    parser.add_argument("--import", action="store_true", dest="imports", help="run tool modules")
    parser.add_argument("--point", default="", help="for `hooks-try`: where")
    parser.add_argument(
        "--agent", default="", help="for `hooks-try`, with what they see on stdin: whose"
    )
    given = parser.parse_args(arguments)
    # That a process which is being ended was waited for elsewhere is no word for a reader.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        if given.verb == "inputs":
            return _inputs(given.project, imports=given.imports)
        if given.verb.startswith("tools-"):
            return _tools(given)
        if given.verb.startswith("hooks-"):
            return _hooks(given)
        verb = _doctor if given.verb == "doctor" else _config
        return verb(given.project, as_json=given.json, imports=given.imports)
    except HoldfastError as fault:
        sys.stderr.write(f"{fault.message}\n")
        return 2


def _doctor(project: Path, *, as_json: bool, imports: bool) -> int:
    report = doctor(project, imports=imports)
    _print(report, _doctor_lines(report), as_json=as_json)
    return 0 if report.ok else 1


def _doctor_lines(report: DoctorReport) -> list[str]:
    lines: list[str] = []
    for control in report.controls:
        lines.append(f"{control.standing:<8} {control.title}: {control.why}")
        if control.fix:
            lines.append(f"{'':<8} to mend it: {control.fix}")
    lines += [f"fault    {fault}" for fault in report.faults]
    lines += [f"cap      {cap}" for cap in report.caps]
    lines += [f"note     {note}" for note in report.notes]
    lines.append(f"{report.present} of {len(report.controls)} controls are present")
    return [*lines, report.scope]


def _config(project: Path, *, as_json: bool, imports: bool) -> int:
    try:
        config = load_config(project / CONFIG_NAME, imports=imports)
    except HoldfastError as fault:
        return _unfit(fault.message.splitlines(), as_json=as_json)
    if problems := (*readiness.faults(config), *hooks_unfit(config, imports=imports)):
        return _unfit(problems, as_json=as_json)
    checked = Checked(
        ok=True,
        version=config.version,
        agents=tuple(config.agents),
        tools=tuple(sorted(config.declared_tools)),
        unread=config.unread,
    )
    told = (readiness.unread(config), "" if imports else readiness.unloaded(config))
    lines = [f"settings hold: {config.version}", *told]
    _print(checked, [line for line in lines if line], as_json=as_json)
    return 0


def _unfit(problems: Sequence[str], *, as_json: bool) -> int:
    _print(Checked(ok=False, problems=tuple(problems)), list(problems), as_json=as_json)
    return 2


def _tools(given: argparse.Namespace) -> int:
    if given.verb == "tools-list":
        text, ok = tools_list(given.project, as_json=given.json, imports=given.imports), True
    else:
        text, ok = tools_lint(
            given.project,
            only=given.mcp,
            every_server=given.mcp_all,
            as_json=given.json,
            imports=given.imports,
        )
    sys.stdout.write(f"{text}\n" if text else "")
    return 0 if ok else 1


def _hooks(given: argparse.Namespace) -> int:
    if given.verb == "hooks-list":
        text = hooks_list(given.project, as_json=given.json)
    else:
        text = hooks_try(
            given.project, given.point, given.agent, sys.stdin.read() or "{}", as_json=given.json
        )
    sys.stdout.write(f"{text}\n" if text else "")
    return 0


def _inputs(project: Path, *, imports: bool) -> int:
    config: Config = load_config(project / CONFIG_NAME, imports=imports)
    if config.unread:
        named = ", ".join(f"`{name}`" for name in config.unread)
        raise ConfigInvalid(
            f"policies speak of the tools of {named}, and checks run no code of a project unless"
            " asked to: say `--import`"
        )
    document = Inputs(policies=str(config.policies_path), inputs=msgspec.Raw(policy_inputs(config)))
    _print(document, [], as_json=True)
    return 0


def _print(report: Any, lines: list[str], *, as_json: bool) -> None:
    text = msgspec.json.encode(report).decode() if as_json else "\n".join(lines)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
