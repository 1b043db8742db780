"""Signatures against the examples that AWS publishes."""

import datetime as dt

import pytest

from holdfast.backends.bedrock.sigv4 import AwsKey, signed

KEY = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT_NS = int(dt.datetime(2015, 8, 30, 12, 36, tzinfo=dt.UTC).timestamp()) * 10**9
HOST = {"host": "example.amazonaws.com"}


def signature(method, target, headers, *, service="service", key=KEY, body=b""):
    fields = signed(
        key, method, target, headers, body, region="us-east-1", service=service, at_ns=AT_NS
    )
    return fields, fields["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
)
def test_published_requests_have_the_published_signatures(method, target, expected):
    fields, found = signature(method, target, HOST)
    assert found == expected
    assert fields["x-amz-date"] == "20150830T123600Z"


def test_the_example_of_the_reference_guide():
    headers = {
        "host": "iam.amazonaws.com",
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    _, found = signature("GET", "/?Action=ListUsers&Version=2010-05-08", headers, service="iam")
    assert found == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


def test_escapes_in_a_path_are_escaped_once_more():
    plain = signature("POST", "/model/a%3A0/invoke", HOST)[1]
    assert plain != signature("POST", "/model/a:0/invoke", HOST)[1]


def test_temporary_keys_sign_their_token_too():
    fields, _ = signature("GET", "/", HOST, key=AwsKey("A", "s", "token"))
    assert fields["x-amz-security-token"] == "token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in fields["authorization"]
