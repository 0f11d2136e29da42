"""An example MCP server, and working documents for mcp-config."""
