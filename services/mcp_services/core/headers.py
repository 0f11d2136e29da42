"""Headers of the stateless protocol that may come once."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mcp.shared.inbound import MCP_PARAM_HEADER_PREFIX, find_duplicated_routing_header

_PARAM = MCP_PARAM_HEADER_PREFIX.lower()


def doubled(headers: Mapping[str, str], raw: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The name of a header that says where a request goes, or with which argument, and came more than once.

    Only the first of each goes on, so nobody behind could see that there was another one.
    """
    if len(headers) == len(raw):
        return None
    pairs = [(name.decode("latin-1"), "") for name, _ in raw]
    params = Counter(name for name, _ in pairs if name.startswith(_PARAM))
    return find_duplicated_routing_header(pairs) or next((name for name, n in params.items() if n > 1), None)
