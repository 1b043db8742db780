"""Names of users, as identity providers give them: `auth0|5f7`, `ann+ops@x.example`, `CN=Ann Lee`.

Any text is one that can be seen whole and written in one way only, so that no two people look like
one and no one person is two. It may hold slashes: names that are joined stand after a tenant's,
which holds none (`acme/ann/b` is the user `ann/b` of `acme`, and nobody else).
"""

import unicodedata

from holdfast.model.visible import visible

MAX_CHARACTERS = 128
EVERYONE = "*"


def user_fault(name: str) -> str:
    """Why a text cannot name a user; empty when it can."""
    if not 0 < len(name) <= MAX_CHARACTERS:
        return f"a user's name has 1 to {MAX_CHARACTERS} characters"
    if name == EVERYONE:
        return f"`{EVERYONE}` stands for everyone and names nobody"
    if name != unicodedata.normalize("NFC", name):
        return "a user's name is written in composed characters (Unicode NFC)"
    if name != visible(name, MAX_CHARACTERS):
        return (
            "a user's name can be seen whole: no control or invisible characters, no blanks at its"
            " ends or side by side"
        )
    return ""
