"""States of calls change by their table alone."""

import ast

from tests.tidy.repository import Nodes, nodes_in, nodes_of, shown, source_modules

TABLE = "src/holdfast/core/calls.py"
# Where a call begins; the suites of the ports begin theirs themselves.
BEGINS = {"src/holdfast/runtime/purse.py", "src/holdfast/testing/conformance/store.py"}
# A version before had other words for two states.
READS_OLD = {"src/holdfast/ports/store_rows.py"}


def names_state(value: ast.AST) -> bool:
    """Whether an expression names a state of calls."""
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "CallState"
        for node in ast.walk(value)
    )


def sets_state(nodes: Nodes) -> bool:
    """Whether a module gives something a state of calls."""
    return any(
        isinstance(node, ast.Call)
        and any(word.arg == "state" and names_state(word.value) for word in node.keywords)
        for node in nodes
    )


def begins(nodes: Nodes) -> bool:
    """Whether a module makes a call's record."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "CallRecord"
        for node in nodes
    )


def which(found) -> set[str]:
    return {shown(path) for path in source_modules() if found(nodes_of(path))}


def test_no_module_but_the_table_moves_a_call():
    assert which(sets_state) <= BEGINS | READS_OLD


def test_a_call_begins_where_an_answer_brings_it():
    assert which(begins) == BEGINS


def test_the_look_for_it_sees_both():
    assert sets_state(nodes_in("replace(call, state=CallState.DENIED)"))
    assert sets_state(nodes_in("replace(call, state=a if b else CallState.DENIED)"))
    assert not sets_state(nodes_in("replace(run, state=RunState.DONE)"))
    assert begins(nodes_in("CallRecord(session='s')"))
