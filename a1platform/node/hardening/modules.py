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

_PATH = "/etc/modprobe.d/90-a1.conf"


def modules(settings: HardeningSettings) -> HostChange:
    """Return the change that loads and refuses modules.

    A refused one that is loaded is unloaded, unless something uses it or a file of the site has it loaded all
    the same: both are for people to end.

    Args:
        settings: With `kernel: shared` only the files are written, as loading would change another host.
    """
    own = settings.kernel == "own"
    refused = "".join(f"install {name} /bin/false\nblacklist {name}\n" for name in REFUSED)
    return HostChange(
        name="modules",
        reason="modules that K3s needs are there at boot, modules that nothing needs cannot be loaded",
        files=(
            HostFile("/etc/modules-load.d/90-a1.conf", "".join(f"{name}\n" for name in LOADED)),
            HostFile(_PATH, refused),
        ),
        functions=_FUNCTIONS if own else "",
        check=_CHECK if own else ":",
        record=_RECORD if own else ":",
        apply=_APPLY if own else ":",
        verify=_VERIFY if own else ":",
        revert=_REVERT if own else ":",
    )


_NAMES = " ".join(REFUSED)
_FUNCTIONS = r"""
a1_module_state() { if [ -d "/sys/module/$1" ]; then echo loaded; else echo absent; fi; }

a1_module_refused() { # its state, absent where it is part of the kernel itself, which has no such file
    if [ -e "/sys/module/${1//-/_}/initstate" ]; then echo loaded; else echo absent; fi
}

a1_module_used() { # succeeds where it cannot be unloaded without taking something away
    local folder="/sys/module/${1//-/_}"
    if [ ! -e "$folder/refcnt" ] || [ "$(<"$folder/refcnt")" != 0 ]; then return; fi
    # A bus does not count what hangs on it, such as a disk.
    [ "$1" = firewire-ohci ] && grep -qsx 0 /sys/bus/firewire/devices/*/is_local
}

a1_module_loads() { # module, options of modprobe: what it would do for it instead of refusing
    local did name=$1 refuses='^install (/usr)?/bin/(false|true)( [^;&|]*)?$'
    shift
    # Not by `--dry-run`, which says nothing of a module that is loaded already.
    did=$(modprobe "$@" --show-depends "$name" 2>/dev/null || true)
    # What the module itself needs comes before it.
    did=${did##*$'\n'}
    case "$did" in "insmod "* | "install "*) [[ "$did" =~ $refuses ]] || printf '%s\n' "$did" ;; esac
}
"""

# The first line for a module is the one that holds, by the names of the files.
_CHECK = rf"""
local name folder found="" did folders=(/etc/modprobe.d) from=(-C "$a1_staged/etc/modprobe.d")
for folder in /run/modprobe.d /usr/local/lib/modprobe.d /usr/lib/modprobe.d; do
    if [ -d "$folder" ]; then folders+=("$folder"); fi
done
for folder in "${{folders[@]}}"; do from+=(-C "$folder"); done
for name in {_NAMES}; do
    if [ "$(a1_module_refused "$name")" = loaded ] && a1_module_used "$name"; then found+=" $name"; fi
done
if [ -n "$found" ]; then
    a1_fail "modules: found loaded and in use, though refused:$found, expected none: end what uses it" \
        "(lsmod, findmnt and ss tell), or switch hardening.modules off with a reason, then run up again"
fi
for name in {_NAMES}; do
    did=$(a1_module_loads "$name" "${{from[@]}}")
    if [ -n "$did" ]; then
        found+=$'\n'"$name: $did"
        did=$(grep -rsnE --include='*.conf' "^[[:space:]]*install[[:space:]]+${{name//-/[-_]}}[[:space:]]" \
            "${{folders[@]}}" | grep -v '^{_PATH}:' || true)
        found+=${{did:+$'\n'$did}}
    fi
done
if [ -n "$found" ]; then
    a1_fail "modules: found a line of modprobe.d that wins over ours and has a refused module loaded," \
        "expected none: take it away, or switch hardening.modules off with a reason, then run up again:$found"
fi
"""

_RECORD = f"""
local name
for name in {" ".join(LOADED)}; do a1_remember modules "$name" "$(a1_module_state "$name")"; done
for name in {_NAMES}; do a1_remember modules "refused-$name" "$(a1_module_refused "$name")"; done
"""

_APPLY = f"""
local name
for name in {" ".join(LOADED)}; do modprobe -q -- "$name" || true; done
for name in {_NAMES}; do
    if [ "$(a1_module_refused "$name")" = loaded ] && ! a1_module_used "$name"; then
        modprobe -q -r -- "$name" || true
    fi
done
"""

_VERIFY = f"""
local name did
for name in {" ".join(LOADED)}; do
    if modinfo "$name" >/dev/null 2>&1 && [ "$(a1_module_state "$name")" = absent ]; then
        a1_deviation "modules $name" loaded absent
    fi
done
for name in {_NAMES}; do
    if [ "$(a1_module_refused "$name")" = loaded ]; then
        a1_deviation "modules $name" absent "$(
            if a1_module_used "$name"; then echo "loaded and in use"; else echo loaded; fi
        )"
    fi
    did=$(a1_module_loads "$name")
    if [ -n "$did" ]; then a1_deviation "modules $name" "install /bin/false" "$did"; fi
done
"""

_REVERT = """
local entry name
for entry in "$a1_state/modules/live"/*; do
    [ -e "$entry" ] || continue
    name=$(basename -- "$entry")
    case "$name $(<"$entry")" in
    refused-*" loaded") modprobe -q -- "${name#refused-}" || true ;;
    refused-*) ;;
    *" absent") modprobe -q -r -- "$name" || true ;;
    esac
done
"""
