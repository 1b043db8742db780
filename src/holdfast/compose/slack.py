"""The signing secret of the Slack app, from the environment."""

from collections.abc import Mapping

from holdfast.compose.config.model import SlackSettings
from holdfast.errors import ConfigInvalid

_LEAST_CHARACTERS = 16


def slack_secret(settings: SlackSettings | None, environment: Mapping[str, str]) -> str:
    """Empty without a section `slack`. Errors: ConfigInvalid where it is missing or too short."""
    if settings is None:
        return ""
    secret = environment.get(settings.signing_secret_env, "")
    if len(secret) < _LEAST_CHARACTERS:
        raise ConfigInvalid(
            f"the variable `{settings.signing_secret_env}` of `slack.signing_secret_env` is not"
            " set, or holds no signing secret"
        )
    return secret
