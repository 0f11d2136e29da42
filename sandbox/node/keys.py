"""A node's keys, made once and kept in the state folder: who may log in, and which host it is."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 key pair in OpenSSH's formats.

    Attributes:
        path: The private key's file, mode 0600.
        public: The public key as in authorized_keys: type and base64, no comment.
    """

    path: Path
    public: str


def key_pair(path: Path) -> KeyPair:
    """Return the key pair at a path, made where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        # In one step, since what a run that was cut has begun to write would be taken for a key.
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_bytes(private)
        new.replace(path)
    loaded = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    public = loaded.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(path, public.decode())
