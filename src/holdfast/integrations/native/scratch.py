"""A folder of its own for the tools of one activation: empty at its start, gone at its end.

It is what they find as `TMPDIR`, so that nothing that one run left there is found by another.
Not here: keeping tools out of the other folders of their user, which takes a sandbox.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from holdfast.runtime.workers import lives, this_process

_PREFIX = "holdfast-tools-"
_OWNER = "worker"


class Scratch:
    """One folder, this user's alone; open it and close it."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    async def open(self) -> Path:
        """Make it. Errors: OSError where there is no room for it."""
        folder = await asyncio.to_thread(_made)
        self._folder = folder
        return folder / "tmp"

    async def close(self) -> None:
        """Remove it with all that is in it; idempotent."""
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders that workers left which are known to be dead."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            # Where others can write, only what is this user's own is believed.
            if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
                continue
            if lives((folder / _OWNER).read_text()) is False:
                shutil.rmtree(folder, ignore_errors=True)


def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    # Beside what the tools see, so that they neither meet nor change it.
    (folder / _OWNER).write_text(this_process())
    (folder / "tmp").mkdir(mode=0o700)
    return folder
