"""What every role has in common: settings, HTTP edge, upstream calls, configuration, secrets, metrics, traces."""
