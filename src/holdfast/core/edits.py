"""What is changed in a client's body before it is sent, as one value that can travel.

Not here: who decides it (`runtime/model_call`), how a value is cut out (`core/wire/splicing`).
"""

from collections.abc import Mapping

import msgspec

from holdfast.core.messages import edited
from holdfast.core.wire.headers import with_betas
from holdfast.core.wire.splicing import Change, spliced


class Edits(msgspec.Struct, frozen=True, kw_only=True):
    """What is changed in the client's body before it is sent; see `core/messages.edited`.

    `contents` are (message, block, text); `changes` are of single values, anywhere. `betas` take
    the place of the client's; None leaves them. `told` is added behind `system`. `removed` goes
    first: what else is named is named as it stands without that.
    """

    model: str = ""
    max_tokens: int | None = None
    contents: tuple[tuple[int, int, str], ...] = ()
    changes: tuple[Change, ...] = ()
    betas: str | None = None
    removed: tuple[Change, ...] = ()
    told: str = ""

    def leaves_body(self) -> bool:
        """Whether the body goes as it came."""
        return self == Edits(betas=self.betas)

    def applied(self, body: bytes) -> bytes:
        """The body to send; the same bytes where nothing is changed."""
        contents = {(message, block): text for message, block, text in self.contents}
        body = spliced(spliced(body, self.removed), self.changes)
        return edited(
            body,
            model=self.model or None,
            max_tokens=self.max_tokens,
            contents=contents,
            told=self.told,
        )

    def headed(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers to send, with the betas that go there."""
        return headers if self.betas is None else with_betas(headers, self.betas)
