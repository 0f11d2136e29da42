"""What `pulumi` runs with."""

import stat
from pathlib import Path

import pytest

from sandbox.toolchain import StateError, Toolchain

TOOLCHAIN = Toolchain((), Path("/cache/pulumi"), Path("/cache/home"))


def test_pulumi_runs_with_our_backend_and_passphrase_and_without_what_would_change_it_unseen(
    tmp_path: Path,
) -> None:
    inherited = {
        "PATH": "/usr/bin",
        "HOME": "/root",
        "SSH_AUTH_SOCK": "/agent",
        "PULUMI_SKIP_CHECKPOINTS": "true",
        "PULUMI_CONFIG_PASSPHRASE": "another",
        "PULUMI_BACKEND_URL": "https://elsewhere",
    }
    environment = TOOLCHAIN.environment(tmp_path, inherited)
    assert environment.pop("PATH").split(":")[1:] == ["/cache/pulumi", "/usr/bin"]
    assert environment == {
        "HOME": "/root",
        "PULUMI_HOME": "/cache/home",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/stacks",
        "PULUMI_CONFIG_PASSPHRASE_FILE": f"{tmp_path}/passphrase",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }
    assert (tmp_path / "stacks").is_dir()


def test_the_repositorys_own_python_comes_first_on_path(tmp_path: Path) -> None:
    first = TOOLCHAIN.environment(tmp_path)["PATH"].split(":")[0]
    assert Path(first) == Path(__file__).parents[3] / ".venv" / "bin"


def test_the_passphrase_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = Path(TOOLCHAIN.environment(tmp_path / "state")["PULUMI_CONFIG_PASSPHRASE_FILE"])
    made = file.read_text()
    assert len(made) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    TOOLCHAIN.environment(tmp_path / "state")
    assert file.read_text() == made
    assert sorted(path.name for path in file.parent.iterdir()) == ["passphrase", "stacks"]


def test_stacks_whose_passphrase_is_gone_are_not_given_another_one(tmp_path: Path) -> None:
    environment = TOOLCHAIN.environment(tmp_path)
    stack = tmp_path / "stacks" / ".pulumi" / "stacks" / "a1platform" / "a1.json"
    stack.parent.mkdir(parents=True)
    stack.write_text("{}")
    Path(environment["PULUMI_CONFIG_PASSPHRASE_FILE"]).unlink()
    with pytest.raises(StateError, match="but no passphrase"):
        TOOLCHAIN.environment(tmp_path)
