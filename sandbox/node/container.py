"""How a node's container is made: privileged, or with every capability that there is."""

import io
import secrets
import tarfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.capabilities import missing_capabilities, missing_to_daemon, require_capabilities
from sandbox.engine import Engine
from sandbox.node.image import USER
from sandbox.node.keys import KeyPair
from sandbox.node.network import NETWORK

_ENTRYPOINT = "usr/local/sbin/a1-sandbox-boot"
VOLUMES = {"rancher": "/var/lib/rancher", "kubelet": "/var/lib/kubelet", "log": "/var/log"}


@dataclass(frozen=True)
class Identity:
    """What a node's container is made from.

    Attributes:
        container: Name of the container; its volumes' names begin with it.
        name: Name of the node, its host name.
        group: Nodes of one group belong together.
        address: Its fixed IPv4 address on the sandbox's bridge.
        login: The key that its user is let in with.
        host: The key by which sshd proves who it is.
    """

    container: str
    name: str
    group: str
    address: str
    login: KeyPair
    host: KeyPair


def create(engine: Engine, image: str, identity: Identity) -> None:
    """Create a node's container, its keys and its first program in place, without starting it."""
    engine.run("create", *_arguments(identity), *_privileges(engine), image)
    engine.run("cp", "-", f"{identity.container}:/", given=_own_files(identity))


def _privileges(engine: Engine) -> tuple[str, ...]:
    missing = missing_capabilities() if engine.ours else missing_to_daemon()
    require_capabilities(missing)
    if not missing:
        return ("--privileged",)
    # runc refuses --privileged as a whole where a single capability is missing.
    return (
        "--cap-add=ALL",
        *(f"--cap-drop={name}" for name in missing),
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        "--security-opt=systempaths=unconfined",
        "--device-cgroup-rule=a *:* rwm",
        "--device=/dev/kmsg",
    )


def _arguments(identity: Identity) -> tuple[str, ...]:
    labels = {"a1.sandbox": "node", "a1.group": identity.group, "a1.node": identity.name}
    labels["a1.address"] = identity.address
    volumes = {f"{identity.container}-{role}": path for role, path in VOLUMES.items()}
    return (
        *("--name", identity.container, "--hostname", identity.name),
        *("--network", NETWORK, "--ip", identity.address),
        "--cgroupns=private",
        "--stop-signal=SIGRTMIN+3",
        f"--entrypoint=/{_ENTRYPOINT}",
        "--restart=unless-stopped",
        "--tmpfs=/run:mode=755",
        "--tmpfs=/tmp:exec,mode=1777",
        *(f"--label={key}={value}" for key, value in labels.items()),
        *(f"--volume={name}:{path}" for name, path in volumes.items()),
    )


def _own_files(identity: Identity) -> bytes:
    public = f"{identity.host.public} {identity.name}\n".encode()
    files = (
        ("etc/machine-id", 0, 0o444, f"{secrets.token_hex(16)}\n".encode()),
        (_ENTRYPOINT, 0, 0o755, Path(__file__).with_name("entrypoint.sh").read_bytes()),
        ("etc/ssh/ssh_host_ed25519_key", 0, 0o600, identity.host.path.read_bytes()),
        ("etc/ssh/ssh_host_ed25519_key.pub", 0, 0o644, public),
        (f"home/{USER}/.ssh/authorized_keys", 1000, 0o600, f"{identity.login.public}\n".encode()),
    )
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folder = tarfile.TarInfo(f"home/{USER}/.ssh")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, 1000, 1000
        tar.addfile(folder)
        for path, owner, mode, content in files:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
