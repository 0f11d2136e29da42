"""A bundle of three small parts, and a Helm that prints a chart's templates as they are."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from sandbox import bundle as making
from sandbox import chart_images, chart_values, side_by_side
from sandbox.build.go import BuildError
from sandbox.build.image import ImageFile, ImageSettings, write_image
from sandbox.bundle import make_bundle
from sandbox.cache import Cache
from sandbox.chart_values import Installation
from sandbox.parts import Part
from sandbox.progress import Progress


class Bench:
    """Three small parts whose builds are counted, and can be told to fail or to ask for an image."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the parts in the place of the real ones."""
        self.cache = Cache(folder / "cache")
        self.built: list[str] = []
        self.broken: set[str] = set()
        self.asks: dict[str, str] = {}
        self.said: list[str] = []
        self.ready: list[str] = []
        self.recipes = folder / "recipes"
        self.recipes.mkdir()
        self.parts = {name: self._part(name) for name in ("one", "two", "three")}
        monkeypatch.setattr(making, "PARTS", self.parts)
        monkeypatch.setattr(making, "_ROOT", folder)
        self.programs = {"K3s": True, "Pulumi": True}
        monkeypatch.setattr(making, "held_k3s", lambda _: self.programs["K3s"])
        monkeypatch.setattr(making, "has_toolchain", lambda _: self.programs["Pulumi"])
        self.helm = folder / "helm"
        self.helm.write_text('#!/bin/sh\ncat "$3"/templates/* 2>/dev/null || true\n')
        self.helm.chmod(0o755)
        monkeypatch.setattr(chart_images, "build", lambda *_: folder)
        given = {name: Installation(name, "default") for name in self.parts}
        monkeypatch.setattr(chart_values, "INSTALLATIONS", given)
        # One after the other, so that each test knows the order.
        monkeypatch.setattr(side_by_side, "available_memory", lambda _: 0)

    def _part(self, name: str) -> Part:
        recipe = self.recipes / f"{name}.py"
        recipe.write_text(name)

        def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
            self.built.append(name)
            progress(f"building {name}")
            if name in self.broken:
                raise BuildError("\n".join(f"line {number}" for number in range(40)))
            root = cache.folder("roots", name)
            (root / "program").write_text(recipe.read_text())
            path = cache.folder("images") / f"{name}-0123456789ab.tar"
            return (write_image(root, path, (f"docker.io/example/{name}:1",), ImageSettings()),)

        def chart(_cache: Cache, _progress: Progress, out: Path) -> str:
            write_chart(out, "1.0.0", self.asks.get(name))
            return "1.0.0"

        return Part(name, f"recipe of {name}", images, chart, (recipe,), 1024)

    def make(self, parts: Sequence[str] | None = None) -> Path:
        """Make the bundle; `built` and `ready` tell what this run did."""
        self.built.clear()
        self.ready.clear()
        return make_bundle(self.cache, self.said.append, parts, self.ready.append)


def write_chart(folder: Path, version: str, image: str | None = None) -> Path:
    """Write a chart, with a pod of an image where one is named, and return its folder."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(f"name: x\nversion: {version}\n")
    if image:
        pod = f"kind: Pod\nmetadata: {{name: x}}\nspec: {{containers: [{{name: x, image: {image}}}]}}\n"
        (folder / "templates" / "pod.yaml").write_text(pod)
    return folder
