"""Contracts of Claude Code's built-in tools, as the harness sends them to the model.

The input schemas were read off the `tools` array of the CLI bundled with claude-agent-sdk
0.2.186 and are stricter than it only where a decision hangs on an argument. They allow further
properties, since that CLI changes nearly daily and a new optional argument is no attack; the
arguments that decide (commands, paths, URLs) are required and typed, so they cannot hide.

A tool that is not listed here (PowerShell, REPL, a tool of next week) has no contract, and
without one it counts as commit, tainting and HIGH.

Effects and levels, in short. Reading is LOW, but it taints: a file or a page may carry
instructions. Writing files is MEDIUM: it can be undone inside the workspace. A shell is commit
and MEDIUM as a floor, raised per command by a real parse (`core/risk`). What leaves the machine,
outlives the session or starts agents outside of any one call is HIGH.

Not here: limits of one deployment; `holdfast.yaml` may replace any of these by name.
"""

from typing import Any

import msgspec

from holdfast.core.delegation import DELEGATE_TOOL
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect, EffectKey, Idempotency

_TEXT: dict[str, Any] = {"type": "string"}
_NAME: dict[str, Any] = {"type": "string", "minLength": 1}
_PATH: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 4096}
_URL: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 8192}
_FLAG: dict[str, Any] = {"type": "boolean"}
_COUNT: dict[str, Any] = {"type": "number", "minimum": 0}
_ANY: dict[str, Any] = {}

_FAILED = {"tool_failed": "the tool ran and answered with an error; the text says which"}
_FILE_ERRORS = {
    "not_found": "the path does not exist, or its folder does not",
    "not_read_first": "the file was not read in this session before it was changed",
    "no_match": "the text to replace is missing or stands more than once",
}


def _input(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": True,
    }


def _describe(what: str, when: str, side_effects: str) -> str:
    return f"What: {what} When: {when} Side effects: {side_effects}"


def _reading(
    name: str, what: str, when: str, schema: dict[str, Any], *, reason: str, own: bool = False
) -> Contract:
    """A tool that changes nothing; `own`: its result is the harness's own state, not content."""
    return Contract(
        name=name,
        description=_describe(what, when, "none."),
        effect=Effect.READ,
        risk=RiskLevel.LOW,
        risk_reason=reason,
        input_schema=schema,
        idempotency=Idempotency.PURE,
        first_party=own,
        errors=_FAILED,
    )


_TAINTS = "changes nothing, but what it reads may be written by others and carry instructions"
_OWN = "changes nothing and shows only the state of the harness"


def _shells() -> list[Contract]:
    return [
        Contract(  # noqa: S604 - `shell` names an argument here; nothing is run
            name="Bash",
            description=_describe(
                "runs a shell command in the workspace and returns its output.",
                "for builds, tests, version control and searches that no other tool covers.",
                "whatever the command does: files, processes, network, other systems.",
            ),
            effect=Effect.COMMIT,
            risk=RiskLevel.MEDIUM,
            risk_reason="a shell can do anything; each command is parsed and raises the level",
            input_schema=_input(
                {"command": _NAME},
                {
                    "timeout": _COUNT,
                    "description": _TEXT,
                    "run_in_background": _FLAG,
                    "dangerouslyDisableSandbox": _FLAG,
                },
            ),
            roles={"command": ArgumentRole.WHAT},
            shell="command",
            errors={**_FAILED, "timeout": "the command ran longer than its timeout"},
            timeout_s=600.0,
        ),
        Contract(  # noqa: S604 - `shell` names an argument here; nothing is run
            name="Monitor",
            description=_describe(
                "starts a background command or socket and feeds each line to the agent.",
                "to follow a log or a long process while other work goes on.",
                "a process that outlives the call, with whatever its command does.",
            ),
            effect=Effect.COMMIT,
            risk=RiskLevel.HIGH,
            risk_reason="runs a shell command or opens a socket that keeps talking to the agent",
            input_schema=_input(
                {"description": _TEXT},
                {"command": _TEXT, "timeout_ms": _COUNT, "ws": {"type": "object"}},
            ),
            roles={"command": ArgumentRole.WHAT, "ws": ArgumentRole.URL},
            shell="command",
            errors=_FAILED,
            timeout_s=3600.0,
        ),
    ]


