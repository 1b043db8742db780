"""Runs the fenced blocks of a page, in order, in a folder of the page's own.

Every block in `console`, `python`, `yaml` or `cedar` says after its language what it is:

- `file=NAME` is written to NAME;
- `run` is typed: lines that start with `$ ` are commands, the lines below one are what it says,
  where `…` stands for anything in a line, and a line of `…` alone for any number of lines;
- `run background` goes on while the page does; its lines come in this order, others between them;
- `run fixture=project` finds a project whose server runs, and a session that is open;
- `shown: WHY` is not run.

Spaces in a row count as one. What differs from a reader's terminal: the provider is the scripted
model, `holdfast up` takes a free port, `ses_…` in a command is the newest session, and the database
of a page is a new one of the Postgres that the tests started.
"""

import datetime as dt
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.integrations.claude_agent_sdk.surroundings import bundled_cli
from holdfast.ports.store_urls import shown as shown_url
from holdfast.testing.scripted_model import Script, ScriptedModel
from tests.tidy.repository import ROOT

EXECUTABLE = ("console", "python", "yaml", "cedar", "bash", "sh", "shell")
_FENCE = re.compile(r"^```(\S+)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORTS = re.compile(r"(?<=:)(?:8787|8443)\b")
DATABASE_URL = "postgresql://holdfast@127.0.0.1/holdfast"
_COMMAND_S = 60.0
_READY_S = 30.0


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what it says behind it, its text."""

    language: str
    mode: str
    text: str


@dataclass(frozen=True)
class Step:
    """One command and the lines that it is shown to say."""

    command: str
    said: str


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    return [Block(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def steps_of(text: str) -> Iterator[Step]:
    """The commands of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield Step(command, said)


def pattern_of(said: str) -> re.Pattern[str]:
    """What `said` matches, line by line; spaces in a row are one."""
    parts = []
    for line in squeezed(said).splitlines():
        if line == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(piece) for piece in line.split("…")) + r"\n")
    return re.compile("".join(parts))


def squeezed(text: str) -> str:
    """The text with runs of blanks made one, and none at the ends of lines."""
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def loosely(said: str) -> re.Pattern[str]:
    """The lines of `said` in their order, with any others between them."""
    kept = [line for line in said.splitlines() if line.strip() != "…"]
    return pattern_of("…\n" + "\n…\n".join(kept) + "\n…\n")


