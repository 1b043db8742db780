"""The desk's tools over MCP on stdin and stdout, by hand: a start costs little."""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import desk_tools  # type: ignore[import-not-found]  # beside this file

from holdfast.tools import Refused, ToolContext

# Offered, and never to be run: one that no contract declares, one that nobody may ever call.
OTHERS = ("unlisted", "drop_database")


def listed() -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "description": one.contract.description,
            "inputSchema": one.contract.input_schema,
        }
        for name, one in desk_tools.FUNCTIONS.items()
    ] + [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in OTHERS]


def called(name: str, arguments: dict[str, Any], meta: dict[str, Any]) -> dict[str, object]:
    if name in OTHERS:
        desk_tools.acts(name, str(arguments.get("order")))
        return {"content": [{"type": "text", "text": "done"}]}
    key = str(meta.get("holdfast/key") or meta.get("holdfast.key") or "")
    try:
        found = desk_tools.FUNCTIONS[name].run(arguments, ToolContext(key=key))
    except Refused as refused:
        return error(f"{refused.code}: {refused}" if hasattr(refused, "code") else str(refused))
    except Exception as crash:  # noqa: BLE001 -- any crash of a tool is its answer
        return error(f"{type(crash).__name__}: {crash}")
    text = json.dumps(
        found
        if isinstance(found, dict)
        else {n: getattr(found, n) for n in found.__struct_fields__}
    )
    return {"content": [{"type": "text", "text": text}]}


def error(text: str) -> dict[str, object]:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def answer(method: str, asked: dict[str, Any]) -> object:
    if method == "initialize":
        info = {"name": "desk", "version": "1"}
        version = asked.get("protocolVersion", "2025-06-18")
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": listed()}
    if method == "tools/call":
        return called(asked["name"], asked.get("arguments") or {}, asked.get("_meta") or {})
    return {}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answer(message["method"], message.get("params") or {})
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if os.environ.get("DESK_ACTS") is None:
        os.environ["DESK_ACTS"] = str(Path(__file__).with_name("acts.log"))
    main()
