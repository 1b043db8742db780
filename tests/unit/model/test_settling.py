"""Types that several threads need at once are settled first: cold, they end the process."""

import subprocess
import sys

import msgspec

from holdfast.model.settling import settle_types

RACE = """
import sys, threading, types
import msgspec
from holdfast.model.settling import settle_types

SOURCE = '''
from typing import Optional
import msgspec

class Inner(msgspec.Struct):
{inner}

class Outer(msgspec.Struct):
{outer}
'''.format(
    inner="\\n".join(f"    f{n}: Optional[int] = None" for n in range(30)),
    outer="\\n".join(f"    g{n}: Optional[Inner] = None" for n in range(30)),
)
VALUE = {f"g{n}": {f"f{m}": m for m in range(30)} for n in range(30)}
sys.setswitchinterval(1e-6)
for round in range(150):
    module = types.ModuleType(f"made_{round}")
    sys.modules[module.__name__] = module
    exec(compile("from __future__ import annotations\\n" + SOURCE, "made", "exec"), module.__dict__)
    settle_types()
    together = threading.Barrier(3)

    def convert():
        together.wait()
        msgspec.convert(VALUE, module.Outer)

    threads = [threading.Thread(target=convert) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
print("fine")
"""


def test_types_that_are_settled_are_safe_in_threads_that_need_them_at_once():
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "fine"), done.stderr[-2000:]


def test_each_type_is_looked_at_once_those_that_came_later_too():
    settle_types()
    assert settle_types() == 0
    made = msgspec.defstruct("Made", [("a", int)])
    below = msgspec.defstruct("Below", [("b", int)], bases=(made,))
    assert settle_types() == 2
    assert below(a=1, b=2) is not None


def test_a_type_that_nobody_can_decode_harms_nothing():
    msgspec.defstruct("Odd", [("a", "NothingLikeThis")])
    assert settle_types() >= 1
