"""Values that the requests of operators share."""

from typing import Annotated

from msgspec import Meta

MAX_NS = 2**63 - 1


Name = Annotated[str, Meta(max_length=256)]
Reason = Annotated[str, Meta(max_length=500, description="why, for the journal")]
Nanoseconds = Annotated[int, Meta(ge=0, le=MAX_NS)]
