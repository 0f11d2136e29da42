"""mcp-policy-proxy: decides on each list, call and result."""
