"""mcp-config: a folder of documents as versioned, validated configuration."""
