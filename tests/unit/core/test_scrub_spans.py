"""What is replaced, and what a name is, at their edges."""

from holdfast.core.scrub import RuleScrubber
from holdfast.core.scrub.spans import Span, replaced


def test_a_placeholder_is_neither_cut_nor_renamed():
    assert replaced("a <secret:aws_key> b", [Span(4, 9, "x")]) == "a <secret:aws_key> b"
    assert replaced("a <secret:aws_key> b", [Span(0, 9, "x")]) == "<secret:x> b"


def test_a_line_break_that_json_spelt_is_no_letter_of_a_name():
    assert RuleScrubber().text("[smtp]\\npwd=hunter22") == "[smtp]\\npwd=<secret:password>"


def test_a_digest_under_the_key_of_nobody_knows_what_stays():
    text = "blob_key: " + "3f9a" * 10
    assert RuleScrubber().text(text) == text
    assert "aB3d" not in RuleScrubber().text("blob_key: " + "aB3dE5gH7j" * 4)
