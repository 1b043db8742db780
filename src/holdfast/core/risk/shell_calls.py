"""What the shell side passes around: one program call, what feeds it, and the findings so far."""

import enum
import posixpath
import re
from typing import Protocol

import msgspec

from holdfast.core.risk import places
from holdfast.core.risk import shell_paths as paths
from holdfast.core.risk.path_patterns import same
from holdfast.core.risk.shell_rules import ShellRules
from holdfast.core.risk.shell_words import UNKNOWN, Variables
from holdfast.core.risk.spellings import spellings
from holdfast.model.risk import RiskLevel, RiskReason

_MAX_WHERE = 200
_NOWHERE = ("", "-", "/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty")
MOST_LISTED = 200
MOST_NAMED = 512
"""Paths of one command, each in each role, whose links are looked up."""
_URL = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@\s]*@)?(\[[0-9a-fA-F:.]+\]|[^/:?#\s]+)")


class Role(enum.StrEnum):
    """What becomes of a path that is named: `ENTRY` where a name goes, and not what it leads to."""

    READ = "read"
    TREE = "tree"
    WRITE = "write"
    ENTRY = "entry"


class Feed(msgspec.Struct, frozen=True):
    """What stands on a program's input: text where it is known, and the programs it came from."""

    text: str | None = None
    programs: frozenset[str] = frozenset()
    present: bool = False


NO_FEED = Feed()


class Call(msgspec.Struct, frozen=True):
    """One simple command: its fields (``UNKNOWN`` inside where dynamic) and how it was written.

    ``sources`` are programs whose output is part of the fields.
    """

    argv: tuple[str, ...]
    where: str
    feed: Feed = NO_FEED
    sources: frozenset[str] = frozenset()
    depth: int = 0

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return posixpath.basename(self.argv[0]) or self.argv[0]

    @property
    def args(self) -> tuple[str, ...]:
        """Everything after the program."""
        return self.argv[1:]

    def inner(self, argv: tuple[str, ...]) -> "Call":
        """The call a wrapper makes: same text, same input, other fields."""
        return msgspec.structs.replace(self, argv=argv, depth=self.depth + 1)


class RunCode(Protocol):
    """Classify a piece of shell code found inside another."""

    def __call__(self, code: str, *, where: str, depth: int, feed: Feed) -> None:
        """``where`` is the surrounding text as written, ``feed`` what stands on its input."""
        ...


class Findings:
    """Collects; knows the rules' levels but none of the rules."""

    def __init__(
        self, rules: ShellRules, folder: str = "", own: places.Governed = places.UNTOLD
    ) -> None:
        self.rules = rules
        self.own = own
        self.folder = posixpath.normpath(folder) if folder.startswith("/") else ""
        self.level = RiskLevel.LOW
        self.opaque = False
        self.only_reads = True
        self.reasons: dict[tuple[str, str], RiskReason] = {}
        self.programs: dict[str, None] = {}
        self.writes: dict[str, None] = {}
        self.reads: dict[str, None] = {}
        self.hosts: dict[str, None] = {}
        # Packages that it installs by name and version, both as written.
        self.packages: dict[tuple[str, str], None] = {}
        # Whole, as written, in every role: for where they lead.
        self.named: dict[tuple[str, Role], None] = {}
        self.bases: tuple[str, ...] = ()
        # The directory the next command surely starts in, relative to the first; None: not known.
        self.here: str | None = ""
        self.variables: Variables = {}
        # Names whose values may be more than a number.
        self.untrusted: set[str] = set()
        self.steps = 0

    def add(self, code: str, where: str, *, opaque: bool = False) -> None:
        """Record one finding; its level and text come from the rules."""
        level, text = self.rules.findings[code]
        self.level = max(self.level, level)
        self.opaque = self.opaque or opaque
        where = where.replace(UNKNOWN, "?")[:_MAX_WHERE]
        if len(self.reasons) < MOST_LISTED:
            self.reasons.setdefault((code, where), RiskReason(code, text, level, where))

    def package(self, named: list[tuple[str, str]], where: str) -> None:
        """Record the install of packages that are named with their versions."""
        self.packages.update(dict.fromkeys(named))
        many = len(self.packages) > MOST_LISTED
        self.add("shell.package_install" if many else "shell.named_install", where)

    def program(self, name: str) -> None:
        """Remember a program that would run."""
        if len(self.programs) < MOST_LISTED:
            self.programs[name.replace(UNKNOWN, "?")[:_MAX_WHERE]] = None

    def host(self, word: str) -> None:
        """Remember the host a word names: ``url``, ``user@host``, ``host:path`` or ``host``."""
        match = _URL.match(word)
        host = match.group(1) if match else word.rpartition("@")[2].partition(":")[0]
        if host and UNKNOWN not in host and len(self.hosts) < MOST_LISTED:
            self.hosts[host[:_MAX_WHERE]] = None

    def change_directory(self, path: str) -> None:
        """From here on relative paths may also lie below ``path``."""
        self._name(path, Role.READ)
        if len(self.bases) < 16:
            new = self.views(path)
            self.bases = tuple(dict.fromkeys(self.bases + new))[:32]

    def inside(self, path: str) -> str:
        """The path relative to the project's folder where it lies in it, else as written."""
        return paths.localised(path, self.folder)

    def views(self, path: str) -> tuple[str, ...]:
        """Every place the path may name, those in the project relative to it."""
        found = paths.views(path, self.bases, self.folder)
        if self.own.folder in ("", self.folder):
            return found
        return tuple(dict.fromkeys(found + paths.views(path, self.bases, self.own.folder)))

    def run_later(self, view: str) -> bool:
        """Whether what is written there is run later by itself."""
        return places.is_run_later(view) or places.is_automation(view)

    def covers_state(self, path: str) -> bool:
        """Whether reading this folder whole reads the state folder of its project."""
        if not path or UNKNOWN in path:
            return False
        return places.covers_folder(self.views(path), self.own, self.folder)

    def foreign(self, path: str) -> bool:
        """Whether the path may lie anywhere but in the project."""
        return any(paths.is_foreign(place, known=bool(self.folder)) for place in self._places(path))

    def outside(self, path: str) -> bool:
        """The same, but for scratch folders and harmless devices."""
        return any(
            paths.is_foreign(place, known=bool(self.folder)) and not paths.is_scratch(place)
            for place in self._places(path)
        )

    def _places(self, path: str) -> tuple[str, ...]:
        bases = ("", *self.bases) if self.here is None else (self.here,)
        return paths.places(path, bases, self.folder)

    def _surely(self, path: str) -> tuple[str, ...]:
        """Without guesses where the folder and the directory are known."""
        sure = self.folder and self.here is not None
        return self._places(path) if sure else self.views(path)

    def in_system(self, path: str) -> bool:
        """Whether the path may be the machine's own."""
        return any(map(paths.is_system, self._surely(path)))

    def enter(self, path: str) -> None:
        """A change of directory that the next command of an ``&&`` list can rely on."""
        known = path and path != "-" and UNKNOWN not in path and self.here is not None
        self.here = posixpath.normpath(posixpath.join(self.here or "", path)) if known else None

    def _listed(self, table: dict[str, None], path: str) -> None:
        if len(table) < MOST_LISTED:
            table[path.replace(UNKNOWN, "?")[:_MAX_WHERE]] = None

    def _name(self, path: str, role: Role) -> None:
        # One too many says that there were more.
        if path and path[0] not in ("-", UNKNOWN) and len(self.named) <= MOST_NAMED:
            self.named[path, role] = None

    def touch(self, path: str, where: str) -> None:
        """A path named in any role."""
        self._name(path, Role.READ)
        self._touch(path, where)

    def _touch(self, path: str, where: str) -> None:
        for view in self.views(path):
            if places.is_state(view, self.own):
                self.add("shell.touches_holdfast", where)
            elif places.is_rule(view, self.own):
                self.add("shell.touches_rules", where)
            elif places.is_secret(view):
                self.add("shell.secret_read", where)
            elif places.is_protected(view):
                self.add("shell.protected_read", where)
            elif paths.is_superusers(view):
                self.add("shell.superuser_path", where)

    def read(
        self, path: str, where: str, *, recursive: bool = False, contents: bool = True
    ) -> None:
        """A path whose content is read, or only what is named there."""
        if not path or path == "-":
            return
        self._listed(self.reads, path)
        if path.startswith(UNKNOWN):
            self.add("shell.dynamic_path", where, opaque=True)
        self._name(path, Role.TREE if recursive else Role.READ)
        self._touch(path, where)
        if contents and self._tells_of_machine(path):
            self.add("shell.system_read", where)
        for view in self.views(path):
            if recursive and places.holds_secrets(view):
                self.add("shell.secret_read", where)
            if same(view, "/proc/*/environ"):
                self.add("shell.environment_read", where)
            self._device(view, where, writes=False)

    def _tells_of_machine(self, path: str) -> bool:
        """Whether what is read may be the system's or the superuser's, however it is spelt."""
        for spelling in dict.fromkeys((path, *spellings(path))):
            sure = self._surely(spelling)
            if any(map(places.is_system_read, sure)):
                return True
            if not all(map(paths.is_within, sure)) and places.is_system_read(
                paths.climbed(spelling), guessed=True
            ):
                return True
        return False

    def runs(self, path: str, where: str) -> None:
        """A file whose content is run or loaded as code."""
        self._listed(self.reads, path)
        self.touch(path, where)
        if self.outside(path):
            self.add("shell.outside_run", where)

    def write(self, path: str, where: str) -> None:
        """A path that is created, changed or replaced."""
        if path in _NOWHERE or re.match(r"/dev/fd/\d+$", path):
            return
        self._listed(self.writes, path)
        self._name(path, Role.WRITE)
        self.add("shell.file_write", where)
        if path.startswith("|"):
            self.add("shell.option_runs", where)
        if UNKNOWN in path:
            self.add("shell.dynamic_path", where, opaque=True)
        if self.outside(path):
            self.add("shell.outside_write", where)
        for view in self._surely(path):
            if paths.is_system(view):
                self.add("shell.system_write", where)
            if paths.is_superusers(view):
                self.add("shell.superuser_path", where)
        for view in self.views(path):
            self._device(view, where, writes=True)
            self._protected(view, where)

    def _protected(self, view: str, where: str) -> None:
        """A place that is written, by the table of protected places."""
        if places.is_state(view, self.own):
            self.add("shell.touches_holdfast", where)
        if places.is_rule(view, self.own):
            self.add("shell.touches_rules", where)
        if places.is_secret(view):
            self.add("shell.secret_write", where)
        if self.run_later(view):
            self.add("shell.startup_write", where)

    def _device(self, view: str, where: str, *, writes: bool) -> None:
        match = re.match(r"/dev/(?:tcp|udp)/([^/]+)", view)
        if match:
            self.host(match.group(1))
            self.add("shell.network", where)
        elif paths.is_raw_device(view):
            self.add("shell.raw_device_write" if writes else "shell.secret_read", where)

    def delete(self, path: str, where: str, *, forced: bool) -> None:
        """A path that is removed; ``forced`` when recursive or without asking."""
        self._listed(self.writes, path)
        self.add("shell.recursive_delete" if forced else "shell.file_delete", where)
        if UNKNOWN in path:
            self.add("shell.dynamic_path", where, opaque=True)
        self._name(path, Role.ENTRY)
        self._touch(path, where)
        if self.outside(path):
            self.add("shell.outside_write", where)
        for view in self.views(path):
            if forced and paths.is_beyond_repair(view):
                self.add("shell.system_delete", where)
            if paths.is_system(view) or view in ("/", "~"):
                self.add("shell.system_write", where)
            if self.run_later(view):
                self.add("shell.startup_write", where)
