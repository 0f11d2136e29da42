"""mcp-tracehub: spans in, redacted, found again by correlation ID."""
