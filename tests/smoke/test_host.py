"""The hosts: hardened as declared, read over SSH the way `a1 audit` does."""

from pathlib import Path

import pytest

from a1platform.cli.audit import audit_node
from a1platform.cli.stack_file import StackFile

pytestmark = pytest.mark.smoke


def test_every_host_is_hardened_as_declared(stack_file: Path) -> None:
    file = StackFile(stack_file)
    nodes = file.nodes()
    assert nodes
    deviations = [found for node in nodes for found in audit_node(node, file.hardening(), nodes)]
    assert deviations == []
