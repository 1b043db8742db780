"""The embedded store: one SQLite file, one writer thread, readers beside it.

`SqliteStore` is the way in. Not here: what a store refuses (`ports/store_refusals`).
"""

from holdfast.backends.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