class Walk:
    """Walks through one page as a reader would."""

    def __init__(self, folder: Path, script: Script, database_url: str = "") -> None:
        self._database_url = database_url
        self._home = folder / "home"
        self._start = folder / "work"
        self._state = folder / "state"
        self._folder = folder
        self._model = ScriptedModel(script)
        self._background: list[tuple[Step, subprocess.Popen[bytes], Path]] = []
        self._port = ""
        self._ports: list[str] = []
        self._last = 0
        self._home.mkdir()
        self._start.mkdir()
        self._shims(folder / "bin")
        self._state.write_text(f"cd {shlex.quote(str(self._start))}\n", encoding="utf-8")

    def _shims(self, folder: Path) -> None:
        """`holdfast`, `python` and `claude` as they are where all of them are installed."""
        folder.mkdir()
        python = shlex.quote(sys.executable)
        behind = {"holdfast": f"{python} -m holdfast.apps.cli.main", "python": python}
        behind["claude"] = shlex.quote(str(bundled_cli()))
        for name, command in behind.items():
            path = folder / name
            path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            path.chmod(0o755)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self._home),
            "PYTHONPATH": str(ROOT / "src"),
            "COLUMNS": "160",
            "LANG": "C.UTF-8",
            "ANTHROPIC_API_KEY": "sk-ant-of-the-scripted-model",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, process, _ in reversed(self._background):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._model.close()

    def take(self, block: Block) -> None:
        """Do what one block says."""
        mode, _, name = block.mode.partition("=")
        if block.mode.startswith("shown: "):
            return
        if mode == "file":
            self._write(name, block.text)
        elif block.language == "console" and block.mode == "run":
            for step in steps_of(block.text):
                self._check(step)
        elif block.language == "console" and block.mode == "run background":
            *before, last = steps_of(block.text)
            for step in before:
                self._check(step)
            self._begin(last)
        elif block.language == "console" and block.mode == "run fixture=project":
            self._project()
            for step in steps_of(block.text):
                self._check(step)
        else:
            raise AssertionError(f"nobody knows how to run ```{block.language} {block.mode}")

    def finish(self) -> None:
        """Wait for what runs in the background, and check what it said."""
        for step, process, output in reversed(self._background):
            if step.command.startswith(("holdfast up", "holdfast worker")):
                process.send_signal(signal.SIGINT)
            code = process.wait(_COMMAND_S)
            said = squeezed(self._shown(output.read_text(encoding="utf-8")))
            assert loosely(step.said).fullmatch(said), f"$ {step.command}\n{said}"
            if step.command.startswith("holdfast up"):
                assert code == 0, said

    def heard(self) -> str:
        """All that the background said, for a failure's message."""
        return "\n".join(
            f"in the background: $ {step.command}\n{output.read_text(encoding='utf-8')}"
            for step, _, output in self._background
        )

    def _place(self) -> Path:
        """The folder that the reader is in."""
        return Path(self._run("pwd")[1].strip())

    def _write(self, name: str, text: str) -> None:
        path = self._place() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Pages are walked beside each other, on a machine with other work.
        path.write_text(text.replace("port: 8788", "port: 0"), encoding="utf-8")
        if name == "holdfast.yaml":
            self._use_scripted_model(path)
            if "tls:" in text:
                self._certificate(path.parent / "tls")

    def _use_scripted_model(self, settings: Path) -> None:
        upstream = f'\nupstreams:\n  anthropic: {{base_url: "{self._model.url}"}}\n'
        text = settings.read_text(encoding="utf-8") + upstream
        settings.write_text(text, encoding="utf-8")
        (settings.parent / "policies").mkdir(exist_ok=True)

    def _certificate(self, folder: Path) -> None:
        """A certificate for localhost that vouches for itself."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def _project(self) -> None:
        """A project whose server runs, with one session open."""
        self._check(Step("holdfast init", "…\n"))
        self._begin(Step("holdfast up", "holdfast is ready on http://127.0.0.1:8787\n"))
        self._asked("POST", "/v1/sessions", {"agent": "assistant", "user": "ann"})

    def _typed(self, command: str) -> str:
        """The command as this machine has to be told it."""
        if "ses_…" in command:
            command = command.replace("ses_…", self._newest_session())
        if self._database_url:
            command = command.replace(DATABASE_URL, shlex.quote(self._database_url))
        if self._port:
            command = _PORTS.sub(self._port, command)
        return command

    def _newest_session(self) -> str:
        found: str = self._asked("GET", "/v1/sessions?limit=1")["sessions"][0]["session_id"]
        return found

    def _asked(self, method: str, path: str, body: object = None) -> Any:
        """The control API's answer, as the operator gets it."""
        state = self._place() / ".holdfast"
        url = json.loads((state / "server.json").read_text(encoding="utf-8"))["url"]
        token = (state / "admin.token").read_text(encoding="ascii").strip()
        request = urllib.request.Request(
            url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=_COMMAND_S) as answer:
            return json.load(answer)

    def _shown(self, said: str) -> str:
        """What was said, as the page shows it."""
        if self._database_url:
            said = said.replace(shown_url(self._database_url), shown_url(DATABASE_URL))
        for port in self._ports:
            said = re.sub(rf"(127\.0\.0\.1):{port}\b", r"\1:8787", said)
            said = said.replace(f"0.0.0.0:{port}", "0.0.0.0:8443")
        return said

    def _run(self, command: str) -> tuple[int, str]:
        """Type one command in the reader's shell; its exit code and all it said."""
        state = shlex.quote(str(self._state))
        script = (
            f". {state}\n(exit {self._last})\n{command}\ncode=$?\n"
            f'{{ export -p; printf "cd %q\\n" "$PWD"; }} > {state}\nexit $code\n'
        )
        done = subprocess.run(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            cwd=self._start,
            check=False,
            timeout=_COMMAND_S,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    def _check(self, step: Step) -> None:
        code, output = self._run(self._typed(step.command))
        self._last = code
        said = squeezed(self._shown(output))
        assert pattern_of(step.said).fullmatch(said), f"$ {step.command}\n{said}(exit {code})"
        if step.command.startswith("holdfast init"):
            self._use_scripted_model(self._place() / "holdfast.yaml")

    def _begin(self, step: Step) -> None:
        """Start a command, and go on once its first line is there."""
        is_server = step.command.startswith("holdfast up")
        command = self._typed(step.command) + (" --port 0" if is_server else "")
        output = self._folder / f"background-{len(self._background)}"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                ["bash", "-c", f". {shlex.quote(str(self._state))}\nexec {command}\n"],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )
        self._background.append((step, process, output))
        first = next(line for line in step.said.splitlines() if line != "…")
        wanted = _PORTS.sub("…", first)
        deadline = time.monotonic() + _READY_S
        while True:
            said = squeezed(output.read_text(encoding="utf-8"))
            if loosely(wanted).fullmatch(said):
                break
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, f"$ {step.command}\n{said}"
            time.sleep(0.05)
        if is_server:
            found = re.search(r"ready on \S+:(\d+)", said)
            assert found, said
            self._port = found[1]
            self._ports.append(self._port)
