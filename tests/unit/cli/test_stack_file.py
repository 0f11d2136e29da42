"""What a stack's file may be, and what of it is told when it cannot be used."""

from pathlib import Path

import pytest

from a1platform.cli.stack_file import StackFile, StackFileError


def _refused(folder: Path, text: str) -> str:
    """Return what is told about a file, without the file's own name."""
    path = folder / "Pulumi.a1.yaml"
    path.write_text(text)
    with pytest.raises(StackFileError) as refused:
        StackFile(path).check()
    return str(refused.value).replace(str(path), "FILE")


_PASTED = "config:\n  a1platform:nodes: []\n-----BEGIN PRIVATE KEY-----\nS3cretS3cret\n"
_TWICE = "config:\n  a1platform:platform:\n    adminPassword: S3cret1\n    adminPassword: S3cret2\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_PASTED, "could not find expected ..., line 4, column 1"),
        (_TWICE, "found the key adminPassword twice, line 4, column 5"),
        ("config:\n  a:b:\n    S3cret key: 1\n    S3cret key: 2\n", "found a key twice, line 4, column 5"),
        ("adminPassword: @S3cret\n", "found character ... that cannot start any token, line 1, column 16"),
        ("adminPassword: *S3cret\n", "found undefined alias ..., line 1, column 16"),
        ("adminPassword: 'S3cret\n", "found unexpected end of stream, line 2, column 1"),
        ("adminPassword: !!int S3cret\n", "found a number or a day that is none"),
        (
            "config: {'a1platform:k3s': {maxPods: " + "7" * 5000 + "}}",
            "found a number or a day that is none",
        ),
        ("adminPassword: S3cret\x01\n", "found a character that YAML does not allow"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place_and_without_its_values(
    tmp_path: Path, text: str, told: str
) -> None:
    found = _refused(tmp_path, text)
    assert found == f"FILE: found no YAML, expected a configuration: {told}"
