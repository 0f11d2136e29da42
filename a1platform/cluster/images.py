"""Images of a bundle into a node's container runtime."""

from collections.abc import Sequence

import pulumi
from pulumi_command.remote import Command, CopyToRemote

from a1platform.bundle import BundleImage
from a1platform.node.shell import library
from a1platform.node.ssh import copied, copies_begin, remote_copies, remote_script
from a1platform.settings.node import NodeSettings


def copy_images(
    name: str, node: NodeSettings, images: Sequence[BundleImage], opts: pulumi.ResourceOptions | None = None
) -> list[CopyToRemote]:
    """Copy images to a node, those with another digest only; they need nothing of K3s there.

    Args:
        name: Logical name of what imports them.
        node: The node.
        images: What to copy.
        opts: Options of all resources.

    Returns:
        The copy that is there when all of them are; nothing for a machine that is gone.
    """
    return remote_copies(name, node, {image.sha256: image.path for image in images}, opts=opts)


def import_images(
    name: str,
    node: NodeSettings,
    part: str,
    images: Sequence[BundleImage],
    opts: pulumi.ResourceOptions | None = None,
) -> Command:
    """Import images that have been copied to a node, those with another digest only.

    They are pinned, as the kubelet would otherwise delete them when the disk fills and could not fetch them
    again; what the part no longer needs is pinned no more. Nothing is undone on delete: the cluster's
    uninstall takes its images along.

    Args:
        name: Logical name, which the copies have too.
        node: A node with K3s.
        part: Whose images they are.
        images: What to import.
        opts: Options of the resource; depend on the installation and on the copies.
    """
    script = render_import(copies_begin(name, node), part, images)
    return remote_script(name, node, f"set -euo pipefail\n{script}", opts=opts)


def render_import(begin: str, part: str, images: Sequence[BundleImage]) -> str:
    """Render the script that imports copied images and removes the copies.

    Copies whose import fails stay until the next run, which uses them: they are not sent again, as the one
    that sent them has succeeded.

    Args:
        begin: What the absolute paths of the copies' folders begin with, as bash text; see `copied`.
        part: Whose images they are.
        images: What they are.
    """
    rows = "".join(
        f"{image.sha256} {copied('', image.sha256, image.path)} {' '.join(image.references)}\n"
        for image in images
    )
    return f"""begin={begin}
part={part}
images() {{
    cat <<'A1_TABLE'
{rows}A1_TABLE
}}
{library("import_images.sh", "a1platform.cluster")}"""
