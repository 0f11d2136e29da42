"""Debian packages for a node that reaches no mirror: a package source in a folder of its own."""

import hashlib
import subprocess

from sandbox.build.debian import closure, download
from sandbox.cache import Cache
from sandbox.node import Node
from sandbox.progress import to_terminal

_FOLDER = "/srv/packages"
_SOURCE = f"deb [trusted=yes] file:{_FOLDER} ./"


def offer(node: Node, cache: Cache, *names: str) -> None:
    """Let a node's apt have packages, with what they depend on, and nothing else; it has not heard of them.

    Args:
        node: The node, started.
        cache: Keeps the packages.
        names: The packages.
    """
    stanzas = []
    with node.connect() as client:
        sftp = client.open_sftp()
        sftp.mkdir("packages")
        for package in download(cache, to_terminal, closure(cache, names)):
            # apt would take the sign of an epoch apart.
            file = package.name.replace("%3a", ".")
            sftp.put(str(package), f"packages/{file}")
            command = ("dpkg-deb", "--field", str(package))
            control = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            content = package.read_bytes()
            about = f"Filename: ./{file}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}"
            stanzas.append(f"{control}\n{about}\n")
        with sftp.open("packages/Packages", "w") as index:
            index.write("\n".join(stanzas))
        script = (
            f"mv packages {_FOLDER} && chown -R root:root {_FOLDER} && rm -rf /etc/apt/sources.list.d/* && "
            f"echo '{_SOURCE}' >/etc/apt/sources.list"
        )
        _, output, _ = client.exec_command(f'sudo -n sh -c "{script}"', timeout=60)
        assert output.channel.recv_exit_status() == 0
