"""A concern's own verification, on a host whose programs answer as a test says."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded


def verified(change: HostChange, state: Path, functions: Mapping[str, str]) -> str:
    """Return the deviations that it names, a line each.

    Args:
        change: Its functions and its verification are run, and nothing else of it.
        state: Folder for the records.
        functions: By the name of a program, the bash that runs in its place.
    """
    only = HostChange(change.name, "a test", functions=change.functions, verify=change.verify)
    done = subprocess.run(
        ["bash", "-s", "--", "verify"],
        input=guarded(render_script([only], "tests", state=str(state))),
        env={
            **os.environ,
            **{f"BASH_FUNC_{name}%%": f"() {{ {text}\n}}" for name, text in functions.items()},
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout
