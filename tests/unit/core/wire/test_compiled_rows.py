"""The table's rows of content blocks are compiled in full: what each field holds and its use."""

import pytest

from holdfast.core.wire.blocks import _answer, _cited
from holdfast.core.wire.shapes import Row, Use

MODULE = pytest.mark.parametrize("module", ["holdfast.core.wire.blocks"])


@MODULE
def test_an_answer_is_evidence_and_names_its_call(module):
    assert _answer("a b", "[text]", more="flag") == Row(
        "a b",
        {
            "tool_use_id": "evidence:text", "content": "[text]",
            "cache_control": "priced:cache_control", "more": "flag",
        },
        Use.EVIDENCE,
    )  # fmt: skip


@MODULE
def test_a_citation_names_its_places_by_whole_numbers(module):
    fields = {"cited_text": "text", "one": "whole", "two": "whole", "more": "label"}
    assert _cited("a b", "one", "two", more="label") == Row("a b", fields, Use.INERT)
    assert _cited("a", more="text", cited_text="flag").fields == {
        "cited_text": "flag",
        "more": "text",
    }
