"""Planted secrets: none is left, in any form that the journal meets; nothing makes it slow."""

import json
import random
import signal
import string
import sys

import pytest

from holdfast.core.scrub import RuleScrubber
from holdfast.core.scrub.spans import Span

HIDDEN = "<secret:field>"
_DICE = random.Random(4)


def some(count, letters=string.ascii_letters + string.digits):
    return "".join(_DICE.choice(letters) for _ in range(count))


HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
DASH = "-" * 5
# Assembled, so that no scanner takes this file for a leak.
SECRETS = {
    "pem": f"{DASH}BEGIN PRIVATE KEY{DASH}\n{some(900)}\n{DASH}END PRIVATE KEY{DASH}",
    "rsa": f"{DASH}BEGIN RSA PRIVATE KEY{DASH}\nProc-Type: 4,ENCRYPTED\n\n{some(400)}",
    "openssh": f"{DASH}BEGIN OPENSSH PRIVATE KEY{DASH}\n{some(300)}\n{DASH}END OPENSSH PRIVATE KEY{DASH}",
    "pgp": f"{DASH}BEGIN PGP PRIVATE KEY BLOCK{DASH}\n{some(300)}\n{DASH}END PGP PRIVATE KEY BLOCK{DASH}",
    "age": "AGE-SECRET-KEY-1" + some(58, UPPER),
    "holdfast session": "hfs_" + some(52, "abcdefghijklmnopqrstuvwxyz234567"),
    "holdfast admin": "hfa_" + some(52, "abcdefghijklmnopqrstuvwxyz234567"),
    "anthropic": "sk-ant-api03-" + some(80),
    "openai": "sk-proj-" + some(48),
    "openai old": "sk-" + some(48),
    "aws id": "AKIA" + some(16, UPPER),
    "aws temporary": "ASIA" + some(16, UPPER),
    "github": "ghp_" + some(36),
    "github server": "ghs_" + some(36),
    "github fine": "github_pat_" + some(60),
    "gitlab": "glpat-" + some(20),
    "slack": "xoxb-" + some(24) + "-" + some(24),
    "slack hook": "https://hooks.slack.com/services/T0000/B0000/" + some(24),
    "discord hook": "https://discord.com/api/webhooks/123456789012/" + some(60),
    "stripe": "sk_live_" + some(24),
    "stripe restricted": "rk_test_" + some(24),
    "stripe hook": "whsec_" + some(32),
    "google": "AIza" + some(35),
    "google oauth": "ya29." + some(60),
    "google client": "GOCSPX-" + some(28),
    "npm": "npm_" + some(36),
    "pypi": "pypi-" + some(80),
    "sendgrid": "SG." + some(22) + "." + some(43),
    "twilio": "SK" + some(32, HEX),
    "telegram": "1234567890:AA" + some(33),
    "hugging face": "hf_" + some(34),
    "vault": "hvs." + some(90),
    "digitalocean": "dop_v1_" + some(64, HEX),
    "shopify": "shpat_" + some(32, HEX),
    "docker": "dckr_pat_" + some(27),
    "databricks": "dapi" + some(32, HEX),
    "atlassian": "ATATT3" + some(180),
    "jwt": "eyJ" + some(30) + ".eyJ" + some(80) + "." + some(43),
}
IN_CONTEXT = {
    "url": "postgres://shop:{}@db.internal/shop",
    "bearer": "Authorization: Bearer {}",
    "basic": "authorization: basic {}",
    "password": "password={}",
    "quoted": 'PASSWORD: "{}"',
    "env": "export DB_PASSWORD='{}'",
    "api key": "x-api-key: {}",
    "json": '{{"client_secret": "{}"}}',
    "nested json": '{{\\"api_key\\": \\"{}\\"}}',
    "aws secret": "aws_secret_access_key = {}",
    "azure": "AccountKey={}==;EndpointSuffix=core.windows.net",
}
FORMS = (
    "{}",
    "before {} after",
    "a\n{}\nb",
    "({})",
    "k={}",
    '"{}"',
    "/{}/",
    "café {}世界",
    "{},{}",
)


def body_of(secret):
    """The part that must not be seen."""
    return secret.strip("-\n ")[-24:-4] if DASH not in secret else secret[60:100]


