"""What keeps secrets out of journal, log and model."""

from typing import Any, Protocol


class Scrubber(Protocol):
    """Replaces secrets by typed placeholders (`<secret:aws_key>`)."""

    def text(self, value: str) -> str:
        """The text without what looks like, or is known to be, a secret."""
        ...

    def tree(self, value: Any) -> Any:
        """The same over every string, keys included, of a JSON value; other types as they are."""
        ...
