"""The YAML reader: hostile files end in one sentence, friendly YAML keeps its meaning."""

import pytest

from holdfast.compose.config.nodes import MAX_DEPTH, Node, NodeKind, parse_yaml
from holdfast.compose.config.problems import Problem


def parse(text: str | bytes) -> tuple[Node | None, list[Problem]]:
    problems: list[Problem] = []
    content = text if isinstance(text, bytes) else text.encode()
    return parse_yaml(content, "f.yaml", problems), problems


def only_problem(text: str | bytes) -> str:
    _, problems = parse(text)
    assert len(problems) == 1
    return str(problems[0])


def test_an_alias_bomb_is_refused_quickly():
    rows = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    rows += [
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]" for i in range(9)
    ]
    assert "counting each use of an alias" in only_problem("\n".join(rows))


def test_an_alias_to_itself_is_refused():
    assert "no finished anchor `a`" in only_problem("a: &a [*a]")


def test_nesting_without_end_is_refused():
    assert f"nested deeper than {MAX_DEPTH} levels" in only_problem("[" * 100_000)
    assert "nested deeper" in only_problem("\n".join("  " * i + "a:" for i in range(2000)))


def test_aliases_cannot_nest_deeper_than_text_can():
    rows = ["a: &a0 [x]"] + [f"b{i}: &a{i + 1} [*a{i}]" for i in range(100)]
    assert "nested deeper" in only_problem("\n".join(rows))


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system [x]", "a: !!str 5", "!x {a: b}", "a: ! b"]
)
def test_tags_are_refused(text):
    assert "may not be used" in only_problem(text)


def test_a_second_document_is_refused():
    assert "f.yaml:2:1: a second document" in only_problem("a: 1\n---\nb: 2\n")


def test_an_empty_file_is_refused():
    for text in ("", "# nothing\n", "\n\n"):
        assert "the file is empty" in only_problem(text)


def test_bytes_that_are_not_text_are_placed():
    assert only_problem(b"a: 1\nb: \xff\n").startswith("f.yaml:2:4: the file is not UTF-8")
    assert only_problem("a: 1\nb: x\x07\n").startswith("f.yaml:2:5: a control character")
    assert "not UTF-8" in only_problem("a: ü".encode("utf-16"))


def test_broken_yaml_names_the_line():
    assert only_problem("a: 1\nb: [1, 2\nc: 3\n").startswith("f.yaml:3:")
    assert only_problem('a: "\\ud800"\n').startswith("f.yaml:1:")
    assert only_problem('a: "\\UFFFFFFFF"\n').startswith("f.yaml:1:")


def test_a_key_given_twice_is_named_with_both_lines():
    assert only_problem("a: 1\nb: 2\na: 3\n") == "f.yaml:3:1: the key `a` stands already on line 1"


def test_words_keep_their_meaning_whatever_yaml_1_1_says():
    node, _ = parse("[no, on, NO, 1:30, 0x1F, 1_000, 1.5, 1e3, true, ~, '5', 2001-01-01]")
    assert node is not None
    kinds = [item.kind for item in node.items]
    text, whole, real = NodeKind.TEXT, NodeKind.WHOLE, NodeKind.REAL
    assert kinds == [
        text, text, text, text, text, whole, real, real, NodeKind.FLAG, NodeKind.NULL, text, text,
    ]  # fmt: skip


def test_anchors_and_merges_work():
    node, problems = parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n")
    assert node is not None
    assert not problems
    merged = {key.text: value.text for key, value in node.entries[1][1].entries}
    assert merged == {"x": "1", "y": "3"}


def test_a_merge_of_something_else_is_a_problem():
    assert "`<<` takes a mapping" in only_problem("a: {<<: 5}")
