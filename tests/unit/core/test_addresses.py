"""Addresses in texts, each with every key, word and host that is told of it; hosts and whose they are.

`addresses.json` holds texts and what is read of them; each line was read over when it
was written.
"""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core.flow.addresses import domain, file_names, name_key, parts
from holdfast.core.flow.hosts import (
    above,
    host_of,
    is_number,
    is_suffix,
    lends_mailboxes,
    lends_paths,
    registered,
)

READ = json.loads(Path(__file__).with_name("addresses.json").read_text(encoding="utf-8"))


def plain(value):
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize("entry", READ["parts"], ids=lambda entry: ascii(entry["given"])[:40])
def test_each_address_of_a_text_is_read_whole(entry):
    assert plain(list(parts(entry["given"]))) == entry["read"]


def test_every_entry_of_a_list_of_domains_is_a_place_or_nobodys():
    for entry in READ["domain"]:
        assert plain(domain(entry["given"])) == entry["read"], entry["given"]


def test_every_name_of_a_file_is_read_as_it_is_spelt():
    for entry in READ["file_names"]:
        assert list(file_names(entry["given"])) == entry["read"], entry["given"]


def test_a_name_that_stands_alone_has_one_key():
    for token in ("@Ann.", "#ann!", "ANN", "ann?)", "@#ann,;:"):
        assert name_key(token) == "name:ann"


@pytest.mark.parametrize(
    ("spelled", "host"),
    [
        ("evil.com.", "evil.com"),
        (".evil.com", "evil.com"),
        ("a..b", ""),
        (".", ""),
        ("", ""),
        ("a" * 253, "a" * 253),
        ("a" * 254, ""),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("010.1.1.1", "8.1.1.1"),
        ("08.1.1.1", "8.1.1.1"),
        ("1.2.3.255", "1.2.3.255"),
        ("1.2.3.256", "1.2.3.256"),
        ("255.2.3.4", "255.2.3.4"),
        ("256.2.3.4", "256.2.3.4"),
        ("1.256.3.4", "1.256.3.4"),
        ("1.2.65535", "1.2.255.255"),
        ("1.2.65536", "1.2.65536"),
        ("1.16777215", "1.255.255.255"),
        ("1.16777216", "1.16777216"),
        ("4294967295", "255.255.255.255"),
        ("4294967296", "4294967296"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("0xabcdefabc.1", "0xabcdefabc.1"),
        ("0", "0.0.0.0"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("1:2", ""),
        ("xn--bcher-kva.de", "b\u00fccher.de"),
        ("xn--BCHER-kva".lower(), "b\u00fccher"),
        ("xn--" + "\u00fc", "xn--\u00fc"),
        ("xn--" + "a" * 59, "xn--" + "a" * 59),
    ],
)
def test_a_host_has_one_spelling(spelled, host):
    if spelled == "xn--" + "a" * 59:
        assert host_of(spelled) != spelled  # As long as a label may be, it is read.
        assert host_of(spelled + "a") == spelled + "a"
        return
    assert host_of(spelled) == host


@pytest.mark.parametrize(
    ("host", "suffix", "owner", "names"),
    [
        ("com", True, "com", ["com"]),
        ("evil.com", False, "evil.com", ["evil.com"]),
        ("a.b.evil.com", False, "evil.com", ["a.b.evil.com", "b.evil.com", "evil.com"]),
        ("co.uk", True, "co.uk", ["co.uk"]),
        ("x.uk", False, "x.uk", ["x.uk"]),
        ("co.com", False, "co.com", ["co.com"]),
        ("shop.co.uk", False, "shop.co.uk", ["shop.co.uk", "co.uk"]),
        ("a.shop.co.uk", False, "shop.co.uk", ["a.shop.co.uk", "shop.co.uk", "co.uk"]),
        ("a.b.uk", False, "b.uk", ["a.b.uk", "b.uk"]),
        ("a.co.com", False, "co.com", ["a.co.com", "co.com"]),
        ("github.io", True, "github.io", ["github.io"]),
        ("acme.github.io", False, "acme.github.io", ["acme.github.io", "github.io"]),
        ("x.acme.github.io", False, "acme.github.io",
         ["x.acme.github.io", "acme.github.io", "github.io"]),
        ("1.2.3.4", False, "1.2.3.4", ["1.2.3.4"]),
        ("12", True, "12", ["12"]),
        ("::1", False, "::1", ["::1"]),
    ],
)  # fmt: skip
def test_whose_a_host_is(host, suffix, owner, names):
    assert (is_suffix(host), registered(host), above(host)) == (suffix, owner, names)


def test_of_a_very_long_name_the_sixteen_nearest_names_above_are_told():
    labels = [f"l{n}" for n in range(20)]
    told = above(".".join(labels))
    assert len(told) == 16
    assert told[-1] == "l18.l19"
    assert told[0] == ".".join(labels[3:])


def test_a_number_is_told_from_a_name():
    assert [is_number(one) for one in ("1.2.3.4", "12", "::", "a.1", "", ".")] == [
        True, False, True, False, False, False,
    ]  # fmt: skip


def test_hosts_that_lend_are_those_of_the_tables_and_no_others():
    lent = ("gmail.com", "github.com", "evil.com", "github.io")
    assert [lends_mailboxes(one) for one in lent] == [True, False, False, False]
    assert [lends_paths(one) for one in lent] == [False, True, False, False]
