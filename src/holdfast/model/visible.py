"""Text from outside as a person may be shown it: what cannot be seen, or moves what is seen, goes.

A row that somebody reads must not look like two, or like another's. Not here: where it is shown.
"""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
# Letters, marks and symbols that show nothing at all.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159"
    + "".join(map(chr, [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10)]))
)
_SELECTORS = range(0xE0100, 0xE01F0)
# More marks on one letter than any language has reach into the rows above and below.
_MARKS_MAX = 3


def visible(text: object, most: int = 2_000, *, spaced: bool = False) -> str:
    """One line of characters that can be seen, at most so long.

    Between them are single spaces; `spaced` keeps plain spaces as they are, for a text of ours that
    is set in columns.
    """
    given = str(text)
    shown: list[str] = []
    marks = 0
    for char in given[: most + 1]:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if char == " " and spaced:
            shown.append(char)
        elif kind in _HIDDEN or char in _BLANK or ord(char) in _SELECTORS:
            shown.append(" " if shown and shown[-1] != " " else "")
        elif marks <= _MARKS_MAX:
            shown.append(char)
    line = "".join(shown).rstrip(" ") if spaced else " ".join("".join(shown).split())
    return f"{line[:most]}…" if len(given) > most else line


def quoted(text: object, most: int = 80) -> str:
    """A name between backticks, none of which are its own."""
    return f"`{visible(text, most).replace('`', chr(0x27))}`"
