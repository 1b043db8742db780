"""The keys of `files` in `holdfast.yaml`: whose files the agents work on."""

from holdfast.compose.config.model import FileSettings, OwnRoot
from holdfast.compose.config.shapes import Field, ListOf, Record, Text

OWN_ROOT = Record(
    build=OwnRoot,
    fields={
        "root": Field(Text(max_chars=1024, says="a path"), "a git checkout, relative to this file"),
        "refs": Field(
            ListOf(item=Text(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", says="a git ref")),
            "commits that are trusted from the start, and refs that may be",
        ),
    },
)
FILES = Record(
    build=FileSettings,
    fields={"own": Field(ListOf(item=OWN_ROOT), "checkouts whose files are the operator's own")},
)
