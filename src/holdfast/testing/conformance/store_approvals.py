"""What every Store must do with approvals; a backend's tests inherit it as they do the rest.

Not here: what an approval may become (`core/approvals`).
"""

from functools import partial
from typing import Any

from holdfast.errors import InvalidRequest
from holdfast.model.approvals import Approval, ApprovalState
from holdfast.model.decisions import Reason, Verdict
from holdfast.ports.store import ApprovalFilter, Store
from holdfast.ports.store_refusals import MAX_ROWS
from holdfast.testing.conformance.store import a_record
from holdfast.testing.conformance.store_runs import StoreRunsConformance

ASKS = Reason(stage="risk", verdict=Verdict.ASK, code="risk_high", text="is HIGH", rule="gate")


def an_approval(approval_id: str = "apr_1", **fields: Any) -> Approval:
    """A pending approval of tenant acme, changed by `fields`."""
    standing: dict[str, Any] = {
        "tenant": "acme",
        "project": "desk",
        "user": "ann",
        "agent": "bot",
        "session": "ses_1",
        "task": "t",
        "call_id": "toolu_1",
        "tool": "refund",
        "digest": "sha256:0",
        "definition": "sha256:1",
        "policy_version": "sha256:2",
        "risk": "HIGH",
        "resource": "arn:order/7",
        "reasons": (ASKS,),
        "arguments": {"order": "7"},
        "state": ApprovalState.PENDING,
        "asked_at_ns": 1,
        "expires_at_ns": 2,
    }
    return Approval(approval_id=approval_id, **standing | fields)


class StoreApprovalsConformance(StoreRunsConformance):
    """The whole suite of a store, with approvals."""

    def test_an_approval_comes_back_whole_and_its_last_state_is_the_one_kept(self) -> None:
        """Every field survives, through a new opening, too."""
        whole = an_approval(
            state=ApprovalState.USED,
            arguments={"deep": [1, None, {"big": 2**60}]},
            tainted_by="fetch",
            changed_at_ns=2**62,
            answered_by="é\U0001f600",
            note="fine",
            used_by="toolu_2",
        )

        async def body(store: Store) -> None:
            await store.commit([], [an_approval()])
            await store.commit([a_record()], [whole])
            assert await store.approval("apr_1") == whole
            again = await self.reopened(store)
            try:
                assert await again.approval("apr_1") == whole
                assert await again.approval("apr_2") is None
                assert await again.approvals(ApprovalFilter()) == [whole]
            finally:
                await again.close()

        self.run(body)

    def test_approvals_are_listed_newest_first_by_what_a_filter_names(self) -> None:
        """Fields are held together; those of the same instant stand by falling id."""
        kept = [
            an_approval("apr_a", asked_at_ns=2),
            an_approval("apr_b", asked_at_ns=2, state=ApprovalState.APPROVED),
            an_approval("apr_c", asked_at_ns=1, state=ApprovalState.DENIED),
            an_approval("apr_d", asked_at_ns=3, tenant="other", state=ApprovalState.DENIED),
            an_approval("apr_e", asked_at_ns=4, project="shop", session="ses_e"),
        ]

        async def body(store: Store) -> None:
            await store.commit([], kept)

            async def ids(**where: Any) -> str:
                found = await store.approvals(ApprovalFilter(**where))
                return "".join(one.approval_id[-1] for one in found)

            assert await ids() == "edbac"
            assert await ids(tenant="acme") == "ebac"
            assert await ids(before=(2, "apr_b")) == "ac"
            assert await ids(before=(2, "apr_a"), states=(ApprovalState.DENIED,)) == "c"
            assert await ids(before=(3, "apr_d"), limit=2) == "ba"
            assert await ids(project="shop") == "e"
            assert await ids(session="ses_e", tenant="acme") == "e"
            assert await ids(session="ses_e", tenant="other") == ""
            assert await ids(states=(ApprovalState.PENDING, ApprovalState.APPROVED)) == "eba"
            assert await ids(states=(ApprovalState.EXPIRED,)) == ""
            assert await ids(limit=0) == ""

        self.run(body)

    def test_a_read_of_approvals_out_of_range_is_refused(self) -> None:
        """Text that no database takes, and more rows than one answer may have."""

        async def body(store: Store) -> None:
            for where in (
                ApprovalFilter(tenant="\ud800"),
                ApprovalFilter(limit=MAX_ROWS + 1),
                ApprovalFilter(before=(2**64, "")),
            ):
                await self._refuses(InvalidRequest, partial(store.approvals, where))

        self.run(body)
