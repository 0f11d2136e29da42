"""Every metric of the services. Label values come from catalogues, never from a client's text."""

from prometheus_client import Counter, Gauge, Histogram

from mcp_services.core import tallies

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FINE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)

# Those that a call counts are tallies, all others the library's own.
REQUESTS = tallies.Counter("mcp_requests", "Requests answered.", ("role", "method", "outcome"))
DURATION = tallies.Histogram(
    "mcp_request_duration_seconds", "Time to answer.", ("role", "method"), ends=_SECONDS
)
TASKS = Gauge("mcp_event_loop_tasks", "Tasks of the event loop; a number that only grows is a leak.")
INFLIGHT = tallies.Gauge("mcp_inflight_requests", "Requests being answered.", ("role",))
BYTES = tallies.Counter("mcp_bytes", "Bytes of bodies.", ("role", "direction"))
UPSTREAM = tallies.Counter(
    "mcp_upstream_requests", "Requests to other services.", ("role", "upstream", "outcome")
)
SPANS_DROPPED = Counter("mcp_spans_dropped", "Spans that were not delivered.", ("role",))

AUTH_FAILURES = Counter("mcp_auth_failures", "Requests without a valid credential.", ("reason",))
RATELIMITED = Counter("mcp_ratelimited", "Requests over a limit.", ("scope",))

DECISIONS = tallies.Counter("mcp_policy_decisions", "Decisions.", ("phase", "decision", "rule"))
DECISION_DURATION = tallies.Histogram(
    "mcp_policy_decision_duration_seconds", "Time to decide.", ends=_FINE
).labels()

TOOL_CALLS = tallies.Counter("mcp_tool_calls", "Calls of tools.", ("server", "tool", "outcome"))
TOOL_DURATION = tallies.Histogram(
    "mcp_tool_call_duration_seconds", "Time a tool takes.", ("server", "tool"), ends=_SECONDS
)
WORKFLOW_RUNS = Counter("mcp_workflow_runs", "Finished workflow runs.", ("workflow", "status"))
WORKFLOW_DURATION = Histogram(
    "mcp_workflow_run_duration_seconds", "Time a run takes.", ("workflow",), buckets=_SECONDS
)
WORKFLOW_ACTIVE = Gauge("mcp_workflow_active", "Workflow runs under way.")

CONFIG_VERSION = Gauge("mcp_config_version_info", "1 for the version in use.", ("role", "scope", "version"))
CONFIG_SUCCESS = Gauge("mcp_config_last_success_timestamp_seconds", "Last good answer.", ("role", "scope"))
CONFIG_STALE = Gauge(
    "mcp_config_stale", "1 while the last good version is used for want of an answer.", ("role",)
)
CONFIG_RELOADS = Counter("mcp_config_reloads", "New versions met.", ("role", "result"))

HUB_SPANS = tallies.Counter("mcp_tracehub_spans", "Spans received.", ("service", "result"))
HUB_QUEUE = Gauge("mcp_tracehub_queue_depth", "Spans waiting to be forwarded.")
