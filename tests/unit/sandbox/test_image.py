"""Images are written without an engine, and every build of the same files is the same file."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.build import compose as composing
from sandbox.build import image as writing
from sandbox.build.compose import Image, compose
from sandbox.build.image import ImageSettings, find_image, write_image
from sandbox.bundle_list import link
from sandbox.cache import Cache

_SETTINGS = ImageSettings(
    entrypoint=("/bin/app",),
    environment={"B": "2", "A": "1"},
    user="999:999",
    ports=("80/tcp",),
    owners={"/home/app": 999},
)
_NAMES = ("docker.io/example/app:1.0", "docker.io/example/app:1.0-abc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "app").write_bytes(b"\x7fELF")
    (folder / "bin" / "app").chmod(0o755)
    (folder / "bin" / "other-name").symlink_to("app")
    (folder / "home" / "app").mkdir(parents=True)
    return folder


def _archive(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: content.read() for name, content in files.items() if content}


def _layer(path: Path) -> tarfile.TarFile:
    content = _archive(path)
    name = json.loads(content["manifest.json"])[0]["Layers"][0]
    return tarfile.open(fileobj=io.BytesIO(content[name]))


def test_the_same_files_give_the_same_bytes_whatever_their_times(root: Path, tmp_path: Path) -> None:
    first = write_image(root, tmp_path / "one.tar", _NAMES, _SETTINGS)
    (root / "bin" / "app").touch()
    second = write_image(root, tmp_path / "two.tar", _NAMES, _SETTINGS)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_the_archive_carries_every_name_and_says_how_to_run(root: Path, tmp_path: Path) -> None:
    image = write_image(root, tmp_path / "app.tar", _NAMES, _SETTINGS)
    content = _archive(image.path)
    manifest = json.loads(content["manifest.json"])[0]
    assert manifest["RepoTags"] == list(_NAMES)
    config = json.loads(content[manifest["Config"]])
    assert manifest["Config"] == f"{image.image_id.removeprefix('sha256:')}.json"
    assert config["config"]["Entrypoint"] == ["/bin/app"]
    assert config["config"]["Env"] == ["A=1", "B=2"]
    assert config["config"]["User"] == "999:999"


def test_files_are_roots_but_for_the_folders_that_the_image_names(root: Path, tmp_path: Path) -> None:
    image = write_image(root, tmp_path / "app.tar", _NAMES, _SETTINGS)
    with _layer(image.path) as layer:
        owners = {member.name: member.uid for member in layer}
        links = {member.name: member.linkname for member in layer if member.issym()}
    assert owners == {"bin": 0, "bin/app": 0, "bin/other-name": 0, "home": 0, "home/app": 999}
    assert links == {"bin/other-name": "app"}


def test_an_image_is_found_again_also_once_the_bundle_has_it(root: Path, tmp_path: Path) -> None:
    image = write_image(root, tmp_path / "app.tar", _NAMES, _SETTINGS)
    assert find_image(image.path) == image
    (tmp_path / "bundle").mkdir()
    link(image.path, tmp_path / "bundle" / "app.tar")
    assert find_image(image.path) == image


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole[:-1] + b"x"])
def test_an_image_with_another_content_is_not_found_whatever_its_size_and_time(
    root: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    image = write_image(root, tmp_path / "app.tar", _NAMES, _SETTINGS)
    before = image.path.stat()
    image.path.write_bytes(damage(image.path.read_bytes()))
    os.utime(image.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find_image(image.path) is None


def test_a_write_that_fails_leaves_no_half_image(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(writing, "_member", full)
    with pytest.raises(OSError, match="No space left"):
        write_image(root, tmp_path / "app.tar", _NAMES, _SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "programs" / "app-0123456789ab" / "app"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF")
    return path


def _image(program: Path) -> Image:
    return Image(
        name="app",
        references=_NAMES,
        settings=_SETTINGS,
        programs={"/usr/bin/app": program},
        files={"/usr/bin/wrapper": "#!/bin/sh\nexec app\n", "/etc/app": "x\n"},
        links={"/usr/bin/app-server": "app"},
        folders={"/home/app": 0o700},
    )


def test_a_composed_image_holds_programs_files_links_and_its_user(program: Path, tmp_path: Path) -> None:
    image = compose(_image(program), Cache(tmp_path / "cache"), lambda _line: None)
    with _layer(image.path) as layer:
        modes = {member.name: member.mode for member in layer}
        passwd = layer.extractfile("etc/passwd")
        assert passwd is not None
        users = passwd.read().decode()
    assert modes["usr/bin/app"] == 0o755
    assert modes["usr/bin/wrapper"] == 0o755
    assert modes["etc/app"] == 0o644
    assert modes["home/app"] == 0o700
    assert modes["tmp"] == 0o1777
    assert "app:x:999:999:" in users


def test_an_image_is_composed_once(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    first = compose(_image(program), cache, lambda _line: None)
    monkeypatch.setattr(composing, "write_image", pytest.fail)
    assert compose(_image(program), cache, lambda _line: None) == first


def test_another_file_in_the_recipe_is_another_image(program: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = compose(_image(program), cache, lambda _line: None)
    second = compose(replace(_image(program), files={"/etc/app": "y\n"}), cache, lambda _line: None)
    assert first.path != second.path
