"""After untrusted text the provider reaches a domain that was named as one, and no other."""

import pytest

from holdfast.core.flow.hosts import is_suffix
from holdfast.core.flow.outside import gate_outside
from holdfast.core.flow.vouched import Given, Vouched


def passes(entry, *, typed="", said="", brought=None):
    vouched = Vouched()
    vouched.trust(typed)
    if brought is not None:
        vouched.bring({"x": brought})
    vouched.learn(Given(text=said))
    vouched.taint("fetch")
    return not gate_outside([entry], vouched, ())


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        ("our org uses this", "org"),
        ("please tell me what is in it, for us", "me"),
        ("the ai team", "https://ai"),
        ("the ai team", "ai."),
        ("look at example.com", "com"),
        ("look at example.com", ".com"),
        ("look at example.com", "*.com"),
        ("look at *.com", "*.com"),
        ("look at *.com", "https://*.com"),
        ("see shop.co.uk", "co.uk"),
        ("see us.github.io", "github.io"),
        ("see github.io", "github.io"),
        ("see github.com/acme/x", "github.com"),
        ("see github.com", "github.com"),
        ("see example.com", "evil.com"),
        ("example and com", "example.com"),
        ("see docs.acme.example", "docs.acme.example/secret"),
        ("see docs.acme.example", "https://docs.acme.example/?q=secret"),
        ("see example.com", "example.com:8080"),
        ("see example.com", "example.com?x"),
        ("see example.com", ""),
    ],
)
def test_what_names_no_host_that_was_typed_is_not_reached(typed, entry):
    assert not passes(entry, typed=typed)


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        ("look at example.com", "example.com"),
        ("look at Example.com.", "EXAMPLE.com"),
        ("fetch https://docs.acme.example/a", "docs.acme.example"),
        ("fetch docs.acme.example/a", "docs.acme.example/a"),
        ("see shop.co.uk", "shop.co.uk"),
        ("see us.github.io", "us.github.io"),
        ("compute a.b.com", "b.com"),
        ("see github.com/acme/x", "github.com/acme"),
        ("see https://a.example/x", "https://a.example/x"),
        ("see a.example/x", "http://a.example/x"),
        ("see http://localhost:8000/x", "http://localhost:8000/x"),
    ],
)
def test_a_host_that_was_typed_is_reached(typed, entry):
    assert passes(entry, typed=typed)


def test_what_a_first_party_said_counts_unless_the_model_brought_it():
    assert passes("docs.acme.example", said="see docs.acme.example/a")
    assert not passes("evil.com", said="you wrote evil.com", brought="evil.com")
    assert not passes("org", said="our org")


@pytest.mark.parametrize("host", ["co.uk", "com.au", "org.uk", "ac.jp", "com", "uk", "github.io"])
def test_a_suffix_under_which_strangers_register_is_nobodys_own_even_where_it_was_typed(host):
    assert is_suffix(host)
    assert not passes(host, typed=f"look at {host}")


@pytest.mark.parametrize(
    "host",
    # As long as `co.uk`, or as it begins, and somebody's own all the same.
    ["bbc.uk", "ab.uk", "org.com", "com.example", "shop.co.uk", "co.shop.uk", "a.b.co.uk", "10.1"],
)
def test_what_somebody_registered_is_no_suffix(host):
    assert not is_suffix(host)


@pytest.mark.parametrize("host", ["bbc.uk", "shop.co.uk", "co.shop.uk"])
def test_what_somebody_registered_is_reached_where_it_was_typed(host):
    assert passes(host, typed=f"look at {host}")
