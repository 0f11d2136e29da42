"""The hosts: hardened as declared, read over SSH the way `a1 audit` does."""

from pathlib import Path

import pytest

from a1platform.cli.audit import audit_node, declared
from a1platform.cli.stack_file import StackFile

pytestmark = pytest.mark.smoke


def test_every_host_is_hardened_as_declared(stack_file: Path) -> None:
    wanted = declared(StackFile(stack_file))
    assert wanted.nodes
    deviations = [found for node in wanted.nodes if not node.is_gone for found in audit_node(node, wanted)]
    assert deviations == []
