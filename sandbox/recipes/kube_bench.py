"""kube-bench, which compares a node with the CIS benchmark; its checks come from the same module."""

import shutil
from pathlib import Path

from sandbox.build.go import GoRecipe, build, download
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "v0.15.6"
BENCHMARK = "k3s-cis-1.9"
"""The profile for K3s v1.30."""

PROGRAM = GoRecipe(
    name="kube-bench",
    module="github.com/aquasecurity/kube-bench",
    version=VERSION,
    programs={"kube-bench": "github.com/aquasecurity/kube-bench"},
    variables={"github.com/aquasecurity/kube-bench/cmd.KubeBenchVersion": VERSION},
)


def kube_bench(cache: Cache, progress: Progress, out: Path) -> None:
    """Fill a folder with the program and the checks of the profile, to be copied to a node.

    Args:
        cache: Keeps the program.
        progress: Takes a line every 15 s while it is built.
        out: An existing folder.

    Raises:
        BuildError: The module cannot be had or does not compile.
    """
    shutil.copy2(build(PROGRAM, cache, progress) / "kube-bench", out / "kube-bench")
    checks = download(PROGRAM, cache) / "cfg"
    shutil.copy2(checks / "config.yaml", out / "config.yaml")
    shutil.copytree(checks / BENCHMARK, out / BENCHMARK)
