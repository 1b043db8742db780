"""Processes are started through the port `sandbox`; who starts one otherwise is listed, with why."""

import ast
import re

import pytest

from tests.tidy.repository import SOURCE, Nodes, nodes_in, nodes_of, source_modules

# The last word of each call below: most calls need no closer look.
LAST = re.compile(r"\w*(fork|system|open|spawn|run|call|output|exec|shell)\w*", re.IGNORECASE)
STARTING = re.compile(
    r"(os\.(fork|forkpty|system|popen|posix_spawnp?|spawn\w+))"
    r"|(subprocess\.(run|Popen|call|check_call|check_output|getoutput|getstatusoutput))"
    r"|(.*\.(create_)?subprocess_(exec|shell))"
)
OTHERWISE = {
    "backends/system/sandbox.py": "the sandbox of this machine",
    "backends/hook_host/keeper.py": "starts each host, without asking the server",
    "backends/system/own_files.py": "asks git, and waits for it",
    "backends/vertex/dialect.py": "asks the operator's own command for a token, and waits for it",
    "compose/tool_modules.py": "loads modules of tools once, and waits",
    "apps/cli/demo/claude_code_scene.py": "Claude Code itself, in the demo",
    "apps/cli/demo/people_scene.py": "the command that a person answers with, in the demo",
    "apps/cli/demo/stage.py": "programs of the demo, from the command line",
    "apps/cli/local.py": "asks git and doctor, from the command line",
    "apps/cli/project_files.py": "asks git, from the command line",
    "apps/cli/server.py": "starts the server itself",
    "integrations/batches.py": "asks a command of the user's, in the user's process",
    "integrations/claude_code.py": "asks Claude Code its version, in the user's process",
    "integrations/claude_code_probe.py": "asks Claude Code, in the user's process",
    "testing/project.py": "starts the server itself, for tests",
}


def starts(nodes: Nodes) -> bool:
    """Whether a module starts a process by itself."""
    called = (node.func for node in nodes if isinstance(node, ast.Call))
    return any(
        isinstance(func, ast.Attribute)
        and LAST.fullmatch(func.attr)
        and STARTING.fullmatch(ast.unparse(func))
        for func in called
    )


def test_only_those_that_are_listed_start_a_process_past_the_sandbox():
    found = {str(path.relative_to(SOURCE)) for path in source_modules() if starts(nodes_of(path))}
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
    assert starts(nodes_in(f"async def f():\n    {text}"))


def test_the_rule_lets_other_calls_pass():
    assert not starts(nodes_in("sandbox.start(program)\nasyncio.run(main())\nloop.run()"))
