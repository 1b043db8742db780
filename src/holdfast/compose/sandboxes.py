"""The sandbox of this machine: where every process is started that runs code beside ours."""

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.ports.sandbox import Sandbox


def sandbox() -> Sandbox:
    """The one there is: a process, and no isolation besides."""
    return SystemSandbox()
