"""Canonical JSON holds for any value: one spelling, one reading, the fast paths equal the slow."""

import json

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core import canonical as subject
from holdfast.core.canonical import Unreadable, canonical, parse_json

floats = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not 2**53 <= abs(number) < 1e21
)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | floats
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | numbers | text
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_both_encoders_write_the_bytes_of_the_rfc(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(json_values)
def test_canonical_bytes_read_back_to_the_same_canonical_bytes(value):
    encoded = canonical(value)
    assert isinstance(encoded, bytes)
    read = parse_json(encoded)
    assert canonical(read) == encoded


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_the_fast_reader_and_the_exact_reader_agree(value, ascii_only, indent):
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert parse_json(body) == subject._read_exact(body)


fragments = st.lists(
    st.sampled_from(
        [
            *("{", "}", "[", "]", ",", ":", '"a"', '"b"', '"\\u0061"', "1", "-0", "1e5", "1E400"),
            *(" ", "null", "NaN", '"\\ud800"', "0.10", "18446744073709551616"),
            *('{"a":1}', '{"a":1,"a":1}'),
        ]
    ),
    max_size=9,
).map(lambda parts: "".join(parts).encode())


@settings(max_examples=300)
@given(fragments | st.binary(max_size=12))
def test_on_any_bytes_the_fast_reader_never_accepts_more_than_the_exact_one(body):
    exact = subject._read_exact(body)
    assert repr(parse_json(body)) == repr(exact)
    if not isinstance(exact, Unreadable):
        assert json.loads(body) == exact


@given(st.dictionaries(text, scalars, min_size=1, max_size=5), st.data())
def test_a_key_written_twice_is_never_read(fields, data):
    twice = data.draw(st.sampled_from(sorted(fields)))
    pairs = [*fields.items(), (twice, data.draw(scalars))]
    inner = ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs)
    assert isinstance(parse_json(f'[{{"outer":{{{inner}}}}}]'.encode()), Unreadable)


def counted(value):
    """Values in a value, itself included; keys are none."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(counted(one) for one in inner)


@given(json_values)
def test_values_are_never_counted_too_few_and_text_in_strings_never_counts(value):
    """An opening bracket or a comma stands before each value but the first; an empty list has one."""
    body, values = json.dumps(value).encode(), counted(value)
    assert values < 2 or subject._has_more_values(body, values - 2)
    assert not subject._has_more_values(body, 2 * values)
