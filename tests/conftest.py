"""How the fast tests are shared out among processes: `pytest -n auto --dist loadgroup`."""

from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]


def _group(path: Path) -> str:
    """Tests that share what takes long to make, or what there is one of, go to one process."""
    where = path.relative_to(_ROOT)
    return where.as_posix() if where.parts[:2] == ("tests", "unit") else "/".join(where.parts[:2])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))
