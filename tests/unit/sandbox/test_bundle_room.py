"""Too little disk or memory is told before the first build, whatever it is that has to be built."""

import shutil
from dataclasses import replace

import pytest

from a1platform.bundle import BundleError
from sandbox import bundle as making
from sandbox.bundle import ready_parts
from tests.unit.sandbox.small_bundle import Bench


def test_too_little_disk_is_told_before_anything_is_built(small: Bench) -> None:
    small.parts["two"] = replace(small.parts["two"], disk=2**60)
    with pytest.raises(BundleError, match=r"about .* GiB of disk in .* are needed, .* GiB are free"):
        small.make()
    assert small.built == []


@pytest.mark.parametrize("lacking", [["K3s"], ["Pulumi"], ["K3s", "Pulumi"]])
@pytest.mark.parametrize("made", [[], ["one", "two", "three"]])
def test_what_is_built_before_the_parts_is_counted_while_it_is_not_there(
    small: Bench, monkeypatch: pytest.MonkeyPatch, lacking: list[str], made: list[str]
) -> None:
    missing = [name for name in small.parts if name not in made]
    if made:
        small.make()
    free = shutil.disk_usage(small.recipes)._replace(free=5 * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    monkeypatch.setattr(making, "available_memory", lambda _: 2**40)
    small.programs |= dict.fromkeys(lacking, False)
    named = ", ".join([*missing, " and ".join(lacking)])
    with pytest.raises(BundleError, match=rf"^{named}: about 7.0 GiB of disk .* 5.0 GiB are free"):
        ready_parts(small.cache)
    small.programs |= dict.fromkeys(lacking, True)
    assert ready_parts(small.cache) == (made, missing)


def test_too_little_memory_is_told_before_anything_is_built(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "available_memory", lambda _: 2**20)
    with pytest.raises(
        BundleError, match=r"building needs about .* of memory, .* are available; end what uses it"
    ):
        small.make()
    assert small.built == []


def test_a_full_bundle_needs_no_disk_and_no_memory(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    small.make()
    monkeypatch.setattr(making, "available_memory", lambda _: 2**20)
    small.make()
