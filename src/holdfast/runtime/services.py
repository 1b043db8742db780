"""What the guard and the model calls share; wired once, in `compose`."""

import msgspec

from holdfast.ports.clock import Clock, Entropy
from holdfast.ports.policy import Policy
from holdfast.runtime.budgets import Budgets
from holdfast.runtime.effects import Effects
from holdfast.runtime.journal import Journal
from holdfast.runtime.keys import Keys
from holdfast.runtime.sessions import Sessions


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that every decision needs."""

    sessions: Sessions
    budgets: Budgets
    effects: Effects
    keys: Keys
    journal: Journal
    policy: Policy
    clock: Clock
    entropy: Entropy
