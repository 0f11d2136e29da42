"""Services from a bundle run its image by the name that tells its content, unless the site names another."""

from pathlib import Path

import pytest

from a1platform.bundle import Bundle
from a1platform.services.image import with_image_of
from a1platform.settings.services import DEFAULT_IMAGE, ServicesSettings
from tests.services_bundle import SERVICES_IMAGE, services_bundle

OWN = f"registry.example.org/a1/mcp-services@sha256:{'3f' * 32}"


def test_another_content_in_the_bundle_is_another_image_and_the_same_content_the_same(tmp_path: Path) -> None:
    first, same, other = (
        with_image_of(services_bundle(tmp_path / folder, content), ServicesSettings()).image
        for folder, content in (("first", "a"), ("same", "a"), ("other", "b"))
    )
    assert first == same == f"{SERVICES_IMAGE}-a"
    assert other == f"{SERVICES_IMAGE}-b"


@pytest.mark.parametrize("image", [OWN, DEFAULT_IMAGE, f"{SERVICES_IMAGE}-older"])
def test_an_image_that_the_site_names_is_taken_whatever_the_bundle_holds(tmp_path: Path, image: str) -> None:
    settings = ServicesSettings(image=image)
    assert with_image_of(services_bundle(tmp_path, "a"), settings) == settings


def test_nothing_but_the_image_changes(tmp_path: Path) -> None:
    settings = ServicesSettings.model_validate(
        {"minReplicas": 3, "overrides": {"mcp-gateway": {"image": OWN}}}
    )
    found = with_image_of(services_bundle(tmp_path, "a"), settings)
    assert found == settings.model_copy(update={"image": f"{SERVICES_IMAGE}-a"})
    assert with_image_of(services_bundle(tmp_path, "b"), found) == found, "what is chosen once stays"


def test_without_a_bundle_or_an_image_in_it_the_default_stays(tmp_path: Path) -> None:
    for bundle in (None, Bundle(tmp_path, None, {}, {})):
        assert with_image_of(bundle, ServicesSettings()).image == DEFAULT_IMAGE
