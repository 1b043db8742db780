"""Words that every sentence is made of: names and texts from outside, in one line and bounded."""

from holdfast.model.visible import quoted, visible

_SHOWN = 160


def plain(value: object, most: int = _SHOWN) -> str:
    """A text in one line, cut; empty for None."""
    return visible("" if value is None else value, most)


def named(value: object) -> str:
    """A name, quoted."""
    return quoted("" if value is None else value)


def said(*texts: object) -> str:
    """`: …` of the first of these that says something."""
    found = next((one for one in texts if one), "")
    return f": {plain(found)}" if found else ""


def by(name: str) -> str:
    """` by …`, where there is a name."""
    return f" by {plain(name, 40)}" if name else ""
