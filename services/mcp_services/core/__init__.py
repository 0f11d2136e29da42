"""What every role has in common: HTTP edge, upstream calls, configuration, secrets, metrics, traces."""
