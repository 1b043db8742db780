"""The typed client of Holdfast's control API, for agent processes, tools and the command line.

`connect()` finds the server; `Client` holds the admin's verbs, `Session` those of one session.
Every refusal of the server is raised as the class of `holdfast.errors` with its code. asyncio only.
Not here: rules of any kind, and the check of permits (`integrations`).
"""

from holdfast.model.conversations import ConversationHead
from holdfast.model.views.audit import AuditAnswer, Question, RecordList
from holdfast.model.views.budgets import BudgetAccount
from holdfast.model.views.calls import Attempt, HookAnswer, Ruling, Stored, ToolOutput
from holdfast.model.views.fleet import Fleet, FleetRow, LastAction
from holdfast.model.views.keys import KeyBudget, KeyView, NewKey, RevokedKey
from holdfast.model.views.kills import ChildKilled, KillLever, KillReceipt
from holdfast.model.views.policies import (
    PolicyApplied,
    PolicyCheck,
    PolicyFinding,
    PolicyStatus,
    Replayed,
)
from holdfast.model.views.runs import Activation, RunView
from holdfast.model.views.server import (
    ClockView,
    GcDone,
    Health,
    NewOperator,
    OperatorRecord,
    TrustedFiles,
    UpstreamKey,
    UpstreamStatus,
)
from holdfast.model.views.sessions import CollectedResult, SessionPlan, SessionView
from holdfast.model.views.sign_ins import (
    DeviceBegun,
    DeviceOpened,
    IdentityBegun,
    IdentityWay,
    SignedIn,
    SignIn,
    SignInLink,
)
from holdfast.model.views.stops import StoppedSession, StopReach, StopReceipt, StopView
from holdfast.model.views.turns import TurnRecord

from .client import Client, connect
from .conversations import Conversation, Conversations
from .discovery import ServerFile, find_server_file, locate_worker
from .runs import Work
from .session import Session

__all__ = [
    "Activation",
    "Attempt",
    "AuditAnswer",
    "BudgetAccount",
    "ChildKilled",
    "Client",
    "ClockView",
    "CollectedResult",
    "Conversation",
    "ConversationHead",
    "Conversations",
    "DeviceBegun",
    "DeviceOpened",
    "Fleet",
    "FleetRow",
    "GcDone",
    "Health",
    "HookAnswer",
    "IdentityBegun",
    "IdentityWay",
    "KeyBudget",
    "KeyView",
    "KillLever",
    "KillReceipt",
    "LastAction",
    "NewKey",
    "NewOperator",
    "OperatorRecord",
    "PolicyApplied",
    "PolicyCheck",
    "PolicyFinding",
    "PolicyStatus",
    "Question",
    "RecordList",
    "Replayed",
    "RevokedKey",
    "Ruling",
    "RunView",
    "ServerFile",
    "Session",
    "SessionPlan",
    "SessionView",
    "SignIn",
    "SignInLink",
    "SignedIn",
    "StopReach",
    "StopReceipt",
    "StopView",
    "StoppedSession",
    "Stored",
    "ToolOutput",
    "TrustedFiles",
    "TurnRecord",
    "UpstreamKey",
    "UpstreamStatus",
    "Work",
    "connect",
    "find_server_file",
    "locate_worker",
]
