"""mcp-gateway: the only door."""
