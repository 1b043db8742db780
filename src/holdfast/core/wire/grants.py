"""The table, sixth part: what only a grant allows, by which name, and how far it reaches.

Whatever makes the provider go and fetch something, run something or read what is kept there stands
here with the names that an operator grants. A kind of object that names an address, a file or a
connector cannot be inert (`shapes.compiled`), so that nothing reaches outside unasked.
"""

import enum
from collections.abc import Mapping


class Reach(enum.StrEnum):
    """How far work of the provider reaches for a session.

    `inside`: no further than the request, what is kept at the provider, or a container of its own,
    which has no network. `query`: words to a search provider. `outside`: an address that a model
    or a request chooses, with anything of the context in it.
    """

    INSIDE = "inside"
    QUERY = "query"
    OUTSIDE = "outside"


REACH: Mapping[str, Reach] = {
    "advisor": Reach.INSIDE,
    "code_execution": Reach.INSIDE,
    "compaction": Reach.INSIDE,
    "files": Reach.INSIDE,
    "mcp_servers": Reach.OUTSIDE,
    "tool_search_tool_bm25": Reach.INSIDE,
    "tool_search_tool_regex": Reach.INSIDE,
    "web_fetch": Reach.OUTSIDE,
    "web_search": Reach.QUERY,
}
"""Every name that is granted; a tool that an operator admitted beyond the table is `outside`."""

GRANTS: Mapping[str, tuple[str, ...]] = {
    "advisor": ("advisor",),
    "code_execution": ("code_execution",),
    "compact": ("compaction",),
    "container": ("code_execution",),
    "container_upload": ("code_execution", "files"),
    "file_source": ("files",),
    "mcp_server": ("mcp_servers",),
    "mcp_tool_listing": ("mcp_servers",),
    "mcp_tool_reference": ("mcp_servers",),
    "mcp_toolset": ("mcp_servers",),
    "mcp_toolset_reference": ("mcp_servers",),
    "skill": ("code_execution",),
    "summarize": ("compaction",),
    "tool_search_tool_bm25": ("tool_search_tool_bm25",),
    "tool_search_tool_regex": ("tool_search_tool_regex",),
    "url_source": ("web_fetch",),
    "web_fetch": ("web_fetch",),
    "web_search": ("web_search",),
}
"""For each kind whose use is `granted`, the names that allow it, all of them together."""

FOLLOWED_FIELDS: Mapping[str, str] = {
    "file_id": "files",
    "file_ids": "files",
    "mcp_server_name": "mcp_servers",
    "server_name": "mcp_servers",
    "url": "web_fetch",
    "urls": "web_fetch",
}
"""Fields that the provider may follow in what an operator admitted: nobody here knows that kind."""