@pytest.mark.parametrize("name", SECRETS)
def test_no_planted_secret_is_left_in_any_form(name):
    scrubber, secret = RuleScrubber(), SECRETS[name]
    hidden = body_of(secret)
    for form in FORMS:
        text = form.format(secret, secret)
        for planted in (text, json.dumps(text), json.dumps({"a": [text]}), json.dumps(text)[1:-1]):
            assert hidden not in scrubber.text(planted), planted
        assert hidden not in json.dumps(scrubber.tree({"x": [{"y": text}], text: 1}))


@pytest.mark.parametrize("name", IN_CONTEXT)
def test_no_secret_is_left_where_its_context_says_what_it_is(name):
    secret = some(40)
    assert secret not in RuleScrubber().text(IN_CONTEXT[name].format(secret))


@pytest.mark.parametrize(
    "field",
    [
        "password",
        "DB_PASSWORD",
        "apiKey",
        "x-api-key",
        "clientSecret",
        "access_token",
        "refreshToken",
        "Authorization",
        "Cookie",
        "private_key",
        "secret",
        "token",
        "passphrase",
        "credentials",
        "aws_secret_access_key",
    ],
)
@pytest.mark.parametrize("value", ["hunter2", 12345678, ["hunter2"], {"value": "hunter2"}])
def test_field_named_like_a_secret_goes_whole(field, value):
    assert RuleScrubber().tree({field: value}) == {field: "<secret:field>"}


@pytest.mark.parametrize(
    "value",
    [
        {"max_tokens": 5, "tokens": 7, "thread_tokens": 9, "output_digest": "sha256:" + "a" * 64},
        {"password": None, "secret": False, "token": ""},
        {"text": "a task-oriented risk-assessment of what the sk-letter stands for"},
        {"id": "ses_aaaaaaaaaaaaaaaaaaaaaaaaae", "call": "toolu_01A09q90qw90lq917835lq9"},
        {"path": "notes/basic/bearer.txt", "order": "13", "mail": "ann@acme.com"},
    ],
)
def test_what_is_no_secret_stays(value):
    assert RuleScrubber().tree(value) == value


def test_known_secrets_go_wherever_they_stand():
    scrubber = RuleScrubber(["correct horse battery", "short"])
    assert "horse" not in scrubber.text("xcorrect horse batteryx")
    assert scrubber.text("short") == "short"


def test_tree_keeps_other_types_and_survives_depth():
    scrubber = RuleScrubber()
    assert scrubber.tree([1, 2.5, None, True, ("a",)]) == [1, 2.5, None, True, ["a"]]
    deep: object = "AKIA" + "A" * 16
    for _ in range(500):
        deep = [deep]
    assert "AKIA" not in str(scrubber.tree(deep))


