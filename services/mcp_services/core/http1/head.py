"""The head of a request as it is sent."""

from mcp_services.core.hop import Request

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def head(request: Request, fixed: str) -> bytes:
    r"""The head of a request; `fixed` are lines of headers before its own, each with its `\r\n`.

    Raises:
        ValueError: It would say more than it is meant to.
    """
    lines = [f"{request.method} {request.path} HTTP/1.1\r\n", fixed]
    lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    if "accept" not in request.headers and "Accept" not in request.headers:
        # Who sends none takes anything (RFC 9110, 12.5.1), and not every server knows.
        lines.append("Accept: */*\r\n")
    if request.data or request.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(request.data or b'')}\r\n")
    text = "".join(lines) + "\r\n"
    ends = len(lines) + fixed.count("\n")
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text or " " in request.path:
        raise ValueError("a line of a request's head holds what it must not")
    try:
        # As headers were read: so they go on as they came.
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
