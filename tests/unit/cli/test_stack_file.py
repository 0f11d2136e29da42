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


def test_a_number_that_pulumi_would_read_as_another_one_is_refused(tmp_path: Path) -> None:
    text = "config: {'a1platform:hardening': {firewall: {sshPort: 022}}, 'a1platform:k3s': {maxPods: 0x32}}"
    line = "a1platform:hardening.firewall.sshPort: found 22 after a leading zero, expected it without, as "
    assert _refused(tmp_path, text).splitlines()[1:] == [f"{line}Pulumi reads it as octal"]


@pytest.mark.parametrize("number", [".nan", "-.inf"])
def test_a_number_that_pulumi_cannot_hand_on_is_refused(tmp_path: Path, number: str) -> None:
    found = _refused(tmp_path, f"config: {{'a1platform:k3s': {{extraConfig: {{x: [{number}]}}}}}}")
    assert f"a1platform:k3s.extraConfig.x[0]: found {number.replace('.', '')}, expected a number" in found


@pytest.mark.parametrize("value", ["[]", "''", "false", "0", "x"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, value: str) -> None:
    for text in (value, f"config: {value}"):
        assert _refused(tmp_path, text) == "FILE: found no mapping, expected one with the mapping 'config'"


@pytest.mark.parametrize("value", ["", "''", "null"])
def test_a_key_without_a_value_is_as_if_it_were_not_there(tmp_path: Path, value: str) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    path.write_text(f"config:\n  a1platform:preflight: {value}\n  a1platform:bundle: {value}\n")
    StackFile(path).check()


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("nodes", "{secure: x}", "nodes"),
        ("nodes", "[{secure: x}]", "nodes[0]"),
        ("preflight", "{vcpus: {secure: x}}", "preflight.vcpus"),
        ("hardening", "{updates: {holdBack: [{secure: x}]}}", "hardening.updates.holdBack[0]"),
        ("k3s", "{releaseUrl: {secure: x}}", "k3s.releaseUrl"),
        ("bundle", "{secure: x}", "bundle"),
    ],
)
def test_what_is_read_before_pulumi_decrypts_is_no_encrypted_value(
    tmp_path: Path, key: str, value: str, place: str
) -> None:
    found = _refused(tmp_path, f"config: {{'a1platform:{key}': {value}, 'a1platform:platform': {{x: 1}}}}")
    line = f"a1platform:{place}: found an encrypted value, expected it in plain text: it is read before "
    assert found.splitlines()[1] == f"{line}Pulumi decrypts"
    assert found.splitlines()[-1].startswith("a1platform:platform.x: found an unknown key")
    assert len(found.splitlines()) == 3
    assert "encrypted.invalid" not in found


def test_a_number_of_too_many_digits_is_told_like_any_other(tmp_path: Path) -> None:
    found = _refused(tmp_path, f"config: {{'a1platform:k3s': {{maxPods: 0x{'f' * 5000}}}}}")
    assert "a1platform:k3s.maxPods: found a number of too many digits, expected" in found
