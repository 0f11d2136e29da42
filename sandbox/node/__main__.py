"""`python -m sandbox.node [start|stop|reboot NAME]`: nodes by hand; without arguments, a list."""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from sandbox.apt import AptError
from sandbox.cache import Cache
from sandbox.engine import EngineError, ensure_engine, find_engine
from sandbox.fitness import UnfitError
from sandbox.node import KERNEL, Node, NodeError, nodes, reboot, start, stop
from sandbox.progress import to_terminal


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.node", description=__doc__)
    parser.add_argument("action", nargs="?", choices=("list", "start", "stop", "reboot"), default="list")
    parser.add_argument("name", nargs="?", default="node")
    chosen = parser.parse_args()
    # Told to end, it ends what it has begun too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _act(chosen.action, chosen.name)
    except (AptError, EngineError, NodeError, UnfitError) as error:
        to_terminal(str(error))
        return 1
    except KeyboardInterrupt:
        to_terminal("interrupted; run it again to go on")
        return 130
    return 0


def _act(action: str, name: str) -> None:
    cache = Cache.default()
    if action == "start":
        _print(start(ensure_engine(cache, to_terminal), cache, name, to_terminal))
    engine = find_engine(cache)
    if engine and action == "stop":
        stop(engine, name)
    elif engine and action == "reboot":
        _print(reboot(engine, name))
    elif engine and action == "list":
        for node in nodes(engine):
            _print(node)
    to_terminal(f"machine: {_machine(cache.folder())}")
    to_terminal(KERNEL)


def _print(node: Node) -> None:
    sys.stdout.write(
        f"{node.name} {node.user}@{node.address} key {node.private_key} host key {node.host_key}\n"
    )


def _machine(folder: Path) -> str:
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = {line.split(":")[0]: int(line.split()[1]) / 1024**2 for line in lines}
    disk = shutil.disk_usage(folder)
    return (
        f"{os.cpu_count()} CPUs, {memory['MemAvailable']:.1f} of {memory['MemTotal']:.1f} GiB memory free, "
        f"{disk.free / 1024**3:.0f} of {disk.total / 1024**3:.0f} GiB disk free; every node shares them"
    )


if __name__ == "__main__":
    sys.exit(main())
