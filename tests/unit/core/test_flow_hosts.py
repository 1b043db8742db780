"""Hosts in one spelling, whose they are, and what they look like or lead to."""

import pytest

from holdfast.core.flow.hosts import (
    above,
    host_of,
    is_ending,
    is_number,
    is_suffix,
    is_top,
    lends_mailboxes,
    lends_paths,
    likenesses,
    registered,
    whole_number,
)
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.flow.hosts"])


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


@MODULE
def test_a_host_has_one_spelling_and_what_is_none_has_none(module):
    table = {
        "evil.com": "evil.com",
        "..evil.com.": "evil.com",
        "localhost": "localhost",
        "": "",
        ".": "",
        "a..b": "",
        "xn--mnchen-3ya.de": "m\u00fcnchen.de",
        "www.xn--mnchen-3ya.de": "www.m\u00fcnchen.de",
        "xn--" + "a" * 60 + ".de": "xn--" + "a" * 60 + ".de",
        "xn--\u00fc.de": "xn--\u00fc.de",
        "a" * 253: "a" * 253,
        "a" * 254: "",
        # Numbers, as clients read them.
        "127.0.0.1": "127.0.0.1",
        "127.1": "127.0.0.1",
        "10.1.2": "10.1.0.2",
        "1.2.3.4.5": "1.2.3.4.5",
        "0x7f.0.0.1": "127.0.0.1",
        "0177.0.0.1": "127.0.0.1",
        "0188.0.0.1": "188.0.0.1",
        "2130706433": "127.0.0.1",
        "0x7f000001": "127.0.0.1",
        "4294967295": "255.255.255.255",
        "4294967296": "4294967296",
        "255.16777215": "255.255.255.255",
        "255.16777216": "255.16777216",
        "1.2.65535": "1.2.255.255",
        "1.2.65536": "1.2.65536",
        "1.2.3.255": "1.2.3.255",
        "1.2.3.256": "1.2.3.256",
        "256.1": "256.1",
        "255.1": "255.0.0.1",
        "1.2.x.4": "1.2.x.4",
        "::1": "::1",
        "[::1]": "::1",
        "2001:DB8:0::1": "2001:db8::1",
        "::ffff:1.2.3.4": "1.2.3.4",
        "1:2": "",
    }
    assert {spelled: host_of(spelled) for spelled in table} == table


@MODULE
def test_a_host_belongs_to_the_name_that_was_registered_or_lent(module):
    table = {
        "com": ("com", ["com"], True),
        "evil.com": ("evil.com", ["evil.com"], False),
        "a.b.evil.com": ("evil.com", ["a.b.evil.com", "b.evil.com", "evil.com"], False),
        "shop.co.uk": ("shop.co.uk", ["shop.co.uk", "co.uk"], False),
        "www.shop.co.uk": ("shop.co.uk", ["www.shop.co.uk", "shop.co.uk", "co.uk"], False),
        "co.uk": ("co.uk", ["co.uk"], True),
        "co.com": ("co.com", ["co.com"], False),
        "www.co.com": ("co.com", ["www.co.com", "co.com"], False),
        "com.org.evil.de": ("evil.de", ["com.org.evil.de", "org.evil.de", "evil.de"], False),
        "shop.uk": ("shop.uk", ["shop.uk"], False),
        "www.shop.uk": ("shop.uk", ["www.shop.uk", "shop.uk"], False),
        "co.evil.uk": ("evil.uk", ["co.evil.uk", "evil.uk"], False),
        "github.io": ("github.io", ["github.io"], True),
        "me.github.io": ("me.github.io", ["me.github.io", "github.io"], False),
        "a.me.github.io": ("me.github.io", ["a.me.github.io", "me.github.io", "github.io"], False),
        "amazonaws.com": ("amazonaws.com", ["amazonaws.com"], True),
        "b.s3.eu.amazonaws.com": (
            "b.s3.eu.amazonaws.com",
            ["b.s3.eu.amazonaws.com", "s3.eu.amazonaws.com", "eu.amazonaws.com", "amazonaws.com"],
            False,
        ),
        "a.core.windows.net": (
            "a.core.windows.net", ["a.core.windows.net", "core.windows.net", "windows.net"], False
        ),
        "myamazonaws.com": ("myamazonaws.com", ["myamazonaws.com"], False),
        "a.myamazonaws.com": ("myamazonaws.com", ["a.myamazonaws.com", "myamazonaws.com"], False),
        "1.2.3.4": ("1.2.3.4", ["1.2.3.4"], False),
        "::1": ("::1", ["::1"], False),
        "999.1.2.3": ("999.1.2.3", ["999.1.2.3"], False),
    }  # fmt: skip
    assert {host: (registered(host), above(host), is_suffix(host)) for host in table} == table
    many = [f"n{at}" for at in range(20)]
    assert above(".".join([*many, "com"]))[0] == ".".join([*many[4:], "com"])
    assert len(above(".".join([*many, "com"]))) == 16


@MODULE
def test_what_a_host_looks_like_or_leads_to_are_other_hosts(module):
    table = {
        "evil.com": [],
        "\u0435v\u0456l.com": ["evil.com"],
        "::1": [],
        "2002:102:304::": ["1.2.3.4"],
        "64:ff9b::1.2.3.4": ["1.2.3.4"],
        "64:ff9b:1::1.2.3.4": [],
        "4.3.2.1.in-addr.arpa": ["1.2.3.4"],
        "203-0-113-7.nip.io": ["203.0.113.7"],
        "app.203.0.113.7.sslip.io": ["203.0.113.7"],
        "a-203-0-113-7.xip.io": ["203.0.113.7"],
        "cb007107.nip.io": ["203.0.113.7"],
        "x.cb007107.nip.io": ["203.0.113.7"],
        "xcb007107.nip.io": [],
        "203-0-113-7.nipx.io": [],
        "203-0-113-999.nip.io": [],
        "203-0-113-7nip.io": [],
        "words.nip.io": [],
    }
    assert {host: list(likenesses(host)) for host in table} == table


@MODULE
def test_numbers_ends_and_shared_hosts_are_told_apart(module):
    numbers = {
        "16777215": None, "16777216": "1.0.0.0", "4294967295": "255.255.255.255",
        "4294967296": None, "0x01000000": "1.0.0.0", "0xffffff": None, "1.2": None, "x": None, "": None,
        "0100000000": "1.0.0.0", "0900000000": "53.164.233.0",
    }  # fmt: skip
    assert {spelled: whole_number(spelled) for spelled in numbers} == numbers
    assert [is_number(host) for host in ("1.2.3.4", "::", "1.2.3", "a.1.2.3.4", "1.2.3.4.5", "com")] == (
        [True, True, False, False, False, False]
    )  # fmt: skip
    assert [is_top(label) for label in ("com", "de", "io", "at", "md", "deu", "4a", "x", "")] == (
        [True, True, True, False, True, False, False, False, False]
    )  # fmt: skip
    assert [is_ending(label) for label in ("com", "org", "de", "app", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert [lends_mailboxes(host) for host in ("gmail.com", "a.gmail.com", "github.com")] == [
        True,
        False,
        False,
    ]
    assert [lends_paths(host) for host in ("github.com", "a.github.com", "gmail.com")] == [
        True,
        False,
        False,
    ]
