"""Processes are started through the port `sandbox`; who starts one otherwise is listed, with why."""

import ast
import re

import pytest

from tests.tidy.repository import ROOT

SOURCE = ROOT / "src" / "holdfast"
STARTING = re.compile(
    r"(os\.(fork|forkpty|system|popen|posix_spawnp?|spawn\w+))"
    r"|(subprocess\.(run|Popen|call|check_call|check_output|getoutput|getstatusoutput))"
    r"|(.*\.(create_)?subprocess_(exec|shell))"
)
OTHERWISE = {
    "backends/system/sandbox.py": "the sandbox of this machine",
    "backends/hook_host/process.py": "leaves a keeper between itself and the server",
    "backends/system/own_files.py": "asks git, and waits for it",
    "backends/vertex/dialect.py": "asks the operator's own command for a token, and waits for it",
    "compose/tool_modules.py": "loads modules of tools once, and waits",
    "apps/cli/demo/stage.py": "programs of the demo, from the command line",
    "apps/cli/local.py": "asks git and doctor, from the command line",
    "apps/cli/project_files.py": "asks git, from the command line",
    "apps/cli/server.py": "starts the server itself",
    "integrations/batches.py": "asks a command of the user's, in the user's process",
    "integrations/claude_code.py": "asks Claude Code its version, in the user's process",
    "integrations/claude_code_probe.py": "asks Claude Code, in the user's process",
    "testing/project.py": "starts the server itself, for tests",
}


def starts(text: str) -> bool:
    """Whether a module starts a process by itself."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and STARTING.fullmatch(ast.unparse(node.func)):
            return True
    return False


def test_only_those_that_are_listed_start_a_process_past_the_sandbox():
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if starts(path.read_text(encoding="utf-8"))
    }
    assert found == set(OTHERWISE)


@pytest.mark.parametrize(
    "text",
    [
        "await asyncio.create_subprocess_exec('x')",
        "loop.subprocess_exec(p, 'x')",
        "subprocess.run(['x'])",
        "subprocess.Popen(['x'])",
        "os.fork()",
    ],
)
def test_the_rule_sees(text):
    assert starts(f"async def f():\n    {text}")


def test_the_rule_lets_other_calls_pass():
    assert not starts("sandbox.start(program)\nasyncio.run(main())\nloop.run()")
