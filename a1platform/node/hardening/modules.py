"""Kernel modules: what K3s needs at boot, and what nothing here needs at all."""

from a1platform.node.host_change import HostChange, HostFile
from a1platform.settings.node import HardeningSettings

LOADED = ("overlay", "br_netfilter", "nf_conntrack")
"""Needed by K3s; it loads them itself, but after boot's sysctls have been set, which then miss the
bridge's."""

REFUSED = (
    *("cramfs", "freevxfs", "jffs2", "hfs", "hfsplus", "udf"),
    *("dccp", "rds", "tipc"),
    "firewire-ohci",
)
"""Rare file systems and protocols with a history of holes, and a bus that reads memory past the processor.

Not squashfs (snaps), vfat (EFI), sctp or usb-storage (hosts that start from it)."""


def modules(settings: HardeningSettings) -> HostChange:
    """Return the change that loads and refuses modules.

    Args:
        settings: With `kernel: shared` only the files are written, as loading would change another host.
    """
    loads = "\n".join(f"modprobe -q -- {name} || true" for name in LOADED)
    remembers = "\n".join(f'a1_remember modules {name} "$(a1_module_state {name})"' for name in LOADED)
    checks = "\n".join(
        f'if modinfo {name} >/dev/null 2>&1 && [ "$(a1_module_state {name})" = absent ]; then '
        f'a1_deviation "modules {name}" loaded absent; fi'
        for name in LOADED
    )
    own = settings.kernel == "own"
    refused = "".join(f"install {name} /bin/false\nblacklist {name}\n" for name in REFUSED)
    return HostChange(
        name="modules",
        reason="modules that K3s needs are there at boot, modules that nothing needs cannot be loaded",
        files=(
            HostFile("/etc/modules-load.d/90-a1.conf", "".join(f"{name}\n" for name in LOADED)),
            HostFile("/etc/modprobe.d/90-a1.conf", refused),
        ),
        functions=(
            'a1_module_state() { if [ -d "/sys/module/$1" ]; then echo loaded; else echo absent; fi; }'
            if own
            else ""
        ),
        record=remembers if own else ":",
        apply=loads if own else ":",
        verify=checks if own else ":",
        revert=_unload() if own else ":",
    )


def _unload() -> str:
    return """
local entry
for entry in "$a1_state/modules/live"/*; do
    if [ -e "$entry" ] && [ "$(<"$entry")" = absent ]; then
        modprobe -q -r -- "$(basename -- "$entry")" || true
    fi
done
"""
