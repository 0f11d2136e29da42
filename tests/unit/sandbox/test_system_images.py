"""The images that K3s's own pods need."""

import pytest

from sandbox.build.go import BuildError
from sandbox.recipes.system import REFERENCES, require_listed

_OFF = "docker.io/rancher/klipper-lb:v0.4.9\ndocker.io/rancher/mirrored-library-traefik:2.11.8\n"


def test_what_k3s_lists_is_made_but_for_what_is_switched_off() -> None:
    require_listed(_OFF + "\n".join(REFERENCES))


@pytest.mark.parametrize("listed", [REFERENCES[1:], (*REFERENCES, "docker.io/rancher/new:1")])
def test_an_image_too_few_or_too_many_stops_the_build_by_its_name(listed: tuple[str, ...]) -> None:
    (differing,) = set(listed) ^ set(REFERENCES)
    with pytest.raises(BuildError, match=differing):
        require_listed(_OFF + "\n".join(listed))
