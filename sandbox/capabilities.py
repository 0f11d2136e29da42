"""The kernel's capabilities: which this machine withholds, from us or from an engine that runs on it."""

import contextlib
from collections.abc import Collection
from pathlib import Path

from sandbox.fitness import UnfitError

# The bits of linux/capability.h, lowest first.
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *(
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
    ),
    *(
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
    ),
    *(
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
    ),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
_INDISPENSABLE = ("NET_ADMIN", "SYS_ADMIN")
"""Without these no engine starts, nor systemd and K3s in a container."""
_DAEMON = "dockerd"


def missing_capabilities(status: Path = Path("/proc/self/status")) -> tuple[str, ...]:
    """Return the names of the capabilities that a process can never have, read from its bounding set."""
    bounding = next(line for line in status.read_text().splitlines() if line.startswith("CapBnd:"))
    bits = int(bounding.split()[1], 16)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return tuple(name for bit, name in enumerate(_CAPABILITIES[: last + 1]) if not bits & 1 << bit)


def missing_to_daemon(processes: Path = Path("/proc")) -> tuple[str, ...]:
    """Return the capabilities that no container of an engine on this machine can have.

    Args:
        processes: The kernel's own list.

    Returns:
        The names; none where no engine is seen, as it runs elsewhere.
    """
    missing: set[str] = set()
    for name in processes.glob("[0-9]*/comm"):
        # One that ends meanwhile.
        with contextlib.suppress(OSError):
            if name.read_text().strip() == _DAEMON:
                missing.update(missing_capabilities(name.with_name("status")))
    return tuple(name for name in _CAPABILITIES if name in missing)


def require_capabilities(missing: Collection[str]) -> None:
    """Return where nothing is missing that there is no way without.

    Args:
        missing: Names of capabilities.

    Raises:
        UnfitError: Something is.
    """
    if withheld := [name for name in _INDISPENSABLE if name in missing]:
        raise UnfitError(
            f"this machine withholds the capabilities {' and '.join(withheld)}, without which no node runs; "
            "give them to the container that this is, or run it elsewhere"
        )
