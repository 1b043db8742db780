"""Whether the provider may reach outside for a session that has read untrusted text.

What the provider fetches or calls by itself never meets the gate of a tool call: where it may go is
all that is known of it beforehand. So each place has to stand where it is vouched for, as the
destination of an own tool has; a thing that may go anywhere is none.
"""

import re
from collections.abc import Collection, Iterable

from holdfast.core.flow.addresses import domain
from holdfast.core.flow.vouched import Vouched
from holdfast.core.flow.words import bare
from holdfast.model.decisions import Reason, Verdict

_SHOWN_CHARACTERS = 200


def gate_outside(
    addresses: Iterable[str], vouched: Vouched, known: Collection[str]
) -> list[Reason]:
    """Reasons to refuse after taint; `addresses` are all that it may reach (none: any address).

    `known` are those that it was let to reach before: nothing goes out with one that did not then.
    """
    if not vouched.tainted:
        return []
    source = f"untrusted text from `{vouched.tainted_by}` is in the context"
    found = tuple(addresses)
    if not found:
        text = f"{source}, and it may reach any address, with anything of the context in it"
        return [_reason("flow.outside", text)]
    for address in found:
        if address not in known and not _is_vouched(address, vouched):
            shown = repr(address[:_SHOWN_CHARACTERS])
            return [_reason("flow.unvouched", f"{source}, and {shown} stands in no trusted text")]
    return []


def _is_vouched(address: str, vouched: Vouched) -> bool:
    if "://" not in address:
        return vouched.knows_domain(address)
    without = bare(address)
    # A word of a sentence is no link: only what names a host counts without its scheme.
    host = re.split(r"[/?#]", without, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    spellings = {address, without} if domain(host) is not None else {address}
    return any(vouched.typed(text) or vouched.said(text) for text in spellings)


def _reason(code: str, text: str) -> Reason:
    return Reason(stage="flow", verdict=Verdict.DENY, code=code, text=text)
