"""What `holdfast --help`, `holdfast up` and a server that was just started have loaded.

What most do not need is imported in the function that needs it, and stands in `ON_DEMAND`; all else
is imported at the top of its module.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.repository import ROOT

SOURCE = ROOT / "src" / "holdfast"

ON_DEMAND = {
    "apps/control/audit/asking.py": {
        "holdfast.core.narrate": "a question to the journal",
        "holdfast.core.when": "a question that names a time",
        "zoneinfo": "a question that names a zone",
    },
    "apps/control/budgets/routes.py": {
        "holdfast.apps.control.budgets.proposing": "somebody asks which caps history suggests",
    },
    "apps/doctor/tools.py": {
        "holdfast.integrations.native.mcp_listing": "servers of MCP that are asked for their tools"
    },
    "apps/policyd/__main__.py": {"holdfast.apps.policyd.offline": "a check without a server"},
    "apps/server/__main__.py": {
        "holdfast.apps.server.serving": "loads while the policy process loads",
        "holdfast.compose.storage": "a server that begins again",
    },
    "apps/server/console.py": {"holdfast.apps.console.app": "a browser that comes to the console"},
    "apps/server/judge.py": {"holdfast.core.risk.shell": "a session that may run commands"},
    "apps/server/starting.py": {"holdfast.compose.moved_clock": "a clock that people move"},
    "apps/server/serving.py": {
        "holdfast.apps.control.slack.door": "people in Slack",
        "holdfast.apps.server.relaying": "gateway processes",
        "holdfast.backends.slack.replies": "people in Slack",
    },
    "client/wire.py": {"holdfast.client.transport": "aiohttp, for whoever asks a server"},
    "compose/alerting.py": {
        "holdfast.backends.channels.mail": "receivers of e-mail",
        "holdfast.backends.channels.webhook": "receivers of alerts",
    },
    "compose/config/alert_layout.py": {"zoneinfo": "quiet hours"},
    "compose/config/tool_checks.py": {"holdfast.core.tool_standard": "tools that are checked"},
    "compose/house.py": {"holdfast.runtime.alert_tap": "receivers of alerts"},
    "compose/identity.py": {"holdfast.backends.oidc.provider": "an issuer that people sign in at"},
    "compose/own_files.py": {"holdfast.backends.system.own_files": "files that are own"},
    "compose/telemetry.py": {
        "holdfast.backends.otlp.encoding": "an extra",
        "holdfast.backends.otlp.sink": "an extra",
    },
    "compose/upstreams.py": {
        "holdfast.backends.bedrock.dialect": "an upstream on Bedrock",
        "holdfast.backends.bedrock.sigv4": "an upstream on Bedrock",
        "holdfast.backends.vertex.dialect": "an upstream on Vertex AI",
    },
    "core/quiet_hours.py": {"zoneinfo": "quiet hours"},
    "core/risk/registry.py": {"holdfast.core.risk.shell": "a command to judge"},
    "integrations/native/mcp_tools.py": {"mcp": "an extra", "mcp.client.stdio": "an extra"},
}
"""Module, what it imports in a function, and what it is for. `apps/cli` does so throughout."""

HELP = {
    *("holdfast", "holdfast.errors", "holdfast.apps", "holdfast.apps.cli"),
    *("holdfast.apps.cli.main", "holdfast.apps.cli.verbs", "holdfast.apps.cli.exit_codes"),
}
UP = HELP | {"holdfast.apps.cli.up", "holdfast.apps.cli.project"}
COMMAND_LINE = {"typer", "annotated_doc", "shellingham"}
PARAMETERS = {
    *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
}
"""What typer reads the parameters of a command with."""
SERVER = {
    *("anyio", "apsw", "click", "cryptography", "httptools", "jsonschema_rs", "msgspec"),
    *("python_multipart", "rfc8785", "sniffio", "starlette", "tree_sitter", "typing_extensions"),
    *("uvicorn", "uvloop", "yaml"),
}
POLICY = {"cedarpy", "msgspec", "rfc8785", "typing_extensions", "uvloop"}
SERVER_MODULES_MOST = 522
"""Of ours. Where it is reached: what could be imported in the function that needs it?"""

_MADE_BY_SITE = ("_distutils_hack", "coverage")
_SETTINGS = """
version: 1
policies: policies
upstreams: {anthropic: {api_key_env: KEY}}
tenants: {acme: {projects: {desk: {}}, users: {"*": {roles: [agent]}}}}
agents: {desk: {model: claude-sonnet-4-5, tools: [Read, Bash]}}
"""
_TELL = "print(*sys.modules, sep='\\n', file=sys.stderr)"
_COMMAND = f"""
import os, sys
import holdfast.apps.cli.main as command
def told(*_): {_TELL}; os._exit(0)
os.execve = told
try: command.main()
finally: told()
"""
_SERVER = f"""
import os, signal, sys
import holdfast.apps.server.__main__ as server
def told(*_): {_TELL}; os.kill(os.getpid(), signal.SIGTERM)
server.told_ready = told
sys.exit(server.main(["--project", ".", "--port", "0", "--ready-fd", "0"]))
"""
_POLICY = f"""
import os, signal, sys
import holdfast.apps.policyd.wiring as wiring
def told(*_): {_TELL}; os.kill(os.getpid(), signal.SIGTERM)
wiring.told_ready = told
import holdfast.apps.policyd.__main__ as policyd
sys.exit(policyd.main(["--policies", "policies", "--contracts", "c", "--socket", "p", "--ready-fd", "0"]))
"""


def loaded(code: str, folder: Path, *arguments: str) -> set[str]:
    """The modules of a process that ran `code` in the folder."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "KEY": "k"},
        timeout=120,
    )
    names = {line for line in done.stderr.splitlines() if line.replace(".", "_").isidentifier()}
    assert "sys" in names, done.stderr
    return names


