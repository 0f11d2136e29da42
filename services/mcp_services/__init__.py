"""The five MCP services and an example MCP server: one package, one image, `ROLE` chooses the program."""

__version__ = "0.1.0"
