"""What a later stage cannot do is told with all else that is wrong, by the program and the command line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.naming import PROJECT
from a1platform.refusal import problems
from a1platform.settings.load import SettingsError, parse

WRONG: dict[str, Any] = {
    "hardening": {"sysctl": {"skip": {"kernel.sysrk": "a test"}}},
    "policies": {
        "enforcement": {"pod-usr": "warn"},
        "exemptions": [{"policy": "image-tags", "namespace": "team-a", "reason": "until its move"}],
    },
    "services": {"overrides": {"mcp-gatway": {"cpuMilli": 100}}},
    "k3s": {"maxPods": 5},
}
LINES = (
    "k3s.maxPods: found 5, expected at least 10",
    "hardening.sysctl.skip.kernel.sysrk: found a parameter that would not be set, expected kernel.sysrq, or ",
    "policies.enforcement.pod-usr: found no policy 'pod-usr', expected pod-user, or another of ",
    "policies.exemptions[0].policy: found no policy 'image-tags', expected image-tag, or another of ",
    "services.overrides.mcp-gatway: found no service of this name, expected mcp-gateway, or another of ",
)


def _told(error: Exception) -> list[str]:
    return [line.strip().removeprefix(f"{PROJECT}:") for line in str(error).splitlines()[1:]]


def test_the_program_and_the_command_line_tell_all_of_it_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as by_program:
        parse(WRONG, problems)
    file = tmp_path / "Pulumi.a1.yaml"
    file.write_text(yaml.safe_dump({"config": {f"{PROJECT}:{key}": WRONG[key] for key in WRONG}}))
    with pytest.raises(StackFileError) as by_command:
        StackFile(file).check()
    told = _told(by_program.value)
    assert len(told) == len(LINES)
    assert all(found.startswith(line) for found, line in zip(told, LINES, strict=True))
    assert _told(by_command.value) == told


def test_a_parameter_of_a_policy_that_takes_none_is_told_so() -> None:
    with pytest.raises(SettingsError, match=r"parameters.pod-user.x: found no parameter of this name, expe"):
        parse({"policies": {"parameters": {"pod-user": {"x": 1}}}}, problems)


def test_right_settings_of_all_stages_are_taken() -> None:
    parse(
        {
            "hardening": {"sysctl": {"skip": {"kernel.sysrq": "serial console"}}},
            "policies": {"enforcement": {"pod-user": "warn"}},
        },
        problems,
    )