def ours(names: set[str]) -> set[str]:
    """Modules of Holdfast."""
    return {name for name in names if name.partition(".")[0] == "holdfast"}


def others(names: set[str]) -> set[str]:
    """Packages that neither Python nor Holdfast brings."""
    tops = {name.partition(".")[0] for name in names} - {
        "holdfast",
        "__mp_main__",
        "cython_runtime",
    }
    known = sys.stdlib_module_names | set(sys.builtin_module_names)
    return {top for top in tops - known if not top.startswith(("_", *_MADE_BY_SITE))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small project."""
    made = tmp_path_factory.mktemp("loading")
    (made / "holdfast.yaml").write_text(_SETTINGS)
    (made / "policies").mkdir()
    (made / "policies" / "a.cedar").write_text('@id("a") permit (principal, action, resource);\n')
    (made / "c").write_text('{"version": 1, "contracts": []}')
    made.chmod(0o700)
    return made


def test_help_loads_the_command_tree_alone(folder):
    found = loaded(_COMMAND, folder, "--help")
    assert ours(found) == HELP
    assert others(found) <= COMMAND_LINE
    assert not found & {"asyncio", "msgspec", "ssl"}


def test_up_becomes_a_server_and_has_loaded_no_client(folder):
    found = loaded(_COMMAND, folder, "up")
    assert ours(found) == UP
    assert others(found) <= COMMAND_LINE | PARAMETERS
    assert not found & {"msgspec", "ssl"}


def test_a_server_that_was_just_started_has_loaded_nothing_that_it_may_never_need(folder):
    found = loaded(_SERVER, folder)
    assert others(found) <= SERVER
    late = {name for names in ON_DEMAND.values() for name in names}
    at_start = {"holdfast.apps.server.serving", "holdfast.compose.storage"}
    assert not found & (late - at_start)
    assert not {name for name in found if name.startswith("holdfast.backends.postgres")}
    assert not {name for name in found if name.startswith("holdfast.runtime.relays")}
    assert not {name for name in found if name.startswith("holdfast.testing")}
    assert at_start <= found
    assert len(ours(found)) <= SERVER_MODULES_MOST


def test_a_policy_process_that_was_just_started_has_loaded_its_engine_and_no_more(folder):
    found = loaded(_POLICY, folder)
    assert others(found) <= POLICY
    assert not found & {"shutil", "tempfile", "email", "yaml"}
    parts = ("apps.policyd", "backends.cedar", "backends.frames", "backends.policyd_client")
    allowed = tuple(
        f"holdfast.{part}" for part in (*parts, "backends.system.ready", "model", "core.resources")
    )
    beside = {"holdfast", "holdfast.apps", "holdfast.backends", "holdfast.backends.system"}
    beside.add("holdfast.core")
    assert {
        name for name in ours(found) - beside - {"holdfast.errors"} if not name.startswith(allowed)
    } == set()


def late_imports(path: Path) -> Iterator[str]:
    """What functions of a module import."""
    package = ["holdfast", *path.relative_to(SOURCE).parts[:-1]]
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                inside = (f"{module}.{alias.name}" for alias in node.names)
                submodules = [name for name in inside if is_module(name)]
                yield from submodules or [module]


def is_module(name: str) -> bool:
    """Whether a name is one of our modules, and no folder of them."""
    place = ROOT / "src" / Path(*name.split("."))
    return place.with_suffix(".py").is_file()


def test_what_functions_import_is_listed_with_what_it_is_for():
    found = {
        str(path.relative_to(SOURCE)): set(late_imports(path))
        for path in SOURCE.rglob("*.py")
        if not path.is_relative_to(SOURCE / "apps" / "cli")
    }
    listed = {name: set(modules) for name, modules in ON_DEMAND.items()}
    assert {name: modules for name, modules in found.items() if modules} == listed
