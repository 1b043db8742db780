"""What the code writes into the journal is held against the shapes, and each shape is written."""

import ast
from collections.abc import Iterator

import msgspec
import pytest

from holdfast.model import bodies
from holdfast.model.bodies import KINDS, Body
from tests.tidy.repository import SOURCE

SHAPES: tuple[type[Body], ...] = (*KINDS, bodies.Tally)
NAMED = {body.__name__: body for body in SHAPES}
# Who may look at a body as JSON: the stores keep it, alerts hand it on whole.
AS_JSON = {
    "core/alerts.py",
    "model/bodies/base.py",
    "ports/store_refusals.py",
    "testing/conformance/store.py",
}
# Who may make a record: the journal, the stores out of a row, a worker of what it just told.
MAKES = {
    "integrations/native/driver.py",
    "ports/store_rows.py",
    "runtime/journal.py",
    "testing/conformance/store.py",
}


def trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        inner = path.relative_to(SOURCE).as_posix()
        if not inner.startswith("model/bodies/"):
            yield inner, ast.parse(path.read_text())


def shape_of(node: ast.expr) -> type[Body] | None:
    """The shape that `bodies.X` or `X` names."""
    if isinstance(node, ast.Attribute):
        is_ours = isinstance(node.value, ast.Name) and node.value.id == "bodies"
        return NAMED.get(node.attr) if is_ours else None
    return NAMED.get(node.id) if isinstance(node, ast.Name) else None


def imported(tree: ast.AST, module: str) -> set[str]:
    """Names that a module takes from another one."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in froms if node.module == module for alias in node.names}


def writes() -> Iterator[tuple[str, type[Body], ast.Call]]:
    for inner, tree in trees():
        own = imported(tree, "holdfast.model.bodies")
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or (shape := shape_of(node.func)) is None:
                continue
            if isinstance(node.func, ast.Attribute) or shape.__name__ in own:
                yield f"{inner}:{node.lineno}", shape, node


WRITES = [pytest.param(shape, call, id=where) for where, shape, call in writes()]


@pytest.mark.parametrize(("shape", "call"), WRITES)
def test_a_write_gives_what_its_shape_always_says_and_nothing_else(shape, call):
    fields = msgspec.structs.fields(shape)
    given = {word.arg for word in call.keywords}
    assert not call.args
    assert given <= {field.name for field in fields} | {None}
    assert None in given or given >= {field.name for field in fields if field.required}


def test_each_shape_is_written_somewhere():
    """By a call, or out of a choice or a table of shapes."""
    written = {param.values[0] for param in WRITES}
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                written |= {shape_of(value) for value in node.values}
            if isinstance(node, ast.IfExp):
                written |= {shape_of(node.body), shape_of(node.orelse)}
    assert set(NAMED.values()) - written == set()


def test_nobody_reads_a_body_past_its_shape():
    found = [inner for inner in as_json() if inner not in AS_JSON]
    assert found == []


def as_json() -> Iterator[str]:
    """Modules that look at the body of something they call a record."""
    for inner, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "record.body":
                yield inner


def test_only_the_journal_and_the_stores_make_records():
    found = set()
    for inner, tree in trees():
        if "Record" not in imported(tree, "holdfast.model.events"):
            continue
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if any(isinstance(call.func, ast.Name) and call.func.id == "Record" for call in calls):
            found.add(inner)
    assert found == MAKES


def test_the_search_for_writes_finds_them():
    assert len(WRITES) > 60
