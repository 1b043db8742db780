"""`tools-list` and `tools-lint`: what a project's tools are, and whether they meet its standard.

The lint may start the MCP servers that the settings name, each in a process group of its own that
does not outlive the question.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from holdfast.compose.config import Config, load_config
from holdfast.compose.doctor import CONFIG_NAME
from holdfast.compose.readiness import unread
from holdfast.compose.sandboxes import sandbox
from holdfast.compose.tool_catalogue import LintReport, catalogue, lint_report, servers
from holdfast.model.tool_standard import ServerListing, Shortfall

# The command line waits a little longer than this.
SERVERS_S = 90.0


def tools_list(project: Path, *, as_json: bool, imports: bool) -> str:
    """A line for each tool, or a JSON object for each."""
    entries = catalogue(_loaded(project, imports=imports))
    if as_json:
        return "\n".join(msgspec.json.encode(entry).decode() for entry in entries)
    head = ("tool", "effect", "class", "kind", "risk", "agents")
    rows = [
        (e.tool, e.effect, e.idempotency, str(e.kind), e.risk, ", ".join(e.agents) or "-")
        for e in entries
    ]
    return _columns([head, *rows]) if rows else "no tool is declared"


def _loaded(project: Path, *, imports: bool) -> Config:
    """The settings, unfit tools too; what was not looked at is said on standard error."""
    config = load_config(project / CONFIG_NAME, imports=imports, registers=False)
    if told := unread(config):
        sys.stderr.write(f"{told}\n")
    return config


def tools_lint(
    project: Path, *, only: Sequence[str], every_server: bool, as_json: bool, imports: bool
) -> tuple[str, bool]:
    """The report, and whether no rule of level error is broken."""
    config = _loaded(project, imports=imports)
    report = lint_report(config, _listed(config, only) if only or every_server else ())
    if as_json:
        return msgspec.json.encode(report).decode(), report.ok
    return "\n".join(_lines(report)), report.ok


def _listed(config: Config, only: Sequence[str]) -> list[ServerListing]:
    from holdfast.integrations.native.mcp_listing import listings  # noqa: PLC0415 - used rarely

    asked = servers(config, only)
    folder = config.path.parent
    return asyncio.run(listings(asked, folder, os.environ, sandbox(), within_s=SERVERS_S))


def _lines(report: LintReport) -> list[str]:
    lines = [_line(finding) for finding in report.findings]
    asked = f", {_count(report.servers, 'server')} asked" if report.servers else ""
    found = f"{_count(report.errors, 'error')}, {_count(report.warnings, 'warning')}"
    return [*lines, f"{_count(report.tools, 'tool')}{asked}: {found}"]


def _line(finding: Shortfall) -> str:
    where = " (server)" if finding.source == "server" else ""
    return (
        f"{finding.level:<5} {finding.tool} [{finding.rule}]{where}: {finding.text}; {finding.fix}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
