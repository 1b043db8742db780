"""What is known of a shell command once it was judged.

Not here: who judges it (`shell`), which is loaded when there is a command to judge.
"""

import msgspec

from holdfast.core.risk.shell_calls import MOST_LISTED, Role
from holdfast.model.risk import RiskLevel, RiskReason


class ShellRisk(msgspec.Struct, frozen=True):
    """What a command is worth, and why.

    ``reasons`` are worst first. ``programs`` are the names that would be run, resolved through
    wrappers; ``writes``, ``reads`` and ``hosts`` are what could be seen statically, as written
    (``?`` where a part is only known at run time). ``opaque``: something could not be known.
    ``read_only``: every program it runs is known to only read, it writes and sets nothing, names
    no host and is below HIGH; anything in doubt is False. ``folders`` are those it changes to.
    ``named``: every path in each of its roles, whole, what is only known at run time as NUL; one
    more than `MOST_NAMED` where there were more. ``packages`` are those that `shell.named_install`
    installs, as (name, version).
    """

    level: RiskLevel
    reasons: tuple[RiskReason, ...] = ()
    programs: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    opaque: bool = False
    read_only: bool = False
    folders: tuple[str, ...] = ()
    named: tuple[tuple[str, Role], ...] = ()
    packages: tuple[tuple[str, str], ...] = ()


def is_cut_short(judged: ShellRisk) -> bool:
    """Whether there may be more of a command than was listed of it."""
    listed = (judged.reasons, judged.programs, judged.reads, judged.writes, judged.hosts)
    return MOST_LISTED in map(len, listed)
