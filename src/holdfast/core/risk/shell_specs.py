"""All specs, by program, and those of modules of Python's library."""

from holdfast.core.risk import shell_specs_builds as builds
from holdfast.core.risk import shell_specs_files as files
from holdfast.core.risk import shell_specs_git as git
from holdfast.core.risk import shell_specs_javascript as javascript
from holdfast.core.risk import shell_specs_python as python
from holdfast.core.risk.shell_spec import Known, Spec, table

_ALIKE = {
    "gmake": "make", "cc": "gcc", "c++": "gcc", "g++": "gcc", "clang": "gcc", "clang++": "gcc",
    "gradlew": "gradle", "mvnw": "mvn", "gawk": "awk", "mawk": "awk", "nawk": "awk", "pip2": "pip",
    "pip3": "pip", "python2": "python", "python3": "python", "pypy": "python", "pypy3": "python",
    "nodejs": "node", "py.test": "pytest", "bunzip2": "gzip", "bzip2": "gzip", "gunzip": "gzip",
    "xz": "gzip", "unxz": "gzip", "ts-node": "tsx", "rmdir": "rm", "unlink": "rm",
    "gtime": "time", "gtimeout": "timeout",
}  # fmt: skip


def _programs() -> dict[str, Known]:
    found: dict[str, Known] = {}
    for text in (files.TEXT, python.TEXT, javascript.TEXT, builds.TEXT):
        found |= table(text)
    return found | {name: found[as_one] for name, as_one in _ALIKE.items()}


PROGRAMS = _programs()
GIT: dict[str, Spec] = {verb: known.own for verb, known in table(git.TEXT).items()}
"""Git's verbs."""
MODULES: dict[str, Spec] = {name: known.own for name, known in table(python.MODULES).items()}
"""Modules of Python's library that may be run with ``-m``."""
