"""The script that brings a part's images to a node, run for real against a container runtime of a test."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from a1platform.bundle import BundleImage
from a1platform.cluster.images import render_import
from a1platform.node.shell import guarded
from a1platform.node.ssh import copied
from tests.shell import shellcheck

_PINNED = "io.cri-containerd.pinned"
_RUNTIME = """#!{python} -SE
import json, pathlib, sys
store = pathlib.Path({store!r})
held = json.loads(store.read_text())
command, *words = sys.argv[5:]
if command == "import":
    text = pathlib.Path(words[0]).read_text()
    if text == "broken":
        sys.exit("ctr: no space left on device")
    # As ctr does: labels of an image that was there are gone.
    held.update(dict.fromkeys(text.split(), {{}}))
elif command == "label":
    for label in words[1:]:
        key, _, value = label.partition("=")
        held[words[0]].pop(key, None)
        held[words[0]].update({{key: value}} if value else {{}})
elif command == "ls":
    print("REF TYPE DIGEST SIZE PLATFORMS LABELS")
    for name, labels in held.items():
        if not words or words[0] == f"name=={{name}}":
            told = ",".join(f"{{key}}={{value}}" for key, value in sorted(labels.items())) or "-"
            print(f"{{name}} type sha256:0 5.0 MiB linux/amd64 {{told}}")
store.write_text(json.dumps(held))
"""


class Node:
    """A folder that stands for a node: the copies of its login user, and what its runtime holds."""

    def __init__(self, root: Path) -> None:
        """Make a node without images."""
        self.copies = root / "home" / ".a1-upload"
        self._files = root / "bundle"
        self._held = root / "held.json"
        self._held.write_text("{}")
        self._k3s = root / "k3s"
        self._k3s.write_text(_RUNTIME.format(python=sys.executable, store=str(self._held)))
        self._k3s.chmod(0o755)

    def image(self, *references: str, text: str = "") -> BundleImage:
        """Return an image of a bundle, which is named as its first reference."""
        self._files.mkdir(exist_ok=True)
        path = self._files / f"{references[0].replace(':', '_')}.tar"
        path.write_text(text or " ".join(references))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return BundleImage.model_construct(path=path, sha256=digest, references=references)

    def bring(
        self, part: str, *images: BundleImage, sent: Sequence[BundleImage] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Copy images, or those that are said, and run the script of all."""
        begin = str(self.copies / f"a1-{part}-images")
        for image in images if sent is None else sent:
            copy = Path(copied(begin, image.sha256, image.path))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image.path, copy)
        script = f"set -euo pipefail\n{render_import(begin, part, images)}"
        moved = script.replace("/usr/local/bin/k3s", str(self._k3s))
        return subprocess.run(
            ["bash", "-s"], input=guarded(moved), capture_output=True, text=True, check=False
        )

    def pinned(self) -> set[str]:
        """Return the references that the kubelet leaves alone."""
        held = json.loads(self._held.read_text())
        return {name for name, labels in held.items() if labels.get(_PINNED) == "pinned"}

    def held(self) -> set[str]:
        """Return all references."""
        return set(json.loads(self._held.read_text()))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_images_are_imported_and_kept_from_the_kubelet_and_their_copies_are_gone(node: Node) -> None:
    done = node.bring("keda", node.image("keda:1", "mirror/keda:1"), node.image("metrics:1"))
    assert done.returncode == 0, done.stderr
    assert node.pinned() == {"keda:1", "mirror/keda:1", "metrics:1"}
    assert not node.copies.exists()


def test_images_that_are_there_are_not_asked_for_again(node: Node) -> None:
    image = node.image("keda:1")
    node.bring("keda", image)
    done = node.bring("keda", image, sent=[])
    assert (done.returncode, node.pinned()) == (0, {"keda:1"})


