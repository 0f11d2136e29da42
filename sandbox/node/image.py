"""The node's image: Debian 12 by debootstrap, kept as a tar that a new engine imports in seconds."""

import hashlib
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from sandbox.apt import ensure_program
from sandbox.build.process import StalledError, run_in_order
from sandbox.cache import Cache
from sandbox.engine import Engine, EngineError, find_engine
from sandbox.fitness import UnfitError
from sandbox.mounts import unmount_below
from sandbox.progress import Progress, now_and_then, step

SUITE = "bookworm"
USER = "a1"
_PACKAGES = (
    "auditd",
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "debsums",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-ping",
    "jq",
    "kmod",
    "libpam-pwquality",
    "libpam-systemd",
    "nftables",
    "openssh-server",
    "procps",
    "socat",
    "sudo",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "unattended-upgrades",
)
# What acts on the host's kernel or devices, or has nothing to act on in a container.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty@tty1.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-journald-audit.socket",
    "systemd-modules-load.service",
    "unattended-upgrades.service",
)
_CUSTOMISE = f"""
set -eu
useradd --create-home --uid 1000 --shell /bin/bash --password '*' {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
chmod 0440 /etc/sudoers.d/{USER}
rm -f /etc/ssh/ssh_host_*
# As an installed Debian has it.
sed -n 's#^deb \\(.*\\)/debian/* {SUITE} main$#deb \\1/debian-security {SUITE}-security main#p' \
    /etc/apt/sources.list >/etc/apt/sources.list.d/security.list
: > /etc/machine-id
# journald would switch the kernel's audit on, for the host too.
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\\nAudit=\\n' > /etc/systemd/journald.conf.d/sandbox.conf
systemctl --quiet disable auditd.service
systemctl --quiet mask {" ".join(_MASKED)}
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/log/*.log /var/log/apt
"""


def ensure_image(engine: Engine, cache: Cache, progress: Progress) -> str:
    """Return the reference of the node's image on an engine, made where it is missing.

    Args:
        engine: The engine that shall hold it.
        cache: Keeps what it is imported from, see `ensure_root`.
        progress: Takes a line per step; nothing where the image is there.

    Raises:
        EngineError: The engine does not take it, or as `ensure_root` says, whose other errors it raises too.
    """
    reference = _reference()
    with cache.lock("node-image-import"):
        if _is_held(engine):
            return reference
        tar = ensure_root(cache, progress)
        with step(progress, "importing the node's image"):
            engine.run("import", "--change", "ENV container=docker", str(tar), reference)
    return reference


def require_image(cache: Cache) -> None:
    """Return where the node's image is there or can be made by whoever runs this; makes nothing.

    Args:
        cache: Keeps what it is imported from.

    Raises:
        UnfitError: It is not there, and takes another user to be made.
    """
    if os.geteuid() == 0 or _root_tar(cache).exists():
        return
    engine = find_engine(cache)
    if engine is None or not _is_held(engine):
        _require_root()


def ensure_root(cache: Cache, progress: Progress) -> Path:
    """Return the tar of the node's root file system, made where it is missing; it needs no engine.

    Args:
        cache: Keeps it under the digest of what decides it.
        progress: Takes a line per step; nothing where it is there.

    Raises:
        UnfitError: It cannot be made here; the text says why.
        AptError: debootstrap cannot be installed.
        EngineError: It could be made here, and was not: a program failed, or the mirror does not answer.
    """
    tar = _root_tar(cache)
    with cache.lock("node-image"):
        if not tar.exists():
            with cache.making(tar.parent) as folder:
                _bootstrap(folder, cache, progress)
    return tar


def _root_tar(cache: Cache) -> Path:
    return cache.root / "node-image" / _digest() / "root.tar"


def _reference() -> str:
    return f"a1-sandbox-node:{_digest()}"


def _is_held(engine: Engine) -> bool:
    return bool(engine.run("image", "ls", "--quiet", _reference()))


def _require_root() -> None:
    if os.geteuid() != 0:
        raise UnfitError("making the node's image needs root, for debootstrap")


def _digest() -> str:
    return hashlib.sha256("\0".join((SUITE, *_PACKAGES, _CUSTOMISE)).encode()).hexdigest()[:12]


def _bootstrap(folder: Path, cache: Cache, progress: Progress) -> None:
    _require_root()
    ensure_program(progress, "debootstrap")
    root, log = folder / "root", cache.folder("logs") / "node-image.log"
    log.unlink(missing_ok=True)
    make = partial(_logged, log, progress)
    with step(progress, "making the node's image from Debian packages (about 2 minutes)"):
        try:
            chosen = f"--include={','.join(_PACKAGES)}"
            make("debootstrap", "--variant=minbase", chosen, SUITE, str(root), *_mirror())
            make("chroot", str(root), "/bin/sh", "-c", _CUSTOMISE)
        finally:
            # Cut off, debootstrap leaves this machine's own /proc and /sys there, where all will be removed.
            unmount_below(root)
        # A root folder of mode 0700 would come along from the temporary folder.
        root.chmod(0o755)
        make("tar", "--numeric-owner", "-C", str(root), "-cf", str(folder / "root.tar"), ".")
        shutil.rmtree(root)


def _mirror() -> list[str]:
    """Return the mirror that this machine's own apt uses for the suite; none means debootstrap's default."""
    wanted = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    answer = subprocess.run(wanted, capture_output=True, text=True, check=False).stdout
    return [line.split()[1] for line in answer.splitlines() if line.split()[0] == SUITE][:1]


def _logged(log: Path, progress: Progress, *command: str) -> None:
    def report(taken: str) -> None:
        progress(f"  {command[0]}: {_last_lines(log, 1) or 'nothing yet'}, {taken}")

    what = f"{command[0]} for the node's image"
    try:
        status = run_in_order(command, log, now_and_then(report), whole=True)
    except StalledError as error:
        mirror = " ".join(_mirror()) or "debootstrap's default"
        raise EngineError(
            f"{what} was given up: {error}; the Debian mirror ({mirror}) does not answer\n"
            f"{_last_lines(log)}\nWhole log: {log}"
        ) from None
    if status:
        raise EngineError(f"{what} failed:\n{_last_lines(log)}\nWhole log: {log}")


def _last_lines(log: Path, count: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
