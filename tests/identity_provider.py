"""A real identity provider beside a test: npm's oidc-provider, in a process of its own.

Not here: what no real one does (`tests/hostile_issuer.py`).
"""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

FOLDER = Path(__file__).parent / "oidc"


def free_port() -> int:
    """A port that nobody has; the settings of a server name it before anybody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def provider_at(port: int, redirect: str) -> Iterator[str]:
    """The issuer's address; people come back to `redirect`."""
    command = ["node", "server.mjs", str(port), redirect]
    process = subprocess.Popen(
        command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []
    try:
        assert process.stdout is not None
        while not said or said[-1] != "ready\n":
            said.append(process.stdout.readline())
            assert said[-1], "".join(said)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        with process:
            pass


def sign_in_as(page: Page, name: str) -> None:
    """Type a name at the provider, and let it tell what it is asked for."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
