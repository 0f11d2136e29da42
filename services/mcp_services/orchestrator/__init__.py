"""mcp-orchestrator-api: federated tools and workflows."""
