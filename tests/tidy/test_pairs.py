"""Modules and tests pair up: each module has its test, each unit test says which module it is of.

By place and name first: `src/holdfast/core/flow/gate.py` is tested by `tests/unit/core/flow/` or by
`tests/unit/core/test_flow*.py`. Else by what a test imports; else by the tables below, whose rows
must be needed.
"""

import ast
from pathlib import Path

from tests.tidy.repository import ROOT, SOURCE, imported, nodes_of, source_modules

TESTS = ROOT / "tests"
# A module, or a folder for all of its modules, and the test that reaches it, and how.
OTHERWISE: dict[str, tuple[str, str]] = {
    "apps/cli": ("e2e/test_cli.py", "commands are run as programs"),
    "apps/cli/batch": ("e2e/test_batches.py", "the command is run as a program"),
    "apps/cli/demo": ("e2e/test_demo.py", "the demo is played as a whole"),
    "apps/console": ("e2e/test_console.py", "a browser is driven through its pages"),
    "apps/control": ("unit/apps/control", "routes are called over HTTP, through the app"),
    "apps/doctor": ("e2e/test_cli.py", "`holdfast doctor` is run as a program"),
    "apps/policyd": ("e2e/test_policyd.py", "it is started as a process"),
    "apps/relay": ("e2e/test_relays.py", "relays are started beside a server"),
    "apps/server/console": ("e2e/test_console.py", "a browser comes to a server that runs"),
    "apps/server/relaying": ("e2e/test_relays.py", "relays are started beside a server"),
    "apps/server/starting": ("e2e/test_server_lifecycle.py", "the server is started as a process"),
    "apps/server/serving": ("e2e/test_server_lifecycle.py", "the server is started as a process"),
    "apps/storage": ("e2e/test_postgres.py", "`holdfast store` is run as a program"),
    "apps/worker": ("e2e/test_native_runs.py", "workers are started beside a server"),
    "backends/channels": ("contract/test_notify_port.py", "the suite of the port, two ways"),
    "backends/cedar": ("unit/backends/cedar", "bundles are loaded and asked as a whole"),
    "backends/postgres": ("contract/test_postgres_store.py", "the suite of the port, on a server"),
    "backends/sql": ("contract/test_store_port.py", "the suite of the port, on two databases"),
    "backends/sqlite": ("contract/test_store_port.py", "the suite of the port, on a file"),
    "backends/system/parent": ("e2e/test_ends_with_parent.py", "a parent is really killed"),
    "client": ("e2e/test_cli.py", "every command speaks through it"),
    "compose": ("e2e/test_server_lifecycle.py", "a server is put together and started"),
    "compose/config": ("unit/compose/config", "files are loaded as a whole"),
    "compose/native_tools": ("e2e/test_native_runs.py", "a project's tools are loaded and run"),
    "compose/relays": ("e2e/test_relays.py", "relays are started beside a server"),
    "compose/tool_modules": ("e2e/test_tools_lint.py", "a project's tools are looked at"),
    "core/history_options": ("unit/core/test_sources.py", "command lines are read for their texts"),
    "core/history_words": ("unit/core/test_sources.py", "command lines are read for their texts"),
    "core/inline_words": ("unit/core/test_sources.py", "command lines are read for their texts"),
    "core/risk": ("unit/core/risk", "command lines are judged as a whole"),
    "integrations/claude_agent_sdk": ("unit/integrations/test_governor.py", "by a governed agent"),
    "model/visible": ("unit/core/test_narrate.py", "signs that hide are shown"),
    "ports/store_urls": ("e2e/test_postgres.py", "each address that is refused is tried"),
    "ports": ("contract", "what implements a port passes its suite"),
    "runtime/fitting": ("e2e/test_gateway_resilience.py", "a request goes to a fallback"),
    "runtime/views": ("unit/apps/control/test_one_view.py", "all doors show the same"),
    "testing/memory_costs": ("contract/test_store_port.py", "the suite of the port"),
    "testing/memory_records": ("contract/test_store_port.py", "the suite of the port"),
    "testing/memory_purge": ("contract/test_store_retention.py", "the suite of the port"),
    "testing/scripted_model": ("unit/testing/scripted_model", "by its clients, over HTTP"),
    "tools": ("unit/integrations/test_tool_router.py", "tools are run in their own process"),
}
# A unit test that takes its subject from a house that is wired whole, and the module it is of.
OF_A_HOUSE = {
    "apps/console/test_hostile_pages.py": "apps/console/pages",
    "apps/control/test_journal.py": "apps/control/audit/routes",
    "apps/control/test_proposing.py": "apps/control/budgets/proposing",
    "apps/control/test_own_files.py": "apps/control/files/routes",
    "core/test_typed.py": "tests/corpora/typed",
    "runtime/test_accounts_recalled.py": "runtime/budgets",
    "runtime/test_context_alerts.py": "runtime/answers",
    "runtime/test_counted_histories.py": "runtime/admission",
    "runtime/test_flow_over_restart.py": "runtime/replay",
    "runtime/test_made_smaller.py": "runtime/clearing",
    "runtime/test_linked_places.py": "runtime/guard/stages",
    "runtime/test_own_work.py": "runtime/own_texts",
    "runtime/test_provider_content.py": "runtime/answers",
    "runtime/test_provider_work.py": "runtime/provider_grants",
}
# Unit tests of what is not shipped.
NOT_SHIPPED = ("benchmarks", "mutants")


