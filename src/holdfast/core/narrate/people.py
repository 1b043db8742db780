"""Sentences about what people did: answers, policies, keys, acts of operators."""

from collections.abc import Callable, Mapping

from holdfast.core.narrate.words import by, named, plain, said
from holdfast.model import bodies
from holdfast.model.events import Kind, Record


def _person_asked(record: Record) -> str:
    body = bodies.ApprovalAsked.of(record)
    why = next((one.text for one in body.reasons), "")
    return f"a person was asked whether {named(record.tool)} may run{said(why)}"


def _person_answered(record: Record) -> str:
    body = bodies.ApprovalAnswered.of(record)
    by, what = plain(body.by or "somebody", 40), "approved" if body.approved else "refused"
    more = f", and {body.missing} more have to" if body.missing else ""
    like = " and calls like it for a while" if body.granted_until_ns else ""
    return f"{by} {what} {named(record.tool)}{like}{more}{said(body.note)}"


def _revoked(record: Record) -> str:
    body = bodies.ApprovalRevoked.of(record)
    return f"{plain(body.by, 40)} ended the grant of {named(record.tool)}{said(body.note)}"


def _delegated_answer(record: Record) -> str:
    body = bodies.ApprovalDelegated.of(record)
    whose = f"{plain(body.by, 40)} left it to {plain(body.to, 40)}"
    return f"{whose} to answer whether {named(record.tool)} may run"


def _escalated(record: Record) -> str:
    body = bodies.ApprovalEscalated.of(record)
    whom = plain(", ".join(body.to))
    return f"nobody answered for {body.after_s} s whether {named(record.tool)} may run: {whom} may"


def _unanswered(record: Record) -> str:
    body = bodies.ApprovalExpired.of(record)
    if body.approved:
        return f"{named(record.tool)} was approved and did not run in time"
    if body.lets:
        return f"nobody answered whether {named(record.tool)} may run, and a rule lets it run"
    return f"nobody answered whether {named(record.tool)} may run"


def _policy(record: Record) -> str:
    body = bodies.PolicyChanged.of(record)
    lists = ((body.added, "added"), (body.removed, "removed"), (body.changed, "changed"))
    changes = ", ".join(f"{len(names)} {word}" for names, word in lists if names) or "no rule"
    return f"{named(body.by)} applied policies: {changes}{said(body.version)}"


def _admin(record: Record) -> str:
    body = bodies.AdminActed.of(record)
    who, asked = plain(body.by or "admin", 40), plain(body.action or "a change", 60)
    target = f" on {named(body.account)}" if body.account else ""
    return f"{who} asked for {asked}{target}{said(body.reason)}"


def _auth(record: Record) -> str:
    return f"a token was refused{said(bodies.AuthRefused.of(record).why)}"


def _keyed(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.KeyChanged.of(record)
        why = bodies.KeyRevoked.of(record).reason if record.kind is Kind.KEY_REVOKED else ""
        return f"the key {named(body.key)} was {done}{by(body.by)}{said(why)}"

    return sentence


def _key_used(record: Record) -> str:
    body = bodies.KeyUsed.of(record)
    return f"the key {named(body.key)} opened it, its session {plain(body.opened, 20)}"


SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.POLICY_CHANGED: _policy,
    Kind.ADMIN_ACTED: _admin,
    Kind.AUTH_REFUSED: _auth,
    Kind.KEY_ADDED: _keyed("handed out"),
    Kind.KEY_ROTATED: _keyed("given another token"),
    Kind.KEY_REVOKED: _keyed("revoked"),
    Kind.KEY_USED: _key_used,
    Kind.APPROVAL_ASKED: _person_asked,
    Kind.APPROVAL_ANSWERED: _person_answered,
    Kind.APPROVAL_DELEGATED: _delegated_answer,
    Kind.APPROVAL_ESCALATED: _escalated,
    Kind.APPROVAL_EXPIRED: _unanswered,
    Kind.APPROVAL_REVOKED: _revoked,
}