def _stop(name: str, argument: str) -> Contract:
    return Contract(
        name=name,
        description=_describe(
            "stops a background task or shell of this session.",
            "when a background task is no longer needed or hangs.",
            "ends that process; its unfinished work is lost.",
        ),
        effect=Effect.WRITE,
        risk=RiskLevel.LOW,
        risk_reason="ends only what this session started",
        input_schema=_input({}, {argument: _NAME, "shell_id": _NAME}),
        roles={argument: ArgumentRole.WHAT},
        idempotency=Idempotency.IDEMPOTENT,
        first_party=True,
        errors={"not_found": "no such task runs in this session"},
    )


def _readers() -> list[Contract]:
    folder = {"path": _PATH}
    return [
        _reading(
            "Read",
            "returns the content of one file, image or document.",
            "before a file is changed, or to learn what it says.",
            _input(
                {"file_path": _PATH},
                {"offset": _COUNT, "limit": _COUNT, "pages": _TEXT, "allow_large": _FLAG},
            ),
            reason=_TAINTS,
        ),
        _reading(
            "Glob",
            "lists the files whose path matches a pattern.",
            "to find files by name before they are read.",
            _input({"pattern": _NAME}, folder),
            reason=_TAINTS,
        ),
        _reading(
            "Grep",
            "searches the content of files for a pattern.",
            "to find where a word or symbol is used.",
            _input({"pattern": _NAME}, {**folder, "glob": _TEXT, "output_mode": _TEXT}),
            reason=_TAINTS,
        ),
        _reading(
            "LS",
            "lists the entries of one folder.",
            "to see what a folder holds before going on.",
            _input({"path": _PATH}, {"ignore": {"type": "array"}}),
            reason=_TAINTS,
        ),
        *(
            _reading(
                name,
                "returns new output of a background task or shell.",
                "to look at a command that was started in the background.",
                _input({}, {"bash_id": _NAME, "task_id": _NAME, "filter": _TEXT}),
                reason=_TAINTS,
            )
            for name in ("BashOutput", "TaskOutput")
        ),
        *(
            _reading(
                name,
                "lists the resources that connected MCP servers offer.",
                "to find a resource before it is read.",
                _input({}, {"server": _NAME}),
                reason=_TAINTS,
            )
            for name in ("ListMcpResourcesTool", "ListMcpResources")
        ),
        *(
            _reading(
                name,
                "returns one resource of a connected MCP server.",
                "to use content that a server offers as a resource.",
                _input({"server": _NAME, "uri": _URL}),
                reason=_TAINTS,
            )
            for name in ("ReadMcpResourceTool", "ReadMcpResource")
        ),
        _reading(
            "LSP",
            "asks a language server about symbols, types and uses.",
            "to follow code more exactly than by text search.",
            _input({}, {"operation": _TEXT, "filePath": _PATH}),
            reason=_TAINTS,
        ),
    ]


def _own_state() -> list[Contract]:
    """Tools whose result is the harness's own state: lists of tasks, tools, plans, agents."""
    listing = [
        ("ToolSearch", "finds deferred tools and loads their schemas.", {"query": _TEXT}),
        ("TaskGet", "returns one entry of the session's task list.", {"taskId": _NAME}),
        ("TaskList", "returns the session's task list with its states.", {}),
        ("CronList", "lists the prompts scheduled by this session.", {}),
        ("ListAgents", "lists the agents that can be written to.", {}),
    ]
    noting = [
        ("TodoWrite", "replaces the session's list of things to do.", {"todos": {"type": "array"}}),
        ("TaskCreate", "adds an entry to the session's task list.", {"subject": _TEXT}),
        ("TaskUpdate", "changes one entry of the session's task list.", {"taskId": _NAME}),
        ("ExitPlanMode", "shows a plan and asks to leave planning.", {}),
        ("EnterPlanMode", "asks to plan before anything is changed.", {}),
        ("ReportFindings", "reports review findings to the user.", {"findings": {"type": "array"}}),
    ]
    return [
        *(
            _reading(
                name, what, "whenever that state is needed.", _input(fields), reason=_OWN, own=True
            )
            for name, what, fields in listing
        ),
        *(
            Contract(
                name=name,
                description=_describe(
                    what,
                    "while organising the work of this session.",
                    "changes what the harness shows of this session, nothing else.",
                ),
                effect=Effect.WRITE,
                risk=RiskLevel.LOW,
                risk_reason="changes only the notes of this session",
                input_schema=_input(fields),
                idempotency=Idempotency.IDEMPOTENT,
                first_party=True,
                errors=_FAILED,
            )
            for name, what, fields in noting
        ),
        _reading(
            "AskUserQuestion",
            "asks the user a question with a few answers.",
            "when the work cannot go on without a choice.",
            _input({"questions": {"type": "array"}}),
            reason="changes nothing; the answer is the user's own word",
            own=True,
        ),
    ]