def unit_tests() -> list[Path]:
    """Of what is shipped."""
    unit = TESTS / "unit"
    found = unit.rglob("test_*.py")
    return sorted(path for path in found if path.relative_to(unit).parts[0] not in NOT_SHIPPED)


def imports(path: Path) -> set[str]:
    """Modules of the house that a file names, as paths under the source."""
    text = path.read_text(encoding="utf-8")
    found = {each for one in imported(text) for each in (one[0], ".".join(one))}
    return {name.removeprefix("holdfast.").replace(".", "/") for name in found}


def of(path: Path) -> str:
    """`core/flow/gate.py` as `core/flow/gate`, and a package by its folder."""
    inner = path.relative_to(SOURCE).with_suffix("")
    return (inner.parent if inner.name in ("__init__", "__main__") else inner).as_posix()


def runs(path: Path) -> bool:
    """Whether a module has anything that runs: one without a function is a table or a list."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return any(isinstance(node, functions) for node in nodes_of(path))


def folder_of(test: Path) -> Path:
    """The folder of the source that a unit test stands for."""
    folder = test.relative_to(TESTS / "unit").parent
    return folder.parent if folder.name == "alone" else folder


def named_by(test: Path) -> set[str]:
    """What a unit test may be of: `core/test_flow_hosts.py` of `core/flow_hosts` or `core/flow`."""
    words = test.stem.removeprefix("test_").split("_")
    count = range(1, len(words) + 1)
    return {(folder_of(test) / "_".join(words[:n])).as_posix() for n in count}


def within(module: str) -> list[str]:
    """A module and the packages that it is in, but for the first."""
    parts = module.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 1, -1)]


def untested(modules: list[str], named: set[str], taken: set[str]) -> list[str]:
    """Modules that no test names by its place, and none imports."""
    return [one for one in modules if one not in taken and not named & set(within(one))]


def subjectless(test: Path, taken: set[str], modules: set[str]) -> bool:
    """Whether neither the name nor an import says which module of its folder a unit test is of."""
    folder = folder_of(test).as_posix()
    own = {one for one in taken & modules if one == folder or one.startswith(f"{folder}/")}
    return not own and not named_by(test) & modules


def rows_of(module: str) -> list[str]:
    """The rows of the table that are of a module or of a folder that it is in."""
    folders = {parent.as_posix() for parent in Path(module).parents}
    return [row for row in OTHERWISE if row == module or row in folders]


MODULES = {of(path) for path in source_modules()}


def test_each_module_that_runs_has_its_test():
    named = set[str]().union(*map(named_by, unit_tests()))
    taken = set[str]().union(*map(imports, TESTS.rglob("test_*.py")))
    left = untested([of(path) for path in source_modules() if runs(path)], named, taken)
    found = {module: rows_of(module) for module in left}
    assert [module for module, rows in found.items() if not rows] == []
    unneeded = set(OTHERWISE) - {max(rows, key=len) for rows in found.values()}
    assert unneeded == set()


def test_each_unit_test_says_which_module_it_is_of():
    found = {test for test in unit_tests() if subjectless(test, imports(test), MODULES)}
    assert {test.relative_to(TESTS / "unit").as_posix() for test in found} == set(OF_A_HOUSE)


def test_what_the_tables_name_is_there():
    assert [test for test, _ in OTHERWISE.values() if not (TESTS / test).exists()] == []
    theirs = {name for name in OF_A_HOUSE.values() if (ROOT / f"{name}.py").is_file()}
    assert set(OF_A_HOUSE.values()) - theirs - MODULES == set()


def test_the_rules_see_a_module_and_a_test_that_are_alone():
    modules = ["core/flow/gate", "core/line"]
    assert untested(modules, {"core"}, set()) == modules
    assert untested(modules, {"core/flow"}, {"core/line"}) == []
    test = TESTS / "unit" / "core" / "alone" / "test_flow_hosts.py"
    assert not subjectless(test, set(), {"core/flow"})
    assert not subjectless(test, {"core/line"}, {"core/line"})
    assert subjectless(test, {"model/line"}, {"core/line", "model/line"})
