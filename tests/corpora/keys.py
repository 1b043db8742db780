"""What is tried with a spending key: what must not pass, and what must.

Placeholders in paths and bodies: `{own}` is a session that the key opened, `{other}` one of the
admin's for another user, `{sibling}` one of another key, `{held}` one of its own that a person
paused, `{run}` a run. `APART` was held apart until the code stood.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Try(NamedTuple):
    """One request; `token` says whose it carries, `code` what it is refused with."""

    what: str
    body: dict[str, Any] | None
    code: str
    token: str = "key"
    method: str = "POST"
    path: str = "/v1/sessions"
    headers: Mapping[str, str] = MappingProxyType({})


def opens(what: str, code: str = "key_refused", token: str = "key", **asked: Any) -> Try:
    return Try(what, asked, code, token)


BAD = "unauthenticated"
REFUSED = (
    opens("another agent", agent="clerk"),
    opens("an agent in other letters", agent="DESK"),
    opens("an agent of its own", agent_file={"name": "a.yaml", "text": "name: a\nmodel: m\n"}),
    opens("another user", user="carol"),
    opens("a user in other letters", user="Ann"),
    opens("everybody", user="*"),
    opens("another tenant", tenant="umbra"),
    opens("another project", project="web"),
    opens("a task that it has not", task="refunds"),
    opens("an instance of such a task", task="refunds/4711"),
    opens("a session of somebody else to go on with", "not_found", parent="{other}"),
    opens("a session of another key to go on with", "not_found", parent="{sibling}"),
    opens("a session that a person paused to go on with", parent="{held}"),
    opens("a session that nobody opened to go on with", "not_found", parent="ses_nobody"),
    opens("a field that lifts", "invalid_request", trust="autonomous"),
    opens("another key's name", "invalid_request", key="other"),
    opens("a revoked key", "key_ended", "revoked"),
    opens("a key whose time is over", "key_ended", "expired"),
    opens("the token before it was rotated", BAD, "rotated"),
    opens("a token of which a letter is missing", BAD, "truncated"),
    opens("a token with a letter more", BAD, "longer"),
    opens("a token in upper case", BAD, "upper"),
    opens("a token of another prefix", BAD, "renamed"),
    opens("the prefix alone", BAD, "prefix"),
    opens("the digest in place of the token", BAD, "digest"),
    opens("no token", BAD, "none"),
    opens("a session's token in place of a key", "permission_denied", "session"),
    opens("a session's model token in place of a key", "permission_denied", "model"),
    Try("a key on the agent's own path", None, "key_refused", method="GET", path="/v1/guard/session"),
    Try("a key in the query", {}, BAD, "none", path="/v1/sessions?key={token}"),
    Try("a key in the query beside itself", {}, "invalid_request", path="/v1/sessions?key={token}"),
    Try("a key in a cookie", {}, BAD, "none", headers={"cookie": "token={token}"}),
    Try("a key as a password", {}, BAD, "basic"),
    Try("a line break behind the key", {}, BAD, "crlf"),
    Try("a line break and another header", {}, BAD, "crlf header"),
    Try("a zero behind the key", {}, BAD, "zero"),
    Try("two tokens in one header", {}, BAD, "two"),
)  # fmt: skip

APART = (
    opens("an agent with a blank behind", agent="desk "),
    opens("an agent as a path", agent="desk/../clerk"),
    opens("its own name as the user", user="key:spend"),
    opens("a tenant in other letters", tenant="ACME"),
    opens("a tenant and project joined", project="acme/shop"),
    opens("a task without a kind", task="/4711"),
    opens("its parent by its token", "not_found", parent="{token}"),
    opens("a life longer than it has", "", ttl_s=31_536_000),
    opens("a cap above its own", "", limits={"usd": "1000"}),
    opens("a list of users", "invalid_request", user=["ann", "carol"]),
    opens("a key of the same name in other letters", BAD, "swapped"),
    opens("its token backwards", BAD, "backwards"),
    opens("its hash of another kind", BAD, "key name"),
    opens("a worker's prefix", BAD, "worker"),
    Try("to sign as the admin", {}, BAD, "signed as admin"),
    Try("its own key, to change", {"reason": "x"}, "key_refused", path="/v1/keys/spend/rotate"),
    Try("a verb in other letters", None, "invalid_request", method="PATCH"),
    Try("a path twice encoded", None, "not_found", method="GET", path="/v1/%2573essions"),
    Try("a path with a slash more", None, "not_found", method="GET", path="/v1/sessions/"),
)  # fmt: skip

ALLOWED: tuple[dict[str, Any], ...] = (
    {},
    {"agent": "desk"},
    {"user": "ann"},
    {"tenant": "acme", "project": "shop"},
    {"agent": "desk", "user": "ann", "tenant": "acme", "project": "shop"},
    {"ttl_s": 5},
    {"limits": {"usd": "0.50", "tool_calls": 3}},
    {"scope": {"path": ["src/**"]}},
    {"folder": "/work", "sandboxed": True},
    {"profile": "interactive"},
    {"parent": "{own}"},
)
