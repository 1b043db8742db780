"""Looking for signs first changes nothing: what the whole set of rules finds is found."""

import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.scrub import _SIGNS, RULES, RuleScrubber, _compiled, _placeholder

ALL = _compiled(frozenset(_SIGNS))
PIECES = [
    *(sign for signs in _SIGNS.values() for sign in signs),
    *("=", ": ", '": "', "_", "-", "://ann:pw12345@", "BEGIN RSA ", "-----", "\\n", "\n", " "),
]


def test_every_rule_has_its_signs():
    assert set(_SIGNS) == {name for name, _ in RULES}


@given(st.data())
def test_text_made_from_a_rule_is_cleaned_as_by_all_rules_at_once(data):
    rule = data.draw(st.sampled_from([r for _, r in RULES]))
    # Look-behinds cannot be generated from; what they guard is the surrounding text.
    bare = re.sub(r"\(\?<[!=][^()]*(?:\([^()]*\)[^()]*)*\)", "", rule).replace("}+", "}")
    made = data.draw(st.from_regex(bare.replace("(?:|)", ""), fullmatch=True))
    before, after = data.draw(st.sampled_from(PIECES)), data.draw(st.sampled_from(PIECES))
    text = before + made + after
    assert RuleScrubber().text(text) == ALL.sub(_placeholder, text)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=30)), max_size=12))
def test_any_text_is_cleaned_as_by_all_rules_at_once(parts):
    text = "".join(parts)
    assert RuleScrubber().text(text) == ALL.sub(_placeholder, text)
