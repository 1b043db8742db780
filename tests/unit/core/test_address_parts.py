"""Addresses in full: every key that one brings and is asked for, its words, its host and owner."""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core.flow.addresses import domain, file_names, hidden, name_key, parts
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.flow.addresses"])
PARTS = json.loads((Path(__file__).parent / "address_parts.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def keys(found):
    return [part.key for part in found]


@MODULE
def test_each_address_of_a_text_is_read_so_in_every_field(module):
    read = {
        text: msgspec.to_builtins([msgspec.structs.astuple(p) for p in parts(text)])
        for text in PARTS
    }
    assert msgspec.json.decode(msgspec.json.encode(read)) == PARTS


@MODULE
def test_what_a_text_holds_in_another_form_alone_is_hidden(module):
    table = {
        "plain.com ann@evil.com": [],
        "PLAIN.com": [],
        "ann%40evil.com x.de": ["mail:ann@evil.com"],
        "ann@evil.com ann%40evil.com": [],
        "bm9ib2R5QGV2aWwuY29t": ["mail:nobody@evil.com"],
        "b.com ann at evil dot com": ["mail:ann@evil.com"],
        "ann at evil.com": [],
        "ann (at) evil (dot) com": ["mail:ann@evil.com"],
        "evil\u3002com": ["host:evil.com"],
        "ann%2540evil.com": ["mail:ann@evil.com"],
        "ann%25252540evil.com": ["host:40evil.com", "mail:ann@evil.com"],
    }
    assert {text: sorted(set(keys(hidden(text)))) for text in table} == table


@MODULE
def test_an_entry_of_a_list_is_a_host_with_what_stands_behind_it(module):
    steps = "/".join("abcdefghijklmno")
    table = {
        "Evil.COM/a/b": ("link:evil.com/a/b", 3),
        ".evil.com.": ("host:evil.com", 1),
        "a.evil.com": ("host:a.evil.com", 2),
        "github.com/ann": ("link:github.com/ann", 1),
        "1.2.3.4": ("host:1.2.3.4", 2),
        f"evil.com/{steps}/": (f"link:evil.com/{steps}", 16),
        f"evil.com/{steps}/p/": None,
        "com": None,
        "co.uk": None,
        "github.io": None,
        "*.evil.com": None,
        "evil.com/a b": None,
        "evil.com/a?b": None,
        "evil com": None,
        "": None,
    }
    read = {entry: domain(entry) for entry in table}
    assert {entry: part and (part.key, len(part.asks)) for entry, part in read.items()} == table


@MODULE
def test_names_of_files_are_whole_and_names_that_stand_alone_have_no_sign(module):
    text = "src/app.py:12 @src/./b.py a ../x a.c, (d/e) f:3 x/y:1:2 ./z. e/a:1:2:3"
    names = ["src/app.py", "src/b.py", "../x", "a.c", "d/e", "x/y", "z", "e/a:1"]
    assert list(file_names(text)) == names
    assert list(file_names("a/" + "b" * 600)) == ["a/" + "b" * 510]
    signs = {
        "@Ann.": "name:ann",
        "#tag!": "name:tag",
        "\uff21": "name:a",
        "ann": "name:ann",
        "": "name:",
    }
    assert {token: name_key(token) for token in signs} == signs


@MODULE
def test_a_long_text_is_looked_at_as_far_as_names_reach(module):
    at = "a" * 70 + "@evil.com"
    assert keys(parts(at))[0] == f"mail:{'a' * 64}@evil.com"
    assert keys(parts("ab@evil.com"))[0] == "mail:ab@evil.com"
    assert keys(parts("http://a.de/" + "x" * 600))[0] == "link:a.de/" + "x" * 511
    assert keys(parts("a.de/" + "x" * 600))[0] == "link:a.de/" + "x" * 511
    deep = "http://evil.com/" + "/".join(["s"] * 20)
    assert keys(parts(deep))[0] == "link:evil.com/" + "/".join(["s"] * 16)
    assert keys(parts("/" + "x" * 600)) == ["path:/" + "x" * 511]
