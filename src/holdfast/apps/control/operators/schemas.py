"""What the paths of operators take."""

from typing import Annotated

from pydantic import Field

from holdfast.apps.control.wire import Asked
from holdfast.compose.config.names import ID_PATTERN


class AddOperator(Asked):
    """A name that is not taken."""

    name: Annotated[str, Field(pattern=ID_PATTERN)]
