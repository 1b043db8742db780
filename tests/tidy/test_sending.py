"""Requests leave for a provider through one place, and only admission makes what leaves."""

import ast

import pytest

from tests.tidy.repository import Nodes, nodes_in, nodes_of, shown, source_modules

MAKERS = {"src/holdfast/runtime/clearing.py"}
# The port, what implements it, and who holds an upstream and hands it only what is cleared.
SENDERS = {
    "src/holdfast/runtime/providers.py",
    "src/holdfast/runtime/carrying.py",
    "src/holdfast/runtime/relays/calls.py",
}
# Who may say that the server has admitted a body: a relay, and the proof itself.
WORD = "on_the_servers_word"
TELLERS = {"src/holdfast/runtime/clearing.py", "src/holdfast/runtime/relays/calls.py"}


def makes(nodes: Nodes) -> bool:
    """Whether a module makes a cleared request, or takes the way to make one."""
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("Cleared", "Clearance", "object")
        and node.attr in ("_of", "__new__")
        for node in nodes
    ) and any(isinstance(node, ast.Name) and node.id in ("Cleared", "Clearance") for node in nodes)


def sends(nodes: Nodes) -> bool:
    """Whether a module sends something to an upstream."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "send"
        and "timeout_s" in {word.arg for word in node.keywords}
        for node in nodes
    )


def tells(nodes: Nodes) -> bool:
    """Whether a module sends what the server has admitted."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == WORD
        for node in nodes
    )


def which(found) -> set[str]:
    return {shown(path) for path in source_modules() if found(nodes_of(path))}


def test_only_admission_makes_what_may_leave():
    assert which(makes) - {"src/holdfast/ports/llm.py"} == MAKERS


def test_only_three_places_send_to_a_provider():
    assert which(sends) == SENDERS


def test_only_a_relay_sends_on_the_servers_word():
    assert which(tells) == TELLERS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from x import Cleared\nCleared._of('POST', '/', {}, b'')", makes),
        ("from x import Clearance\nobject.__new__(Clearance)", makes),
        ("async def f(u):\n    await u.send(one, timeout_s=1)", sends),
        ("on_the_servers_word(1, 2, 3, 4)", tells),
    ],
)
def test_each_rule_sees_its_fault(source, found):
    assert found(nodes_in(source))
