"""PromQL that rules and dashboards share, so that both speak of the same thing."""

FAILED = "error|unavailable|timeout"
"""Values of `outcome` that are our fault; a refused or limited request is an answer as designed."""


def request_rate(role: str, window: str) -> str:
    """Requests per second that a role answers, all pods together."""
    return f'sum(rate(mcp_requests_total{{role="{role}"}}[{window}]))'


def requests_in_flight(role: str) -> str:
    """Requests that a role is answering, all pods together: the mean of a minute, not what one look meets."""
    return f'sum(avg_over_time(mcp_inflight_requests{{role="{role}"}}[1m]))'


def error_ratio(role: str, window: str) -> str:
    """Share of a role's requests that failed; 0 without failures, absent without requests."""
    every = f'sum(rate(mcp_requests_total{{role="{role}"}}[{window}]))'
    failed = f'sum(rate(mcp_requests_total{{role="{role}",outcome=~"{FAILED}"}}[{window}]))'
    return f"({failed} or 0 * {every}) / ({every} > 0)"


def latency(role: str, quantile: float, window: str = "5m") -> str:
    """Seconds within which a share of a role's requests is answered."""
    buckets = f'sum by (le) (rate(mcp_request_duration_seconds_bucket{{role="{role}"}}[{window}]))'
    return f"histogram_quantile({quantile:g}, {buckets})"
