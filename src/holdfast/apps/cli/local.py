"""Verbs that need no server: `policy check|test`, `doctor`, `config check`, `version`, `demo`.

Each runs the process that may read what it needs; the command line itself knows neither the
settings' grammar nor Cedar.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import typer

import holdfast
from holdfast.apps.cli import policies
from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import complain, emit, note, say
from holdfast.apps.cli.project import project_dir, python_module
from holdfast.apps.cli.verbs import Imports, Json, Project, importing, verb
from holdfast.errors import ConfigInvalid, InternalError

policy = typer.Typer(help="Policies, tried without a server.", no_args_is_help=True)
config = typer.Typer(help="Settings.", no_args_is_help=True)

policies.register(policy)

DOCTOR_MODULE = "holdfast.apps.doctor"
POLICY_MODULE = "holdfast.apps.policyd"
DEMO_MODULE = "holdfast.apps.cli.demo"
TIMEOUT_S = 120.0


@verb(policy, "check")
def check(project: Path | None = Project, as_json: bool = Json, imports: bool = Imports) -> int:
    """Check every policy against the declared tools. Exit code 1 when one does not hold."""
    return _policies("check", project_dir(project), as_json=as_json, imports=imports)


@verb(policy, "test")
def try_tables(
    project: Path | None = Project, as_json: bool = Json, imports: bool = Imports
) -> int:
    """Try the decision tables beside the policies. Exit code 1 when a case comes out otherwise."""
    return _policies("test", project_dir(project), as_json=as_json, imports=imports)


def _policies(name: str, folder: Path, *, as_json: bool, imports: bool) -> int:
    told = _captured(DOCTOR_MODULE, ["inputs", str(folder), *importing(imports)])
    try:
        document = json.loads(told)
        policies, inputs = document["policies"], document["inputs"]
    except (ValueError, KeyError, TypeError):
        raise InternalError("the settings could not be handed to the policy process") from None
    with tempfile.TemporaryDirectory(prefix="holdfast-") as scratch:
        contracts = Path(scratch, "policy-inputs.json")
        contracts.write_text(json.dumps(inputs), encoding="utf-8")
        arguments = [name, "--policies", policies, "--contracts", str(contracts)]
        return passed_through(POLICY_MODULE, arguments, as_json=as_json)


@verb(config, "check")
def check_config(
    project: Path | None = Project, as_json: bool = Json, imports: bool = Imports
) -> int:
    """Check holdfast.yaml and its agent files. Exit code 2 when they do not hold."""
    arguments = ["config", str(project_dir(project)), *importing(imports)]
    return passed_through(DOCTOR_MODULE, arguments, as_json=as_json)


@config.callback()
def _config_group() -> None:
    """Settings."""


def register(app: typer.Typer) -> None:
    """Add `policy`, `config`, `doctor`, `demo` and `version`."""
    app.add_typer(policy, name="policy")
    app.add_typer(config, name="config")

    @verb(app, "doctor")
    def doctor(
        folder: Path = typer.Argument(Path(), metavar="[DIR]", help="The project's folder."),
        as_json: bool = Json,
        imports: bool = Imports,
    ) -> int:
        """Which of the five week-one controls stand here? Exit code 1 when too few do."""
        if not folder.is_dir():
            raise ConfigInvalid(f"`{folder}` is no folder")
        return passed_through(
            DOCTOR_MODULE, ["doctor", str(folder), *importing(imports)], as_json=as_json
        )

    @verb(app, "demo")
    def demo(
        scene: list[int] = typer.Option([], min=1, max=14, help="Only these scenes."),
        keep: bool = typer.Option(False, help="Keep the project's folder."),
        as_json: bool = Json,
    ) -> None:
        """Play a support desk under control: fourteen scenes, the real SDK, a scripted model."""
        arguments = [f"--scene={number}" for number in scene]
        arguments += ["--keep"] if keep else []
        arguments += ["--json"] if as_json else []
        command = python_module(DEMO_MODULE, arguments)
        sys.stdout.flush()
        os.execve(command[0], command, {**os.environ})  # noqa: S606 - there is no shell

    @verb(app, "version")
    def show_version(as_json: bool = Json) -> None:
        """Print the version."""
        if as_json:
            emit({"version": holdfast.__version__})
        else:
            say(f"holdfast {holdfast.__version__}")


def _captured(module: str, arguments: list[str]) -> str:
    done = subprocess.run(
        python_module(module, arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if done.returncode != 0:
        raise ConfigInvalid(done.stderr.strip() or f"{module} failed")
    return done.stdout


def passed_through(module: str, arguments: list[str], *, as_json: bool, given: str = "") -> int:
    """Run a module, `given` on its standard input, show what it says, hand its exit code on."""
    done = subprocess.run(
        python_module(module, [*arguments, *(["--json"] if as_json else [])]),
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if as_json:
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
    elif done.stdout.strip():
        say(done.stdout.rstrip("\n"))
    if done.returncode not in (ExitCode.DONE, ExitCode.INTERNAL, ExitCode.USAGE):
        raise InternalError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    if done.returncode and done.stderr.strip():
        complain(done.stderr)
    elif done.stderr.strip():
        note(done.stderr)
    return done.returncode
