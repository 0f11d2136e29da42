"""What `make smoke` hands to the suite."""

import json
from pathlib import Path

from sandbox.pulumi import Stack
from sandbox.up import _write_outputs


class _Told(Stack):
    """A stack that has told its outputs."""

    def outputs(self) -> dict[str, object]:
        return {"kubeconfig": "the cluster's", "apiKey": "a key", "parts": {"keda": "chart"}}


def test_the_outputs_go_into_a_file_that_nobody_else_can_read_and_the_kubeconfig_into_none(
    tmp_path: Path,
) -> None:
    path = _write_outputs(_Told("sandbox", {}), tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"apiKey": "a key", "parts": {"keda": "chart"}}
