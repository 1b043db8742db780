"""Scrubbing what was scrubbed changes nothing, in text and in trees, whatever stands in them."""

from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core.scrub import RuleScrubber
from tests.corpora import scrub as corpora

SCRUBBER = RuleScrubber(["correct horse battery", "password", "<secret:known>"])
LINES = [text.text for text in corpora.secrets() + corpora.harmless()]
PIECES = [
    *("password=", "api_key: ", '"token": "', "<secret:aws_key>", "<secret:", ">", '"', "\\", "="),
    *("Authorization: Bearer ", "Cookie: a=", "://ann:", "@", "-----BEGIN PRIVATE KEY-----", "\n"),
    *("AKIA", "A" * 16, "aB3dE5gH7jK9mN1p", "hfs_", "b" * 60, "sig=", "-----END PRIVATE KEY-----"),
    *("correct horse battery", "password", ":5432:db:app:", "curl -u ann:", "$6$", " ", "é"),
]


def piece(at):
    return PIECES[at] if at < len(PIECES) else LINES[at - len(PIECES)]


TEXTS = st.lists(
    st.one_of(st.integers(0, len(PIECES + LINES) - 1).map(piece), st.text(max_size=12)),
    max_size=10,
).map("".join)
TREES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["password", "token", "name", "value", "a_key", "kty", "d"]) | TEXTS,
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(TEXTS)
@example("aws_secret_access_key = AKIA" + "A" * 16)
@example("password=<secret:aws_key>")
@example("AKIA" + "A" * 16 + "xoxb-" + "1" * 12 + "password=" + "hunter22")
def test_a_text_that_was_scrubbed_stays_as_it_is(text):
    once = SCRUBBER.text(text)
    assert SCRUBBER.text(once) == once


@given(TREES)
def test_a_tree_that_was_scrubbed_stays_as_it_is(tree):
    once = SCRUBBER.tree(tree)
    assert SCRUBBER.tree(once) == once
