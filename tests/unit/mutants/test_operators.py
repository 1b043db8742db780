"""The mutants of a source: which there are, that each is another program, what is left alone."""

import ast

import pytest

from tests.mutants.operators import counts, mutants_of


def mutated(source, operator=""):
    text = source.encode()
    found = [m for m in mutants_of("x.py", text) if counts(m, text)]
    return {m.changed(text)[1] for m in found if operator in ("", m.operator)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"x = a <= b"}),
        ("x = a < b >= c", {"x = a <= b >= c", "x = a < b > c"}),
        ("x = a in b", {"x = a not in b"}),
        ("x = a is b", {"x = a is not b"}),
        ("x = a and b", {"x = (a or b)"}),
        ("x = not a", {"x = (a)"}),
        ("x = a * (b + c)", {"x = (a // (b + c))", "x = a * ((b - c))"}),
        ("x = 0", {"x = 1"}),
        ("x = 7", {"x = 8"}),
        ("x = True", {"x = False"}),
        ("x = 'key'", {"x = 'keyx'"}),
        ("x = 1.5", {"x = 2.5"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = a if b else c", {"x = (a if not b else c)"}),
        ("x = [a for a in b if a]", {"x = [a for a in b if not a]"}),
        ("x += y", {"x -= y", "pass"}),
        ("x.y = z", {"pass"}),
        ("f(x)", {"pass"}),
        ("raise x", {"pass"}),
    ],
)
def test_each_operator_makes_its_mutants_of(source, expected):
    assert mutated(source) == expected


def test_statements_within_a_function_are_mutated_where_they_stand():
    source = "def f(a):\n    for b in a:\n        if b:\n            break\n    return a\n"
    assert mutated(source) == {"if not (b):", "continue", "return None"}


@pytest.mark.parametrize(
    "source",
    [
        '"""Says what lives here."""',
        'def f():\n    """One.word"""\n    pass',
        "x: 'Quoted'",
        "def f(x: 'Quoted' = None) -> 'Quoted': ...",
        "x = 'a sentence'",
        "x = f'{a + b}'",
        "assert a < b",
        "log.info('word', 1)",
        "class A:\n    def __repr__(self):\n        return 'word'",
        "@wrap(1)\ndef f(): ...",
        "class A(Base, frozen=True): ...",
        "if TYPE_CHECKING:\n    x = 1",
        "import a",
        "__all__ = ['name']",
        "while True:\n    pass",
        "x = 'a' + b",
    ],
)
def test_words_and_declarations_are_left_alone(source):
    assert mutated(source) - {"x = 'ax' + b", "while False:"} == set()


def test_a_change_is_found_after_wide_characters_and_over_several_lines():
    source = "x = 'äöü', 1\ny = f(\n    a,\n    2,\n)\n"
    assert mutated(source) == {"x = 'äöüx', 1", "x = 'äöü', 0", "3,", "pass"} - {"pass"}
    for mutant in mutants_of("x.py", source.encode()):
        ast.parse(mutant.applied(source.encode()))


def test_a_line_outside_functions_names_what_it_defines():
    (mutant,) = mutants_of("x.py", b"LIMIT = 5\n")
    assert mutant.names == ("LIMIT",)
    (inside,) = mutants_of("x.py", b"def f():\n    limit = 5\n")
    assert inside.names == ()
