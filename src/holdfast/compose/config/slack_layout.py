"""The section `slack`: who people are there, and where its signing secret is.

Not here: what they may do (`apps/control`).
"""

from holdfast.compose.config.model import SlackSettings
from holdfast.compose.config.names import ENV_NAME
from holdfast.compose.config.operator_layout import OPERATOR_NAME
from holdfast.compose.config.shapes import Field, MapOf, Record, Text

_PERSON = Text(
    pattern=r"^T[A-Z0-9]{1,20}/[UW][A-Z0-9]{1,20}$",
    says="a workspace and a member of it, as in `T0123ABCD/U0456EFGH`",
)

SLACK = Record(
    build=SlackSettings,
    fields={
        "signing_secret_env": Field(
            ENV_NAME, "environment variable with the signing secret of the Slack app"
        ),
        "people": Field(
            MapOf(value=OPERATOR_NAME, key=_PERSON), "operators, by workspace and member of Slack"
        ),
    },
)
