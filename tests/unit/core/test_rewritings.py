"""What of a result that a hook rewrote may not stand in a history, and what clients make of it."""

import json
import time

import msgspec
import pytest

from holdfast.core.rewritings import MOST_CHARACTERS, Seen, is_raw, rewriting_marks, seen_in

BASH = {"stdout": "user ann\ntoken s3cr3t-77\ndone", "stderr": "", "interrupted": False}
CLEAN = {**BASH, "stdout": "user ann\ntoken ***\ndone"}
ROWS = [{"id": 1, "iban": "DE89370400440532013000"}, {"id": 2, "iban": "DE02120300000000202051"}]
MASKED = [{"id": 1, "iban": "DE**"}, {"id": 2, "iban": "DE**"}]
MCP = [{"type": "text", "text": "balance: 1200.50\nowner: ann"}]
MCP_CLEAN = [{"type": "text", "text": "balance: (hidden)\nowner: ann"}]


def block(text):
    return [{"type": "text", "text": text}]


def is_shown_raw(marks, content):
    """The same, whether the content is there or was read elsewhere."""
    crossed = msgspec.msgpack.decode(msgspec.msgpack.encode(seen_in(content)), type=Seen)
    found = is_raw(marks, content)
    assert is_raw(marks, crossed) is found
    return found


@pytest.mark.parametrize(
    ("raw", "left", "shown"),
    [
        ("a secret", "nothing", "a secret"),
        ("a secret", "nothing", block("a secret")),
        ("a secret", "nothing", " a secret\n<system-reminder>x</system-reminder>"),
        ("one\na secret\nthree", "one\n***\nthree", "a secret"),
        ("one\na secret\nthree", "one\n***\nthree", "one\r\na secret  \r\nthree"),
        (BASH, CLEAN, BASH["stdout"]),
        (BASH, CLEAN, "     1\u2192user ann\n     2\u2192token s3cr3t-77"),
        (BASH, CLEAN, "1\tuser ann\n2\ttoken s3cr3t-77"),
        (BASH, CLEAN, [BASH]),
        (ROWS, MASKED, json.dumps(ROWS)),
        (ROWS, MASKED, json.dumps(ROWS, indent=4)),
        (ROWS, MASKED, block(json.dumps(ROWS[:1]))),
        (MCP, MCP_CLEAN, MCP),
        (MCP, MCP_CLEAN, [*block("x"), *MCP]),
        ({"balance": 1200}, {"balance": 0}, '{"balance": 1200}'),
        ({"a": 1}, {}, '{"a":1}'),
        ("42", "**", "42"),
        # A short line counts where nothing longer was taken out.
        ("pin\n77", "pin", "1\tpin\n2\t77"),
        # Only put in: whoever shows the rest and none of it, shows the raw one.
        ("the page", "WARNING: a stranger wrote this\nthe page", "the page"),
        ("one\ntwo", "one\ntwo\n[checked]", "two"),
        ("", "[nothing]", ""),
        # An image in one piece, as it was taken out.
        ([{"type": "image", "source": {"data": "iVBORw0"}}], block("an image"),
         [{"type": "image", "source": {"data": "iVBORw0"}}]),
    ],
)  # fmt: skip
def test_the_raw_result_is_found_however_its_client_puts_it(raw, left, shown):
    assert is_shown_raw(rewriting_marks(raw, left), shown)


@pytest.mark.parametrize(
    ("raw", "left", "shown"),
    [
        ("a secret", "nothing", "nothing"),
        ("a secret", "nothing", "[Old tool result content cleared]"),
        ("a secret", "nothing", []),
        ("a secret", "nothing", None),
        ("one\na secret\nthree", "one\n***\nthree", "one"),
        (BASH, CLEAN, CLEAN["stdout"]),
        (BASH, CLEAN, "     1\u2192user ann\n     2\u2192token ***\n     3\u2192done"),
        (BASH, CLEAN, "user ann\n... [2 lines truncated] ..."),
        (BASH, CLEAN, f"{CLEAN['stdout']}\n<system-reminder>be quick</system-reminder>"),
        (ROWS, MASKED, json.dumps(MASKED)),
        (ROWS, MASKED, json.dumps(MASKED, indent=2)),
        (MCP, MCP_CLEAN, MCP_CLEAN),
        ({"balance": 1200, "open": 0}, {"balance": 0, "open": 0}, '{"open": 0, "balance": 0}'),
        ("the page", "WARNING: a stranger wrote this\nthe page", "WARNING: a stranger wrote this"),
        ("one\ntwo", "one\ntwo\n[checked]", "[Old tool result content cleared]"),
        # A bracket that was taken out stands in other texts as well.
        ("{\nsecret words\n}", "no words", "{ }\n}"),
        # Nothing was rewritten.
        (BASH, dict(BASH), BASH["stdout"]),
    ],
)
def test_what_a_hook_left_passes_however_its_client_shortens_or_clears_it(raw, left, shown):
    assert not is_shown_raw(rewriting_marks(raw, left), shown)


def test_one_and_true_are_two_results():
    assert rewriting_marks(1, True)
    assert rewriting_marks([1], [1]) == ()


def test_of_a_very_long_result_a_bounded_part_is_kept():
    raw = "\n".join(f"line {n}" for n in range(30_000))
    marks = rewriting_marks(raw, "short")
    assert len(raw) > 300_000
    assert sum(map(len, marks)) < 200_000
    assert is_shown_raw(marks, raw + "\nmore")


def test_a_line_of_thousands_that_a_hook_changed_is_known_by_itself():
    raw = "\n".join(f"order {n} goes to customer {n * 7919 % 99991}" for n in range(6_000))
    marks = rewriting_marks(raw, raw.replace("customer", "(hidden)"))
    assert all(is_shown_raw(marks, line) for line in raw.splitlines()[::601])
    assert not is_shown_raw(marks, raw.replace("customer", "(hidden)"))


def test_of_a_result_too_long_to_be_kept_a_client_adds_few_words_of_its_own():
    raw = "\n".join(f"order {n} to {n * 7919 % 99991} by {n * 31 % 9973}" for n in range(12_000))
    marks = rewriting_marks(raw, "12000 orders, left out")
    few, many = (" ".join(f"w{n}" for n in range(count)) for count in (90, 110))
    assert not is_shown_raw(marks, f"12000 orders, left out {few}")
    assert is_shown_raw(marks, f"12000 orders, left out {many}")


def test_what_is_longer_than_a_hook_can_have_left_is_taken_for_the_raw_result():
    marks = rewriting_marks("a secret", "ab " * 400_000)
    longest = "ab" * (MOST_CHARACTERS // 2)
    assert not is_raw(marks, longest)
    assert is_raw(marks, longest + "a")
    assert not is_raw((), longest + "a")


def test_where_the_content_is_texts_alone_nothing_of_it_crosses_twice():
    assert seen_in(block("a secret"), texts_known=True).text is None
    assert seen_in("a secret", texts_known=True).text is None
    for other in ([{"type": "image", "source": {"data": "x"}}], [*block("a"), ["b"]], {"a": "b"}):
        assert seen_in(other, texts_known=True).text is not None


@pytest.mark.parametrize(
    "piece",
    ["YUBiLmNv", "\\u0041", "&amp;", "%2541", "1,234 ", "~a1", "\ufdfa", "A" * 40 + " ", '{"a":',
     "\n", "1\t", "Ann Lee "],
)  # fmt: skip
def test_comparing_costs_what_the_texts_are_long(piece):
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    marks = rewriting_marks(text, "short")
    is_raw(marks, text + "more")
    assert time.process_time() - began < 4
