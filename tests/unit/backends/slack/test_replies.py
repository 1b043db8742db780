"""Messages go to Slack's own address alone, a few times, and the log says which did not arrive."""

import asyncio

import pytest

from holdfast.backends.slack import replies
from holdfast.backends.slack.replies import Replies


def sent(monkeypatch, url, *statuses):
    """What was posted where, and what the log says."""
    posted: list[tuple[str, bytes]] = []
    said: list[str] = []
    left = list(statuses)

    def post(path, body):
        posted.append((path, body))
        return left.pop(0)

    monkeypatch.setattr(replies, "_posted", post)
    monkeypatch.setattr(replies, "_PAUSE_S", 0)
    asyncio.run(Replies(said.append).send(url, {"text": "x"}))
    return posted, said


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/a",
        "https://hooks.slack.com.evil.test/a",
        "https://hooks.slack.com@evil.test/a",
        "https://evil.test/hooks.slack.com",
        "https://hooks.slack.com:8443/a",
        "https://[/a",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_is_not_slacks_gets_nothing(monkeypatch, url):
    posted, said = sent(monkeypatch, url)
    assert not posted
    assert len(said) == 1


def test_what_slack_does_not_take_at_first_is_posted_again(monkeypatch):
    posted, said = sent(monkeypatch, "https://hooks.slack.com/a/b", 0, 500, 200)
    assert posted == [("/a/b", b'{"text":"x"}')] * 3
    assert not said


def test_what_slack_never_takes_is_told_without_its_address(monkeypatch):
    posted, said = sent(monkeypatch, "https://hooks.slack.com/secret", 0, 500, 503)
    assert len(posted) == 3
    assert len(said) == 1
    assert "secret" not in said[0]
