"""Argo CD's own program, which judges what it is given as the installed one does."""

import shutil

import pytest

from sandbox.cache import Cache


@pytest.fixture(scope="module")
def program() -> str:
    """Return `argocd`, from PATH or as it was built for the bundle."""
    built = sorted((Cache.default().root / "programs").glob("argo-cd-*/argocd"))
    found = shutil.which("argocd") or (str(built[0]) if built else "")
    if not found:
        pytest.skip("argocd is not installed, and was not built here yet")
    return found
