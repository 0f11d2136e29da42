"""The Pulumi toolchain: brought in exact versions, told where from, kept outside the clone."""

from sandbox.toolchain.environment import Installed, StateError, Toolchain
from sandbox.toolchain.install import ensure, has_toolchain
from sandbox.toolchain.reach import ReleaseError
from sandbox.toolchain.release import Releases

__all__ = ["Installed", "ReleaseError", "Releases", "StateError", "Toolchain", "ensure", "has_toolchain"]
