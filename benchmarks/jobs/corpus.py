"""The corpus as it is written in `corpus/*.yaml`: jobs, their steps, their repositories.

What is expected to be asked stands in the steps, and was written before any rule was. Not here:
making a repository (`repository`), playing (`doors`).
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

CORPUS = Path(__file__).with_name("corpus")
_REPOSITORIES = "repositories.yaml"
Part = Literal["worked", "apart", "all"]
Ask = Literal["", "always", "bare"]
Source = Literal["", "test", "file", "issue", "pr", "web", "dependency", "log", "mcp"]
_WRITERS = frozenset({"Edit", "Write", "NotebookEdit"})
_WRITING = ("git commit", "git merge", "git tag", "sed -i", " > ", " >> ", "git rm", "npm publish")


class CorpusInvalid(Exception):
    """A job that cannot be played as it is written; the message names it."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call. `{root}` in its arguments is the repository, `{port}` a free port.

    `ask` is when a person should be asked: never, always, or only where no sandbox holds the
    agent's processes (`bare`). `hears` is whose text its result is. `inner` are the calls of the
    sub-agent that this call starts, `says` what the sub-agent answers.
    """

    tool: str
    arguments: dict[str, Any]
    ask: Ask = ""
    hears: Source = ""
    inner: tuple["Step", ...] = ()
    says: str = ""

    @property
    def command(self) -> str:
        """The shell command, empty for other tools."""
        return str(self.arguments.get("command", ""))

    @property
    def writes(self) -> bool:
        """Whether a file or the history is another afterwards."""
        return self.tool in _WRITERS or any(word in self.command for word in _WRITING)


class Commit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One commit of a fixture: path to content."""

    message: str
    files: dict[str, str]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work: what was typed, where, and the calls that did it.

    `files` are committed on top of the repository, then `setup` runs in it as a shell script.
    `grants` are the tools beyond those of `holdfast init` that its operator gave the agent.
    `server` is the MCP server it has (a key of `mcp_server.SERVERS`), empty for none.
    """

    name: str
    prompt: str
    repository: str
    steps: tuple[Step, ...]
    files: dict[str, str] = {}
    setup: str = ""
    grants: tuple[str, ...] = ()
    server: str = ""

    def calls(self) -> Iterator[Step]:
        """Every call in order; those of a sub-agent after the call that starts it."""
        for step in self.steps:
            yield step
            yield from step.inner


def repositories() -> dict[str, list[Commit]]:
    """Repository to its commits, oldest first."""
    raw = yaml.safe_load((CORPUS / _REPOSITORIES).read_text(encoding="utf-8"))
    return {name: msgspec.convert(told["commits"], list[Commit]) for name, told in raw.items()}


def jobs(part: Part = "all") -> list[Job]:
    """The jobs of one part, in the order of the files. Errors: CorpusInvalid."""
    found: list[Job] = []
    for path in sorted(CORPUS.glob("*.yaml")):
        if path.name != _REPOSITORIES:
            found += [_job(raw) for raw in yaml.safe_load(path.read_text(encoding="utf-8"))]
    kept = apart(job.name for job in found)
    return [job for job in found if part == "all" or (job.name in kept) == (part == "apart")]


def apart(names: Iterator[str]) -> frozenset[str]:
    """The third that is not looked at while rules are made: the first by the digest of its name."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return frozenset(ordered[: -(-len(ordered) // 3)])


def _job(raw: dict[str, Any]) -> Job:
    name = str(raw.get("name", raw))
    try:
        steps = [_step(step) for step in raw["steps"]]
        return msgspec.convert({**raw, "steps": steps}, Job)
    except (msgspec.ValidationError, KeyError, ValueError, TypeError) as error:
        raise CorpusInvalid(f"{name}: {error!r}") from error


def _step(raw: Any) -> Step:
    told: dict[str, Any] = dict(raw) if not isinstance(raw, str) else {"sh": raw}
    marks: dict[str, Any] = {key: told.pop(key) for key in ("ask", "hears") if key in told}
    background: dict[str, Any] = (
        {"run_in_background": True} if told.pop("background", False) else {}
    )
    ((kind, given),) = told.items()
    if kind == "task":
        return _task(given, marks)
    tool, arguments = _call(kind, given)
    return msgspec.convert({"tool": tool, "arguments": arguments | background, **marks}, Step)


def _task(given: dict[str, Any], marks: dict[str, Any]) -> Step:
    asked = {
        "description": given["description"],
        "prompt": given["prompt"],
        "subagent_type": given["type"],
    }
    inner = tuple(_step(step) for step in given["steps"])
    return Step(tool="Agent", arguments=asked, inner=inner, says=given["says"], **marks)


def _call(kind: str, given: Any) -> tuple[str, dict[str, Any]]:
    match kind:
        case "sh":
            command = str(given).strip()
            return "Bash", {"command": command, "description": _described(command)}
        case "read":
            return "Read", {"file_path": _path(given)}
        case "edit":
            path, old, new = given
            return "Edit", {"file_path": _path(path), "old_string": old, "new_string": new}
        case "write":
            path, content = given
            return "Write", {"file_path": _path(path), "content": content}
        case "notebook":
            path, cell, source = given
            return "NotebookEdit", {
                "notebook_path": _path(path),
                "cell_id": cell,
                "new_source": source,
            }
        case "search":
            return "WebSearch", {"query": str(given)}
        case "tools":
            return "ToolSearch", {"query": f"select:{','.join(given)}", "max_results": 5}
        case "mcp":
            server, tool, arguments = given
            return f"mcp__{server}__{tool}", arguments
        case _:
            raise CorpusInvalid(f"`{kind}` is no kind of step")


def _path(relative: str) -> str:
    return f"{{root}}/{relative}"


def _described(command: str) -> str:
    """What a model says of a command beside it."""
    first = command.splitlines()[0]
    return f"Run {' '.join(first.split()[:3])}"


def placed(value: Any, root: Path, port: int) -> Any:
    """The value with `{root}` and `{port}` filled in."""
    if isinstance(value, dict):
        return {key: placed(inner, root, port) for key, inner in value.items()}
    if isinstance(value, list):
        return [placed(inner, root, port) for inner in value]
    if isinstance(value, str):
        return value.replace("{root}", str(root)).replace("{port}", str(port))
    return value
