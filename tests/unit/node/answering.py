"""A concern's own check and verification, on a host whose programs answer as a test says."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
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
    done = _run("verify", render_script([only], "tests", state=str(state)), functions)
    assert done.stderr == ""
    return done.stdout


def refused(change: HostChange, root: Path, functions: Mapping[str, str]) -> str:
    """Return why it is refused before anything of it is written; empty where it is not.

    Args:
        change: Its functions and its check are run, with its files at hand, and nothing else of it.
        root: Folder that stands for the host's: what is below etc/ is what the check finds.
        functions: By the name of a program, the bash that runs in its place.
    """
    # What passes stops there: a refusal of the test's own comes behind it.
    last = HostChange("last", "a test", check="a1_fail passed")
    only = replace(change, packages=(), record=":", apply=":", verify=":", confirm=":")
    script = render_script([only, last], "tests", state=str(root / "state"))
    done = _run("apply", script.replace("/etc/", f"{root}/etc/"), functions)
    assert done.returncode == 1
    return "" if done.stderr == "passed\n" else done.stderr.replace(str(root), "")


def _run(verb: str, script: str, functions: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-s", "--", verb],
        input=guarded(script),
        env={
            **os.environ,
            **{f"BASH_FUNC_{name}%%": f"() {{ {text}\n}}" for name, text in functions.items()},
        },
        capture_output=True,
        text=True,
        check=False,
    )
