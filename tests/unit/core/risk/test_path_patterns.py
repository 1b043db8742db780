"""Paths against tables of patterns: at once what part by part would be said."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core.risk import places, shell_rules
from holdfast.core.risk.path_patterns import below, below_any, has_name

TABLES = [
    value
    for module in (places, shell_rules)
    for value in vars(module).values()
    if isinstance(value, tuple) and value and all(isinstance(one, str) for one in value)
]
WORDS = sorted({part for table in TABLES for one in table for part in one.split("/") if part})
part = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["", ".", "~", "..", "a", "x.pem", "id_rsa", "id_rsa.pub", ".env.local"]),
    st.text(string.ascii_lowercase + "._-*?[\0\n é", max_size=6),
    st.sampled_from(["a" * 255, "a" * 256, "x" * 251 + ".pem", "x" * 252 + ".pem"]),
)
path = st.tuples(st.sampled_from(["", "/", "//"]), st.lists(part, max_size=5)).map(
    lambda found: found[0] + "/".join(found[1])
)


def has_one(path, name):
    """One name alone, and a part that is a glob, is compared by the way for globs."""
    return any(below(one, name) for one in path.split("/") if one and one != "/")


@given(path, st.sampled_from(TABLES))
@example("/etc/ssh/host_key", places._SECRET_PATHS)
@example("/etc/ssh/a/host_key", places._SECRET_PATHS)
@example("/etc/shadow-", ("/etc/shadow",))
@example("/etc", ("/etc",))
@example("/", ("/etc",))
@example("", ("/etc",))
@example("etc/shadow", ("/etc/shadow",))
def test_a_path_lies_below_a_table_where_it_lies_below_one_of_it(path, table):
    assert below_any(path, table) is any(below(path, pattern) for pattern in table)


@given(st.lists(part.filter(lambda one: not set(one) & set("*?[\0/")), max_size=5))
@example(["a", ".envrc"])
@example(["x.envrc"])
@example([".env", "x"])
@example(["a", "x" * 252 + ".pem"])
def test_a_name_is_found_in_any_part_and_whole(names):
    path = "/".join(names)
    for table in (places._SECRET_NAMES, places._STARTUP_NAMES, places._RULE_NAMES):
        assert has_name(path, table) is any(has_one(path, name) for name in table)


def test_no_table_has_other_signs_than_these_two():
    assert [one for table in TABLES for one in table if "[" in one and "/" in one] == []
    assert not any("[" in one for one in (*places._SECRET_NAMES, *places._SECRET_PATHS))
