"""What a text reads as once it is decoded, in each way, and what reads as nothing."""

import base64

import pytest

from holdfast.core.readings import letters, readings
from tests.corpora.typed import checked

MODULE = pytest.mark.parametrize("module", ["holdfast.core.readings"])


@pytest.fixture(autouse=True)
def typed(module):
    with checked(module) as wrong:
        yield
    assert wrong == []


def b64(raw):
    return base64.b64encode(raw).decode()


def b32(raw):
    return base64.b32encode(raw).decode().rstrip("=")


@MODULE
def test_each_layer_is_read_and_no_more_than_three(module):
    table = {
        "plain words": [],
        r"\u0041b": ["Ab"],
        r"\u{0041}\x42": ["AB"],
        r"\u004": [],
        "=41=42": ["AB"],
        "a=4": [],
        "a=b": [],
        "YWJjZGVm": ["abcdef"],
        "YWJjZGV": [],
        "YWJjZGVmZw": ["abcdefg"],
        "YWJjZGVmZw==": ["abcdefg"],
        "YWJjZGVmZ": [],
        "YWJjZGVmZ2g": ["abcdefgh"],
        "YWJj-GVm": [],
        b64(b"a??b>cd??"): ["a??b>cd??"],
        b64(b"a??b>cd??").replace("/", "_").replace("+", "-"): ["a??b>cd??"],
        "x YWJjZGVm. y": ["abcdef"],
        "6162636465": ["abcde"],
        "0x6162636465": ["abcde"],
        "61626364": [],
        "61 62 63 64 65 66": ["abcdef"],
        "61:62:63:64:65:66": ["abcdef"],
        "61 62 63 64 65": [],
        "61 62 63 64 65 6": [],
        "61 62 63 00 65 66": [],
        b32(b"abcde"): ["abcde"],
        b32(b"abcdef"): ["abcdef"],
        b32(b"abcdefg"): ["abcdefg"],
        b32(b"abcdefgh"): ["abcdefgh"],
        b32(b"abcdefghi"): ["abcdefghi"],
        b32(b"abcde").lower(): [],
        b64("h\u00e9llo".encode()): ["h\u00e9llo"],
        b64("abcd".encode("utf-16-le")): ["abcd"],
        b64(b"abc\tdef\n"): ["abc\tdef\n"],
        b64(b"abc\x07def"): [],
        b64(b"\xff\xfe\xfd\xfc\xfb\xfa"): [],
        b64(b64(b"abcdef").encode()): ["YWJjZGVm", "abcdef"],
        b64(b64(b64(b"abcdef").encode()).encode()): ["WVdKalpHVm0=", "YWJjZGVm", "abcdef"],
        b64(b64(b64(b64(b"abcdef").encode()).encode()).encode()): [
            "V1ZkS2FscEhWbTA9", "WVdKalpHVm0=", "YWJjZGVm",
        ],
        "see 6162636465 and YWJjZGVm": ["abcde", "abcdef"],
    }  # fmt: skip
    assert {text: list(readings(text)) for text in table} == table
    slashes = "YWJjZGVm/c2VjcmV0"
    assert sorted(readings(slashes)) == sorted(["abcdef", "secret"])


@MODULE
def test_letters_are_small_of_one_width_and_seen(module):
    table = {
        "ABC \\x": "abc \\x",
        "\uff21\uff22": "ab",
        "a\u200bb\u00adc\U000e0041d": "abcd",
        "\u00c9": "\u00e9",
        "\u2167": "\u2177",
        "\u2167a": "viiia",
        # A sign that stands for a sentence stays one sign, and so do those beside it that grow.
        "\ufdfa": "\ufdfa",
        "\ufdfa\uff21": "\ufdfaa",
        "\ufdfa" + "b" * 8: "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645" + "b" * 8,
    }  # fmt: skip
    assert {text: letters(text) for text in table} == table
