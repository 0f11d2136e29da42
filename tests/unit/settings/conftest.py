"""A node's settings for the tests of the configuration."""

from tests.unit.node.conftest import node

__all__ = ["node"]
