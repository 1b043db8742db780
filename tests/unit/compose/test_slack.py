"""The signing secret is there, or the server does not start."""

import pytest

from holdfast.compose.config.model import SlackSettings
from holdfast.compose.slack import slack_secret
from holdfast.errors import ConfigInvalid

SETTINGS = SlackSettings(signing_secret_env="SIGNS")


def test_the_secret_is_what_the_variable_holds():
    assert slack_secret(SETTINGS, {"SIGNS": "s" * 32}) == "s" * 32
    assert not slack_secret(None, {"SIGNS": "s" * 32})


@pytest.mark.parametrize("environment", [{}, {"SIGNS": ""}, {"SIGNS": "short"}])
def test_without_one_nothing_starts_and_it_is_not_shown(environment):
    with pytest.raises(ConfigInvalid, match="SIGNS") as caught:
        slack_secret(SETTINGS, environment)
    assert "short" not in caught.value.message
