"""Sandbox nodes: Debian 12 machines in containers, with systemd and sshd; their kernel is the host's."""

from sandbox.node.lifecycle import GROUP, KERNEL, Node, NodeError, nodes, reboot, start, stop

__all__ = ["GROUP", "KERNEL", "Node", "NodeError", "nodes", "reboot", "start", "stop"]
