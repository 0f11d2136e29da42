"""Images of a bundle into a node's container runtime."""

from collections.abc import Sequence

import pulumi
from pulumi_command.remote import Command

from a1platform.bundle import BundleImage
from a1platform.node.ssh import copied, remote_copies
from a1platform.settings.node import NodeSettings

# The label of an image ends in the part that needs it; several may need the same one.
_PIN = r"""needed_by=a1platform.needed-by. pinned=io.cri-containerd.pinned
mine=$needed_by$part
needed=" $(images | cut -d' ' -f3- | tr '\n' ' ')"
for reference in $needed; do
    ctr label "$reference" "$mine=yes" "$pinned=pinned" >/dev/null
done
ctr ls | while read -r reference labels; do
    if [[ $labels != *"$mine=yes"* || $needed == *" $reference "* ]]; then continue; fi
    unneeded=("$mine=")
    if [[ ${labels/"$mine=yes"/} != *"$needed_by"* ]]; then unneeded+=("$pinned="); fi
    # Not removed: pods run on it until the release follows, and a rollback brings it back.
    ctr label "$reference" "${unneeded[@]}" >/dev/null
done
"""


def import_images(
    name: str,
    node: NodeSettings,
    part: str,
    images: Sequence[BundleImage],
    opts: pulumi.ResourceOptions | None = None,
) -> Command:
    """Copy images to a node and import them, those with another digest only.

    That is a connection for each of these, and one for the import.

    They are pinned, as the kubelet would otherwise delete them when the disk fills and could not fetch them
    again; what the part no longer needs is pinned no more. Nothing is undone on delete: the cluster's
    uninstall takes its images along.

    Args:
        name: Logical name.
        node: A node with K3s.
        part: Whose images they are.
        images: What to import.
        opts: Options of all resources; depend on the installation.
    """
    files = {image.sha256: image.path for image in images}
    return remote_copies(name, node, files, lambda begin: render_import(begin, part, images), opts=opts)


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
ctr() {{
    /usr/local/bin/k3s ctr --namespace k8s.io images "$@"
}}
imported() {{ # digest, references
    local digest=$1 reference
    shift
    for reference in "$@"; do
        ctr ls "name==$reference" | grep -qF "a1platform.sha256=$digest" || return 1
    done
}}
kept=" $(images | cut -d' ' -f2 | cut -d/ -f1 | tr '\\n' ' ')"
for folder in "$begin"-????????????????; do # those of an earlier bundle
    if [[ $kept != *" ${{folder#"$begin"}} "* ]]; then rm -rf -- "$folder"; fi
done
while read -r digest file references; do
    # shellcheck disable=SC2086 # a list of names
    if imported "$digest" $references; then continue; fi
    copy=$begin$file
    if [ ! -f "$copy" ]; then
        echo "${{file##*/}}: found neither it nor its images, expected it at $copy: replace the copy" >&2
        exit 1
    fi
    found=$(sha256sum <"$copy" | cut -d' ' -f1)
    if [ "$found" != "$digest" ]; then
        echo "${{file##*/}}: found sha256 $found, expected $digest" >&2
        exit 1
    fi
    ctr import "$copy" >/dev/null
    for reference in $references; do
        ctr label "$reference" "a1platform.sha256=$digest" >/dev/null
    done
done < <(images)
{_PIN}rm -rf -- "$begin"-????????????????
rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$begin")" 2>/dev/null || true
"""
