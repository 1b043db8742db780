"""Hooks in a process of their own for each agent, so that none of their code is in the server's."""

from holdfast.backends.hook_host.hosts import HookHosts

__all__ = ["HookHosts"]