@pytest.mark.parametrize(
    "piece",
    [
        f"{DASH}BEGIN PRIVATE KEY{DASH}",
        f"{DASH}BEGIN PRIVATE KEY{DASH}\nab-",
        "-eyJ",
        "-eyJaaaaaaaaa.eyJ",
        "eyJaaaaaaaaa.",
        "://a:b",
        "password ",
        "password:",
        "sk-",
        "SG.aaaaaaaaaaaaaaaaaaaa",
        "hooks.slack.com/services/",
        "\\n",
        "1234567890:AA",
        "bearer  ",
        f"{DASH}END PRIVATE KEY{DASH}",
        "authorization: ",
        "cookie: a=",
        "password='a\\",
        "password: |\n ",
        "<password>a",
        "key=",
        "token token1a",
        '"name": "token", "value": ',
        "sig=a",
        "digest response",
        "curl -u ",
        "mysql -p",
        "a:1234:b:c:",
        "password=/a",
        "<secret:password>",
        "AKIA" + "A" * 16,
    ],
)
def test_hostile_repetition_does_not_hang(piece):
    def hung(*_):
        raise TimeoutError("the scrubber hangs")

    # Of processor time. Quadratic reading of this much would take minutes.
    before = signal.signal(signal.SIGVTALRM, hung)
    signal.setitimer(signal.ITIMER_VIRTUAL, 15)
    try:
        RuleScrubber().text(piece * (300_000 // len(piece)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_a_long_text_is_scrubbed_each_time_it_comes_whatever_came_between():
    scrubber = RuleScrubber()
    secret = "the key of the shop is AKIA" + "A" * 16 + ", do not tell"
    plain = "nothing to see in a text that is longer than the short ones are"
    for text in (secret, secret, plain, secret, "", secret):
        assert ("AKIA" in scrubber.tree([text])[0]) is False
    assert scrubber.tree([plain, plain]) == [plain, plain]


def test_a_field_named_like_a_secret_is_hidden_each_time_it_comes():
    scrubber = RuleScrubber()
    for name in ("password", "x" * 50 + "_token", "api_key", "password", "x" * 50 + "_api_key"):
        hidden = scrubber.tree({name: "1234"})[name] == "<secret:field>"
        assert hidden is (not name.endswith("x_token")), name
    assert scrubber.tree({"passage": "1234"}) == {"passage": "1234"}


@pytest.mark.parametrize(
    ("tree", "clean"),
    [
        ({"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "DB_PASSWORD", "value": HIDDEN}),
        ({"key": "Cookie", "value": "sid=1"}, {"key": "Cookie", "value": HIDDEN}),
        (["mysql", "--password", "hunter22"], ["mysql", "--password", HIDDEN]),
        (["Authorization", "Bearer abc"], ["Authorization", HIDDEN]),
        ({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1"}, {"kty": "oct", "k": HIDDEN}),
        ({"ACME_BILLING_KEY": "aB3dE5gH7jK9mN1pQ3"}, {"ACME_BILLING_KEY": HIDDEN}),
    ],
)
def test_a_name_tells_of_a_value_beside_it(tree, clean):
    assert RuleScrubber().tree(tree) == clean


@pytest.mark.parametrize(
    "tree",
    [
        {"name": "DB_PASSWORD", "value": ""},
        {"name": "colour", "value": "aB3dE5gH7jK9mN1pQ3"},
        {"properties": {"password": {"type": "string", "minLength": 12}}},
        ["password", "token"],
        ["--verbose", "aB3dE5gH7jK9mN1pQ3"],
        {"k": "AyM1SysPpbyDfgZld3umj1"},
        {"effect_key": "refund-aB3dE5gH7jK9mN1pQ3", "nextPageToken": "aB3dE5gH7jK9mN1pQ3"},
        {"type": "thinking", "signature": "EqQBCgIYAhIMaB3dE5gH7jK9mN1pQ3"},
        {"password": "${DB_PASSWORD}"},
    ],
)
def test_a_field_without_a_secret_stays(tree):
    assert RuleScrubber().tree(tree) == tree


def test_a_schema_with_an_example_in_it_hides_the_example():
    tree = {"password": {"type": "string", "default": "hunter22"}}
    assert RuleScrubber().tree(tree) == {"password": HIDDEN}


def test_only_the_value_goes_and_what_stands_around_it_stays():
    text = 'user=ann password="hunter22 is it" host=db\nnext'
    clean = 'user=ann password="<secret:password>" host=db\nnext'
    assert RuleScrubber().text(text) == clean


@pytest.mark.parametrize("known", ["password", "<secret:known>", "secret:k"])
def test_a_known_secret_that_reads_like_a_placeholder_changes_none(known):
    scrubber = RuleScrubber([known])
    once = scrubber.text("password: hunter22, AKIA" + "A" * 16 + " <secret:known>")
    assert scrubber.text(once) == once


def test_a_text_that_never_comes_to_rest_goes_whole(monkeypatch):
    module = sys.modules[RuleScrubber.__module__]
    monkeypatch.setattr(module, "_found", lambda t: [Span(t.find("a"), t.find("a") + 1, "x")])
    assert RuleScrubber().text("a" * 20) == "<secret:unsettled>"


def test_a_value_is_a_secret_to_its_end_however_long_it_is():
    secret = some(5_000)
    assert RuleScrubber().text(f"API_KEY={secret} x") == "API_KEY=<secret:password> x"


def test_a_key_block_ends_where_it_ends():
    text = f"{SECRETS['pem']}\nand then prose"
    assert RuleScrubber().text(text) == "<secret:private_key>\nand then prose"
    two = f"{DASH}BEGIN PRIVATE KEY{DASH} is a line.\n{SECRETS['pem']}\nend"
    assert RuleScrubber().text(two) == (
        f"{DASH}BEGIN PRIVATE KEY{DASH} is a line.\n<secret:private_key>\nend"
    )
