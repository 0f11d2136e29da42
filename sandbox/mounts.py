"""What is mounted below folders of ours, taken away before they are removed."""

import subprocess
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")


def mounts_below(*folders: Path, table: Path = _MOUNTS) -> list[str]:
    """Return what is mounted at or below folders, the innermost first.

    Args:
        folders: The folders.
        table: The kernel's own list.
    """
    # The list writes a space, and what else would part its columns, as octal numbers.
    targets = (line.split()[1].encode().decode("unicode_escape") for line in table.read_text().splitlines())
    ours = [folder.resolve() for folder in folders]
    return sorted((one for one in targets if any(Path(one).is_relative_to(of) for of in ours)), reverse=True)


def unmount_below(*folders: Path) -> None:
    """Unmount what is mounted at or below folders, also what is in use."""
    for target in mounts_below(*folders):
        subprocess.run(["umount", "--lazy", target], check=False)
