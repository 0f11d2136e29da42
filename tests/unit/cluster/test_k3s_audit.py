"""What is found of K3s' binary and of the images that it starts with."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from a1platform.cluster.k3s import BINARY, IMAGES_CONCERN, k3s
from a1platform.node.shell import library
from a1platform.node.upload import Upload
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings

_DIGEST = "a" * 64


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folder of the archives that K3s starts with."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def _images(server: NodeSettings, folder: Path, verb: str, *names: str) -> list[str]:
    """Return what is found of archives of images, each of which is to hold its own stem."""
    digests = {name: hashlib.sha256(Path(name).stem.encode()).hexdigest() for name in names}
    images = [Upload(name, digest, str(folder / name)) for name, digest in digests.items()]
    change = k3s(K3sSettings(), server, [server], _DIGEST, images)
    call = change.verify.splitlines()[-1]
    functions = (
        f"{library('host_change.sh')}\n{change.functions}\na1_state={folder.parent}/state a1_verb={verb}"
    )
    told = 'a1_changed() { echo then; }\na1_deviation() { echo "$@"; }'
    told += f'\na1_k3s_digest() {{ echo "$1" >>{folder.parent}/read; sha256sum <"$1" | cut -d" " -f1; }}'
    script = f"{functions}\n{told}\n{call}"
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_images_that_a_destroy_which_was_cut_has_taken_are_missed(server: NodeSettings, images: Path) -> None:
    (images / "there.tar").write_text("there")
    said = _images(server, images, "drift", "there.tar", "gone.tar")
    assert said == [f"{IMAGES_CONCERN} {images}/gone.tar absent then"]


def test_an_image_archive_with_another_content_is_named_and_read_again_only_when_it_was_touched(
    server: NodeSettings, images: Path
) -> None:
    archive = images / "one.tar"
    archive.write_text("one")
    seen = images.parent / "state/k3s/images"
    seen.parent.mkdir(parents=True)
    assert _images(server, images, "verify", "one.tar") == []
    archive.write_text("two")
    expected, found = (hashlib.sha256(text).hexdigest()[:12] for text in (b"one", b"two"))
    line = f"{IMAGES_CONCERN} {archive} sha256 {expected} sha256 {found} then"
    for verb in ("drift", "verify"):
        assert _images(server, images, verb, "one.tar") == [line]
    assert seen.read_text() == ""
    archive.write_text("one")
    assert _images(server, images, "drift", "one.tar") == []
    assert _images(server, images, "verify", "one.tar") == []
    assert len((images.parent / "read").read_text().splitlines()) == 4


def test_an_archive_beside_ours_is_named_by_an_audit_for_people(server: NodeSettings, images: Path) -> None:
    for name in ("one", "other"):
        (images / f"{name}.tar").write_text(name)
    assert _images(server, images, "verify", "one.tar") == [
        f"{IMAGES_CONCERN} beside ours none {images}/other.tar then"
    ]
    assert _images(server, images, "drift", "one.tar") == []


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o4755])
def test_a_binary_that_others_may_write_is_named_and_put_right(
    server: NodeSettings, tmp_path: Path, mode: int
) -> None:
    binary = tmp_path / "k3s"
    binary.write_text("x")
    binary.chmod(mode)
    functions = k3s(K3sSettings(), server, [server], _DIGEST).functions
    for path, own in (
        (BINARY, str(binary)),
        ("/usr/local/bin/", f"{tmp_path}/"),
        ("/var/lib", str(tmp_path)),
    ):
        functions = functions.replace(path, own)
    owner = f"{binary.owner()}:{binary.group()}"
    script = f"""{library("host_change.sh")}
{functions.replace("root:root", owner)}
a1_state={tmp_path}/state a1_verb=apply
systemctl() {{ :; }}
a1_k3s_verify ""
echo then
a1_k3s_place
a1_k3s_verify ""
"""
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    before, after = done.stdout.split("then\n")
    named = f"k3s binary's mode\t755 {owner}\t{mode:o} {owner}\t"
    assert (named in before) is (mode != 0o755)
    assert "k3s binary's mode" not in after
    assert binary.stat().st_mode & 0o7777 == 0o755


def test_what_k3s_reads_beside_ours_is_named_unless_it_is_declared(
    server: NodeSettings, tmp_path: Path
) -> None:
    agent = tmp_path / "var/lib/rancher/k3s/agent"
    paths = [
        agent / "pod-manifests/miner.yaml",
        tmp_path / "etc/rancher/k3s/registries.yaml",
        agent / "etc/containerd/config.toml.tmpl",
    ]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
    functions = k3s(K3sSettings(), server, [server], _DIGEST).functions
    for root in ("/var/lib/rancher", "/etc/rancher"):
        functions = functions.replace(root, f"{tmp_path}{root}")
    script = f"{functions}\na1_k3s_beside {paths[1]}"
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(paths[0]), str(paths[2])]