def test_only_the_image_that_changed_has_to_be_sent(node: Node) -> None:
    metrics, changed = node.image("metrics:1"), node.image("keda:2")
    node.bring("keda", node.image("keda:1"), metrics)
    done = node.bring("keda", changed, metrics, sent=[changed])
    assert done.returncode == 0, done.stderr
    assert node.pinned() == {"keda:2", "metrics:1"}
    assert not node.copies.exists()


def test_an_image_that_is_gone_and_was_not_sent_is_named_with_its_place(node: Node) -> None:
    image = node.image("keda:1")
    done = node.bring("keda", image, sent=[])
    assert done.returncode != 0
    assert "keda_1.tar: found neither it nor its images" in done.stderr
    assert copied(f"{node.copies}/a1-keda-images", image.sha256, image.path) in done.stderr


def test_a_copy_that_waits_for_its_import_outlives_a_change_of_another_image(node: Node) -> None:
    metrics = node.image("metrics:1")
    node.bring("keda", node.image("keda:1", text="broken"), metrics)
    changed = node.image("keda:2")
    done = node.bring("keda", changed, metrics, sent=[changed])
    assert done.returncode == 0, done.stderr
    assert node.pinned() == {"keda:2", "metrics:1"}


def test_what_a_part_no_longer_needs_is_left_to_the_kubelet_and_still_there_for_a_rollback(
    node: Node,
) -> None:
    node.bring("keda", node.image("keda:1"), node.image("metrics:1"))
    done = node.bring("keda", node.image("keda:2"), node.image("metrics:1"))
    assert done.returncode == 0, done.stderr
    assert node.pinned() == {"keda:2", "metrics:1"}
    assert node.held() == {"keda:1", "keda:2", "metrics:1"}


def test_what_is_needed_once_more_is_kept_from_the_kubelet_again(node: Node) -> None:
    for version in ("keda:1", "keda:2", "keda:1"):
        node.bring("keda", node.image(version))
    assert node.pinned() == {"keda:1"}


def test_what_another_part_needs_and_what_is_nobodys_stays_as_it_is(node: Node) -> None:
    node.bring("monitoring", node.image("prometheus:1"), node.image("proxy:1"))
    node.bring("monitoring-crds", node.image("kinds:1"))
    node.bring("keda", node.image("keda:1"), node.image("proxy:1"))
    done = node.bring("monitoring", node.image("prometheus:2"))
    assert done.returncode == 0, done.stderr
    assert node.pinned() == {"prometheus:2", "kinds:1", "keda:1", "proxy:1"}
    node.bring("keda", node.image("keda:1"))
    assert node.pinned() == {"prometheus:2", "kinds:1", "keda:1"}


def test_copies_whose_import_failed_are_used_by_the_next_run_and_gone_with_the_next_bundle(
    node: Node,
) -> None:
    broken = node.image("keda:1", text="broken")
    done = node.bring("keda", broken)
    assert done.returncode != 0
    assert "no space left on device" in done.stderr
    # Nobody sends them once more.
    (left,) = node.copies.iterdir()
    assert list(left.iterdir()) == [left / "keda_1.tar"]
    assert "no space left" in node.bring("keda", broken, sent=[]).stderr
    (node.copies / f"a1-keda-metrics-images-{'0' * 16}").mkdir()
    assert node.bring("keda", node.image("keda:2")).returncode == 0
    assert [path.name for path in node.copies.iterdir()] == [f"a1-keda-metrics-images-{'0' * 16}"]


def test_a_copy_that_is_another_one_is_not_imported(node: Node) -> None:
    image = node.image("keda:1")
    done = node.bring("keda", image.model_copy(update={"sha256": "0" * 64}))
    assert done.returncode != 0
    assert f"keda_1.tar: found sha256 {image.sha256}, expected {'0' * 64}" in done.stderr
    assert node.held() == set()


def test_the_script_passes_shellcheck(node: Node) -> None:
    script = f"set -euo pipefail\n{render_import('/root/x', 'keda', [node.image('keda:1')])}"
    assert shellcheck(script) == ""
