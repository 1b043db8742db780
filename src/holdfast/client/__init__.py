"""The typed client of Holdfast's control API, for agent processes, tools and the command line.

`connect()` finds the server; `Client` holds the admin's verbs, `Session` those of one session.
Every refusal of the server is raised as the class of `holdfast.errors` with its code. asyncio only.
Not here: rules of any kind, and the check of permits (`integrations`).
"""

from .client import Client, connect
from .conversations import Conversation, ConversationHead, Conversations
from .discovery import ServerFile, find_server_file, locate_worker
from .retention import GcDone
from .runs import Activation, RunView, Work
from .session import Session
from .views import (
    AuditAnswer,
    BudgetAccount,
    ChildKilled,
    CollectedResult,
    Health,
    HookAnswer,
    KillLever,
    KillReceipt,
    PolicyApplied,
    PolicyCheck,
    PolicyFinding,
    PolicyStatus,
    Question,
    Replayed,
    Ruling,
    ServerRecords,
    SessionPlan,
    SessionView,
    ToolOutput,
    TurnRecord,
)

__all__ = [
    "Activation",
    "AuditAnswer",
    "BudgetAccount",
    "ChildKilled",
    "Client",
    "CollectedResult",
    "Conversation",
    "ConversationHead",
    "Conversations",
    "GcDone",
    "Health",
    "HookAnswer",
    "KillLever",
    "KillReceipt",
    "PolicyApplied",
    "PolicyCheck",
    "PolicyFinding",
    "PolicyStatus",
    "Question",
    "Replayed",
    "Ruling",
    "RunView",
    "ServerFile",
    "ServerRecords",
    "Session",
    "SessionPlan",
    "SessionView",
    "ToolOutput",
    "TurnRecord",
    "Work",
    "connect",
    "find_server_file",
    "locate_worker",
]
