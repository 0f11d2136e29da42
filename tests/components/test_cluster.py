"""The component `K3sCluster` against the recording engine."""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import mocks

from a1platform.bundle import Bundle, BundleImage, load
from a1platform.cluster.component import K3sCluster, K3sClusterArgs
from a1platform.cluster.images import copy_images
from a1platform.settings.node import NodeSettings
from tests.components.conftest import Declared, Echo

Declare = Callable[..., dict[str, Declared]]
_K3S_YAML = """
clusters: [{cluster: {certificate-authority-data: Y2E=}}]
users: [{user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}}]
---
K10abc::server:def
"""


class _Server(Echo):
    """A server that prints its kubeconfig."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        name, state = super().new_resource(args)
        return name, {**state, "stdout": _K3S_YAML} if args.name.endswith("-access") else state


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    key = tmp_path_factory.mktemp("ssh") / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nprivate-part\n-----END PRIVATE KEY-----\n")
    public = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
    return NodeSettings.model_validate(
        {"name": "a1", "host": "192.0.2.10", "privateKeyFile": key, "hostKey": f"ssh-ed25519 {public}"}
    )


def _bundle(folder: Path, parts: Sequence[str]) -> Bundle:
    """Return a bundle with K3s and one image for each of these parts."""
    listed: dict[str, Any] = {
        "schema": 1,
        "k3s": {"version": "v1.30.5+k3s1", "path": "k3s", "sha256": "a" * 64, "origin": "test"},
        "parts": {
            part: {
                "images": [{"path": f"{part}/{part}.tar", "sha256": "b" * 64, "references": [f"{part}:1"]}],
                "origin": "test",
            }
            for part in parts
        },
    }
    (folder / "k3s").write_text("k3s")
    for part in parts:
        (folder / part).mkdir()
        (folder / part / f"{part}.tar").write_text(part)
    (folder / "bundle.json").write_text(json.dumps(listed))
    return load(folder)


@pytest.fixture(scope="module")
def declared(
    declare: Declare, node: NodeSettings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Declared]:
    bundle = _bundle(tmp_path_factory.mktemp("bundle"), ["system"])
    args = K3sClusterArgs(name="a1-test", nodes=(node,), bundle=bundle)
    return declare(lambda: K3sCluster("cluster", args).kubeconfig, answers=_Server())


def test_images_come_one_part_after_the_other_in_the_order_that_is_asked_for(
    declare: Declare, node: NodeSettings, tmp_path: Path
) -> None:
    bundle = _bundle(tmp_path, ["system", "keda", "argo-cd", "unused"])
    args = K3sClusterArgs(name="a1-test", nodes=(node,), bundle=bundle, parts=("argo-cd", "absent", "keda"))
    found = declare(lambda: K3sCluster("cluster", args).kubeconfig, answers=_Server())
    imports = {name for name in found if name.startswith("a1-")}
    copy = f"{'b' * 16}-copy"
    assert imports == {f"a1-{part}-images{end}" for part in ("argo-cd", "keda") for end in ("", f"-{copy}")}
    first, second = (f"a1-{part}-images-{copy}" for part in ("argo-cd", "keda"))
    # On destroy they go before K3s does, which takes their images along. They need no DNS in the cluster.
    assert found[first].after == ("cluster-a1-k3s",)
    assert found[second].after == (first,)
    assert set(found["a1-argo-cd-images"].after) == {"cluster-a1-k3s", first}
    assert set(found["a1-keda-images"].after) == {"a1-argo-cd-images", second}


def test_only_the_image_that_changed_is_copied_again_wherever_the_bundle_keeps_the_others(
    declare: Declare, node: NodeSettings, tmp_path: Path
) -> None:
    def copies(content: str, digests: Sequence[str]) -> dict[str, Declared]:
        images = [_image(tmp_path / content / f"image-{i}.tar", sha) for i, sha in enumerate(digests)]
        found = declare(lambda: copy_images("a1-keda-images", node, images)[-1].urn)
        return {one.inputs["remotePath"]: one for one in found.values() if one.type.endswith("CopyToRemote")}

    before = copies("old", ["1" * 64, "2" * 64, "3" * 64])
    after = copies("new", ["1" * 64, "4" * 64, "3" * 64])
    place = ".a1-upload/a1-keda-images"
    assert after.keys() - before.keys() == {f"{place}-{'4' * 16}/image-1.tar"}
    same = after.keys() & before.keys()
    assert same == {f"{place}-{'1' * 16}/image-0.tar", f"{place}-{'3' * 16}/image-2.tar"}
    # The engine compares files by their digest alone, and resources by their names.
    assert {after[path].name for path in same} == {before[path].name for path in same}


def test_the_images_of_a_part_are_copied_one_at_a_time(
    declare: Declare, node: NodeSettings, tmp_path: Path
) -> None:
    images = [_image(tmp_path / f"image-{sha}.tar", sha * 64) for sha in "123"]
    found = declare(lambda: copy_images("i", node, images)[-1].urn)
    first, second, third = (f"i-{sha * 16}-copy" for sha in "123")
    assert (found[first].after, found[second].after, found[third].after) == ((), (first,), (second,))


def test_an_image_that_is_not_there_is_named_before_anything_is_declared(
    node: NodeSettings, tmp_path: Path
) -> None:
    image = BundleImage.model_construct(path=tmp_path / "keda.tar", sha256="1" * 64, references=("keda:1",))
    with pytest.raises(ValueError, match=r"found no file '.*keda\.tar'"):
        copy_images("i", node, [image])


def _image(path: Path, digest: str) -> BundleImage:
    path.parent.mkdir(exist_ok=True)
    path.write_text(digest)
    return BundleImage.model_construct(path=path, sha256=digest, references=(f"{path.stem}:1",))


def test_what_k3s_needs_is_there_before_it_is_installed(declared: dict[str, Declared]) -> None:
    assert set(declared["cluster-a1-k3s"].after) == {"cluster-a1-binary", "cluster-a1-images"}


def test_the_kubeconfig_is_read_after_every_installation(declared: dict[str, Declared]) -> None:
    read = declared["cluster-access"]
    assert "cluster-a1-k3s" in read.after
    assert "stdout" in read.secret_outputs


def test_destroying_the_installation_takes_the_cluster_along_in_one_act(
    declared: dict[str, Declared],
) -> None:
    assert declared["cluster-provider"].deleted_with == "cluster-a1-k3s"
    assert declared["cluster-access"].deleted_with == "cluster-a1-k3s"
    assert "revert" in declared["cluster-a1-k3s"].inputs["delete"]


def test_the_provider_is_bound_to_the_cluster_and_gives_up_in_time(declared: dict[str, Declared]) -> None:
    inputs = declared["cluster-provider"].inputs
    assert inputs["clusterIdentifier"] == "a1-test"
    assert "60" in str(inputs["kubeClientSettings"])


def test_the_provider_takes_the_rewritten_kubeconfig_as_a_secret(declared: dict[str, Declared]) -> None:
    provider = declared["cluster-provider"]
    assert "https://192.0.2.10:6443" in provider.inputs["kubeconfig"]
    assert "kubeconfig" in provider.secrets


def test_a_cluster_costs_seven_connections(declared: dict[str, Declared]) -> None:
    assert sum(resource.type.startswith("command:remote:") for resource in declared.values()) == 7


def test_everything_in_the_cluster_waits_for_its_dns(declared: dict[str, Declared]) -> None:
    assert declared["cluster-a1-answers"].after == ("cluster-a1-k3s",)
    assert declared["cluster-a1-answers"].deleted_with == "cluster-a1-k3s"
    assert "cluster-a1-answers" in declared["cluster-provider"].after
