"""The section `store`: one file of the machine's own, or a Postgres. Not here: opening it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.compose.config.model import StoreSettings
from holdfast.compose.config.names import ENV_NAME
from holdfast.compose.config.nodes import Node
from holdfast.compose.config.shapes import INVALID, Field, Reading, Record, Text
from holdfast.ports.store_urls import has_password, store_url_fault


class StoreUrl(msgspec.Struct, frozen=True):
    """Address of a Postgres database, without a password."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """The address as it was written."""
        text = Text(max_chars=2048, says="a postgresql address").read(node, reading, path)
        if text is INVALID:
            return INVALID
        fault = store_url_fault(text)
        if fault:
            return reading.problem(node, path, fault)
        if has_password(text):
            return reading.problem(
                node, path, "a password may not stand in it: name its variable by `url_env`"
            )
        return text

    def schema(self) -> dict[str, Any]:
        """JSON Schema."""
        return {"type": "string", "pattern": "^postgres(ql)?://"}


def _one_address(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    if ("url" in values) == ("url_env" in values):
        reading.problem_at(path, "a store has either `url` or `url_env`")


STORE = Record(
    build=StoreSettings,
    fields={
        "url": Field(StoreUrl(), "address of a Postgres database, without a password"),
        "url_env": Field(ENV_NAME, "environment variable with the address of a Postgres database"),
    },
    checks=(_one_address,),
)
