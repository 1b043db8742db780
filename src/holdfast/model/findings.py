"""What is wrong with a value (`Violation`) or with a contract (`Finding`).

Both say where and why in one lower-case sentence. Not here: the checks (`core/schemas`,
`core/contract_lint`).
"""

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """One way in which a value does not fit a schema.

    `path` is a JSON pointer into the value, empty for the whole of it; `rule` is the schema
    keyword that failed (`required`, `type`, …), or `json`, `unknown_tool`, `resource`.
    `text` quotes the schema, never the value.
    """

    path: str
    rule: str
    text: str


class Finding(msgspec.Struct, frozen=True):
    """One way in which a contract falls short of the house's tool standard.

    `code` is stable and dotted (`description.when`).
    """

    tool: str
    code: str
    text: str