def _writers() -> list[Contract]:
    file = {"file_path": _PATH}
    swap = {"old_string": _TEXT, "new_string": _TEXT}
    fields = {
        "Write": (_input({**file, "content": _TEXT}), {"content": ArgumentRole.PAYLOAD}),
        "Edit": (
            _input({**file, **swap}, {"replace_all": _FLAG}),
            {"new_string": ArgumentRole.PAYLOAD},
        ),
        "MultiEdit": (
            _input({**file, "edits": {"type": "array", "minItems": 1}}),
            {"edits": ArgumentRole.PAYLOAD},
        ),
    }
    contracts = [
        _file_writer(name, "file_path", schema, roles) for name, (schema, roles) in fields.items()
    ]
    notebook = _input(
        {"notebook_path": _PATH, "new_source": _TEXT},
        {"cell_id": _TEXT, "cell_type": _TEXT, "edit_mode": _TEXT},
    )
    payload = {"new_source": ArgumentRole.PAYLOAD}
    contracts.append(_file_writer("NotebookEdit", "notebook_path", notebook, payload))
    return contracts


def _file_writer(
    name: str, path: str, schema: dict[str, Any], roles: dict[str, ArgumentRole]
) -> Contract:
    return Contract(
        name=name,
        description=_describe(
            "creates or changes one file at the given path.",
            "to write code, text or a notebook cell.",
            "the file's content is replaced in whole or in part.",
        ),
        effect=Effect.WRITE,
        risk=RiskLevel.MEDIUM,
        risk_reason="changes files, also ones that are run later",
        input_schema=schema,
        roles={path: ArgumentRole.WHAT, **roles},
        idempotency=Idempotency.PROBE,
        # The others answer with a snippet of the file, which others may have written.
        first_party=name == "Write",
        errors=_FILE_ERRORS,
    )


def _web() -> list[Contract]:
    return [
        Contract(
            name="WebFetch",
            description=_describe(
                "fetches a URL and answers a prompt about the page.",
                "to read a page whose address is known.",
                "a request leaves the machine; its URL can carry anything out.",
            ),
            effect=Effect.EGRESS,
            risk=RiskLevel.HIGH,
            risk_reason="the URL can carry secrets out, and the page can carry instructions in",
            input_schema=_input({"url": _URL, "prompt": _TEXT}, {"offset": _COUNT}),
            roles={"url": ArgumentRole.URL, "prompt": ArgumentRole.PAYLOAD},
            errors=_FAILED,
        ),
        Contract(
            name="WebSearch",
            description=_describe(
                "searches the web and returns titles and addresses.",
                "to find pages when no address is known.",
                "the query leaves the machine, and the provider bills each search.",
            ),
            effect=Effect.EGRESS,
            risk=RiskLevel.HIGH,
            risk_reason="what is no bounded query can carry secrets out",
            input_schema=_input(
                {"query": _NAME},
                {"allowed_domains": {"type": "array"}, "blocked_domains": {"type": "array"}},
            ),
            roles={"query": ArgumentRole.QUERY},
            errors=_FAILED,
        ),
    ]


def _agent(name: str) -> Contract:
    return Contract(
        name=name,
        description=_describe(
            "starts a sub-agent on a task and returns its answer.",
            "for work that can be told in one prompt and done apart.",
            "whatever the sub-agent does, each call of it decided on its own.",
        ),
        effect=Effect.WRITE,
        risk=RiskLevel.MEDIUM,
        risk_reason="spends money on its own, but every call of the sub-agent is decided too",
        input_schema=_input(
            {"description": _TEXT, "prompt": _TEXT},
            {"subagent_type": _TEXT, "model": _TEXT, "run_in_background": _FLAG},
        ),
        roles={"prompt": ArgumentRole.PAYLOAD},
        errors=_FAILED,
        timeout_s=3600.0,
    )


