"""JSON lines on standard output, each with the correlation ID of the request that it belongs to."""

import logging
import sys
from datetime import UTC, datetime

import orjson

from mcp_services.core import exchange, lines

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a record; what a caller passes as `extra` becomes fields."""

    def __init__(self, role: str) -> None:
        """Write `role` into every line."""
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        at = exchange.current()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "message": record.getMessage(),
        }
        if at.correlation_id:
            line["correlation_id"] = at.correlation_id
        if at.trace_id:
            line["trace_id"] = at.trace_id
        line.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure(role: str, level: str) -> None:
    """Send every logger's records to standard output as JSON lines."""
    # No line tells where in the code, or on which thread, it was written (logging HOWTO, "Optimization").
    logging._srcfile = None  # noqa: SLF001 - as is said there
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(role))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if logging.getLogger().isEnabledFor(logging.INFO):
        lines.begin(role, sys.stdout.buffer)
    # The SDK and uvicorn say at INFO what the access line says already.
    for noisy in ("mcp", "uvicorn", "aiohttp.access", "httpx", "httpx2"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
