"""Images of a bundle into a node's container runtime."""

from collections.abc import Sequence

import pulumi
from pulumi_command.remote import Command

from a1platform.bundle import BundleImage
from a1platform.node.ssh import remote_folder
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
    """Copy images to a node and import them, those with another digest only; two connections.

    They are pinned, as the kubelet would otherwise delete them when the disk fills and could not fetch them
    again; what the part no longer needs is pinned no more. Nothing is undone on delete: the cluster's
    uninstall takes its images along.

    Args:
        name: Logical name.
        node: A node with K3s.
        part: Whose images they are.
        images: What to import, the files of one folder that holds nothing else.
        opts: Options of both resources; depend on the installation.
    """
    folder = images[0].path.parent
    digests = [image.sha256 for image in images]
    return remote_folder(
        name, node, folder, digests, lambda staged: render_import(staged, part, images), opts=opts
    )


def render_import(staged: str, part: str, images: Sequence[BundleImage]) -> str:
    """Render the script that imports copied images and removes the copies.

    Copies whose import fails stay until the next run, which uses them: they are not sent again, as the one
    that sent them has succeeded.

    Args:
        staged: Absolute path of the copies, as bash text.
        part: Whose images they are.
        images: What they are.
    """
    rows = "".join(f"{image.sha256} {image.path.name} {' '.join(image.references)}\n" for image in images)
    return f"""staged={staged}
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
for copy in "${{staged%-*}}"-????????????????; do # those of an earlier bundle
    if [ "$copy" != "$staged" ]; then rm -rf -- "$copy"; fi
done
while read -r digest file references; do
    # shellcheck disable=SC2086 # a list of names
    if imported "$digest" $references; then continue; fi
    if [ ! -f "$staged/$file" ]; then
        echo "$file: found neither it nor its images, expected it at $staged: replace the copy" >&2
        exit 1
    fi
    found=$(sha256sum <"$staged/$file" | cut -d' ' -f1)
    if [ "$found" != "$digest" ]; then
        echo "$file: found sha256 $found, expected $digest" >&2
        exit 1
    fi
    ctr import "$staged/$file" >/dev/null
    for reference in $references; do
        ctr label "$reference" "a1platform.sha256=$digest" >/dev/null
    done
done < <(images)
{_PIN}rm -rf -- "$staged"
rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$staged")" 2>/dev/null || true
"""
