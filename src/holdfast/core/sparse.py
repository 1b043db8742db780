"""Objects of which there are thousands and of whose fields most stay empty.

An empty set takes 216 bytes, an empty deque 760; a slot that was never asked for takes 8.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar


class Sparse:
    """Has slots, and makes those that `EMPTY` names when they are first asked for.

    A field that is there is read as any slot is.
    """

    __slots__ = ()
    EMPTY: ClassVar[Mapping[str, Callable[[], Any]]] = {}

    # Where types are checked, only fields that are declared exist.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """An empty field. Errors: AttributeError for a name that is none."""
            make = self.EMPTY.get(name)
            if make is None:
                raise AttributeError(f"{type(self).__name__} has no `{name}`", name=name, obj=self)
            made = make()
            setattr(self, name, made)
            return made