def _delegate() -> Contract:
    """What a loop offers to start a child session (`core/delegation`)."""
    return Contract(
        name=DELEGATE_TOOL,
        description=_describe(
            "starts a child session with part of this one's authority and returns its answer.",
            "for work that can be told in one text and needs fewer tools than this session has.",
            "none by itself; each call of the child is decided and paid for on its own.",
        ),
        effect=Effect.READ,
        risk=RiskLevel.LOW,
        risk_reason="the child may do nothing that this session may not, and each call is decided",
        input_schema=_input(
            {"task": _NAME},
            {
                "agent": _TEXT,
                "tools": {"type": "array", "items": _NAME},
                "resources": {"type": "array", "items": _NAME},
                "limits": {"type": "object"},
            },
        ),
        idempotency=Idempotency.PURE,
        errors=_FAILED | {"delegation_refused": "more was asked for than this session has"},
        timeout_s=3600.0,
    )


def _skill(name: str, argument: str) -> Contract:
    return Contract(
        name=name,
        description=_describe(
            "loads the instructions of an installed skill or command.",
            "when the work matches what the skill is for.",
            "the skill's text enters the context and steers the agent.",
        ),
        effect=Effect.WRITE,
        risk=RiskLevel.MEDIUM,
        risk_reason="its text steers the agent, and it may come from a plugin",
        input_schema=_input({argument: _NAME}, {"args": _TEXT}),
        roles={argument: ArgumentRole.WHAT},
        errors=_FAILED,
    )


def _lasting() -> list[Contract]:
    """What outlives the call: schedules, workflows, worktrees, messages to other agents."""
    rows: list[tuple[str, str, dict[str, Any], dict[str, Any], str, ArgumentRole]] = [
        ("CronCreate", "schedules a prompt for later or again and again.",
         {"cron": _NAME, "prompt": _TEXT}, {}, "prompt", ArgumentRole.WHAT),
        ("CronDelete", "removes a scheduled prompt by its id.",
         {"id": _NAME}, {}, "id", ArgumentRole.WHAT),
        ("ScheduleWakeup", "wakes this session up again after some time.",
         {}, {"delaySeconds": _COUNT, "prompt": _TEXT}, "prompt", ArgumentRole.WHAT),
        ("Workflow", "runs a script that starts many agents in stages.",
         {}, {"script": _TEXT, "name": _TEXT, "scriptPath": _PATH, "args": _ANY},
         "script", ArgumentRole.WHAT),
        ("EnterWorktree", "makes a git worktree and moves the session there.",
         {}, {"name": _TEXT, "path": _PATH}, "path", ArgumentRole.WHAT),
        ("ExitWorktree", "leaves a git worktree and may remove it.",
         {"action": _NAME}, {"discard_changes": _FLAG}, "action", ArgumentRole.WHAT),
        ("SendMessage", "sends a message to another agent.",
         {"to": _NAME}, {"message": _ANY, "summary": _TEXT}, "to", ArgumentRole.WHO),
    ]  # fmt: skip
    return [
        Contract(
            name=name,
            description=_describe(
                what,
                "only where the task asks for exactly that.",
                "they stay after this call has returned.",
            ),
            effect=Effect.COMMIT,
            risk=RiskLevel.HIGH,
            risk_reason="its consequences outlive the call that was decided",
            input_schema=_input(required, optional),
            roles={argument: role},
            errors=_FAILED,
        )
        for name, what, required, optional, argument, role in rows
    ]


_ALL: tuple[Contract, ...] = (
    *_shells(),
    _stop("TaskStop", "task_id"),
    _stop("KillShell", "shell_id"),
    _stop("KillBash", "shell_id"),
    *_readers(),
    *_own_state(),
    *_writers(),
    *_web(),
    _agent("Agent"),
    _agent("Task"),
    _delegate(),
    _skill("Skill", "skill"),
    _skill("SlashCommand", "command"),
    *_lasting(),
)
# The same command twice is meant twice: what it does depends on more than its arguments.
BUILTIN_TOOLS: tuple[Contract, ...] = tuple(
    msgspec.structs.replace(contract, effect_key=EffectKey.CALL) for contract in _ALL
)
"""Every built-in tool that has a contract; names as they stand in `tool_use` blocks."""
