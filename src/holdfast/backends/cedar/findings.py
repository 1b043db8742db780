"""What is wrong with a bundle: one finding each, with the file and line it stands in."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One fault; any finding keeps a bundle from being put in force.

    `line` counts from 1 and is 0 where a fault belongs to no line; `rule` is the policy's id, if
    it has one; `code` is stable, `text` one lower-case sentence.
    """

    file: str
    line: int
    rule: str
    code: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        rule = f" {self.rule}:" if self.rule else ""
        return f"{place}:{rule} {self.text} [{self.code}]"
