"""Memory read from /proc: the peak of a process with all that it starts, and that of a service."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class PeakMemory:
    """Samples the proportional memory of all descendants of this process while the block runs.

    Attributes:
        mib: The highest sum seen, in MiB.
    """

    def __init__(self, root: int, every: float = 0.2) -> None:
        """Watch the descendants of a process.

        Args:
            root: Its number.
            every: Seconds between two looks, each of which takes a little of the processor.
        """
        self.mib = 0.0
        self._root, self._every = root, every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self.mib = max(self.mib, sum(map(_mib, _descendants(self._root))))


def of_service(unit: str) -> str:
    """Return a command that prints the proportional memory of a service, all its processes together, in KiB.

    Args:
        unit: The service's unit.
    """
    # By the processes' own word, wherever the hierarchy of control groups is mounted.
    found = f'grep -ls "/{unit}" /proc/[0-9]*/cgroup'
    each = 'grep -hs ^Pss: "${group%cgroup}smaps_rollup"'
    return f'for group in $({found}); do {each}; done | awk "{{ sum += \\$2 }} END {{ print sum }}"'


def _descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(words[1]), []).append(int(stat.parent.name))
    found: set[int] = set()
    open_ones = [root]
    while open_ones:
        for child in children.get(open_ones.pop(), []):
            found.add(child)
            open_ones.append(child)
    return found


def _mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)
