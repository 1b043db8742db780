"""Looking for signs first changes nothing: what the whole set of forms finds is found."""

import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.scrub.forms import RULES, SIGNS, _compiled, in_forms
from holdfast.core.scrub.spans import Span

ALL = _compiled(frozenset(SIGNS))
PIECES = [
    *(sign for signs in SIGNS.values() for sign in signs),
    *("=", ": ", '": "', "_", "-", "://ann:pw12345@", "BEGIN RSA ", "-----", "\\n", "\n", " "),
]


def found_by_all(text):
    return [Span(m.start(), m.end(), m.lastgroup or "") for m in ALL.finditer(text)]


def test_every_rule_has_its_signs():
    assert set(SIGNS) == {name for name, _ in RULES}


@given(st.data())
def test_text_made_from_a_rule_is_read_as_by_all_rules_at_once(data):
    rule = data.draw(st.sampled_from([r for _, r in RULES]))
    # Look-behinds cannot be generated from; what they guard is the surrounding text.
    bare = re.sub(r"\(\?<[!=][^()]*(?:\([^()]*\)[^()]*)*\)", "", rule).replace("}+", "}")
    made = data.draw(st.from_regex(bare.replace("(?:|)", ""), fullmatch=True))
    before, after = data.draw(st.sampled_from(PIECES)), data.draw(st.sampled_from(PIECES))
    text = before + made + after
    assert list(in_forms(text)) == found_by_all(text)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=30)), max_size=12))
def test_any_text_is_read_as_by_all_rules_at_once(parts):
    text = "".join(parts)
    assert list(in_forms(text)) == found_by_all(text)
