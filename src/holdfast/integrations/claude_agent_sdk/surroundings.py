"""What the CLI and its tools are given to see: a small environment and a folder of their own.

The SDK lays `options.env` over the host's whole environment, so the CLI is started through a
launcher that lets through what is listed here and nothing else: credentials of the host never
reach a tool. Not here: what a tool can reach on disk or in /proc (isolation is a sandbox's).
"""

import shlex
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import claude_agent_sdk

from holdfast.client import Session
from holdfast.errors import ConfigInvalid
from holdfast.integrations.claude_code import cli_environment, sandbox_holds

INHERITED = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TERM", "TMPDIR", "TZ", "USER", "LOGNAME", "SHELL"),
    *("LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"),
)
_FROM_THE_SDK = (
    *("CLAUDE_CODE_ENTRYPOINT", "CLAUDE_AGENT_SDK_VERSION", "CLAUDE_AGENT_SDK_CLIENT_APP"),
    *("CLAUDE_CODE_SDK_READS_SESSION_STATE", "CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING"),
    *("PWD", "TRACEPARENT", "TRACESTATE"),
)


# Not `env -i` in the shell: that would put the token on a command line for all users to see.
_LAUNCH = """import os, sys
kept = frozenset({kept!r})
env = {{name: value for name, value in os.environ.items() if name in kept}}
os.execve({cli!r}, [{cli!r}, *sys.argv[1:]], env)
"""


class Surroundings:
    """The folder of one governed session; removed with the last holder, or kept if it was given."""

    def __init__(self, config_dir: Path | None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.config_dir = config_dir or self._folder / "config"
        self.config_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def environment(
        self, session: Session, own: dict[str, str], *, bubblewrap: bool | None
    ) -> dict[str, str]:
        """The CLI's variables besides the inherited ones: the user's, then ours.

        Errors: ConfigInvalid when `bubblewrap` is demanded and does not work.
        """
        scrub = _scrubs(bubblewrap=bubblewrap)
        env = dict(own)
        if any(name.lower().endswith("_proxy") for name in own):
            env.setdefault("NO_PROXY", urlsplit(session.model_url).hostname or "")
        return {
            **env,
            **cli_environment(session),
            "CLAUDE_CONFIG_DIR": str(self.config_dir),
            "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB": "1" if scrub else "0",
        }

    def launcher(self, cli_path: str | Path | None, names: Iterable[str]) -> Path:
        """A script that starts the CLI with the inherited variables, the SDK's and `names`.

        Errors: ConfigInvalid when there is no CLI.
        """
        cli = Path(cli_path) if cli_path is not None else bundled_cli()
        if not cli.is_file():
            raise ConfigInvalid(f"cli_path: there is no claude code CLI at `{cli}`")
        if not sys.executable:
            raise ConfigInvalid("the python that runs this has no path, so no CLI can be started")
        kept = sorted({*INHERITED, *_FROM_THE_SDK, *names})
        script = self._folder / "launch.py"
        script.write_text(_LAUNCH.format(kept=kept, cli=str(cli)), encoding="utf-8")
        path = self._folder / "claude"
        python = shlex.quote(sys.executable)
        path.write_text(f'#!/bin/sh\nexec {python} -I -S {shlex.quote(str(script))} "$@"\n')
        path.chmod(0o700)
        return path


def bundled_cli() -> Path:
    """Where the SDK keeps the CLI that it is released with."""
    return Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"


def _scrubs(*, bubblewrap: bool | None) -> bool:
    if bubblewrap and not sandbox_holds():
        raise ConfigInvalid(
            "bubblewrap: bubblewrap and socat do not both work here, and without them the CLI"
            " cannot clean its tools' environment; install both, or leave `bubblewrap` out"
        )
    return bool(bubblewrap)
