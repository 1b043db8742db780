"""Large bodies are read in a process of their own, which holds no lock that others wait for."""

from holdfast.backends.reader_host.host import ReaderHost

__all__ = ["ReaderHost"]
