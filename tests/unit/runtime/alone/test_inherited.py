"""What a session that is read back knows of what people were asked."""

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.model.approvals import Approval, ApprovalState
from holdfast.runtime import inherited as module
from tests.unit.runtime.alone.desk import Desk


def question(live: Any, number: int, state: ApprovalState, digest: str) -> Approval:
    who = live.who
    return Approval(
        approval_id=f"apr_{number}", tenant=who.tenant, project=who.project, user=who.user,
        agent=who.agent, session=who.session, task=who.task, call_id=f"c{number}", tool="pay",
        digest=digest, definition="d", policy_version="v", risk="HIGH", resource="tool:pay",
        reasons=(), arguments={}, state=state, asked_at_ns=number, expires_at_ns=number + 9,
    )  # fmt: skip


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_the_last_question_about_each_call_is_known_and_no_other_sessions(page, monkeypatch):
    async def main() -> None:
        monkeypatch.setattr(module, "_PAGE", page)
        desk: Any = Desk()
        live, other = await desk.open(), await desk.open()
        kept = [
            question(live, 1, ApprovalState.EXPIRED, "sha256:a"),
            question(live, 2, ApprovalState.PENDING, "sha256:b"),
            question(live, 3, ApprovalState.APPROVED, "sha256:a"),
            question(other, 4, ApprovalState.APPROVED, "sha256:c"),
        ]
        await desk.journal.commit([], kept)
        after = await desk.restarted()
        again = await after.sessions.get(live.session.session_id)
        found = {digest: one.approval_id for (_, digest), one in again.approvals.items()}
        assert found == {"sha256:a": "apr_3", "sha256:b": "apr_2"}
        assert again.approvals["pay", "sha256:a"] == msgspec.structs.replace(kept[2])

    asyncio.run(main())
