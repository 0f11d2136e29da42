"""How a problem is worded: what may be shown of a value, and what is expected in its place."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from a1platform.settings.load import SettingsError, parse
from a1platform.settings.model import A1Settings
from a1platform.settings.words import examples, one_of
from tests.unit.settings.refused import Entry, refused

_BODY = base64.b64encode(b"openssh-key-v1\0" + bytes(range(200))).decode()
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_BODY}\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize("key", [KEY, KEY.replace("\n", " "), KEY.replace("\n", ""), _BODY])
@pytest.mark.parametrize("name", ["privateKeyFile", "hostKey", "name", "host", "user", "address", "port"])
def test_a_private_key_in_the_wrong_place_is_never_shown(node: Entry, name: str, key: str) -> None:
    lines = refused({"nodes": [node(**{name: key})]})
    assert (
        f"nodes[0].{name}: found a text of {len(key)} characters, which is not shown, expected " in lines[0]
    )
    assert not any(_BODY[start : start + 12] in line for line in lines for start in range(len(_BODY) - 12))


@pytest.mark.parametrize(
    "values",
    [
        {"bundle": f"/{KEY}"},
        {"k3s": {"sha256": KEY}},
        {KEY: 1},
        {"k3s": {KEY: 1}},
        {"platform": {"externalSecrets": {"provider": {KEY: 1, "vault": {}}}}},
        {"services": {"image": KEY}},
        {"access": {"readOnly": {"users": [f"system:{KEY}"]}}},
        {"hardening": {"firewall": {"adminRanges": [KEY]}}},
    ],
)
def test_a_private_key_is_not_shown_wherever_it_was_pasted(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(values)
    assert _BODY[:12] not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_password_in_a_url_is_not_shown() -> None:
    (line,) = refused({"platform": {"keda": {"repository": "ftp://me:of-mine@charts.example.com"}}})
    assert "of-mine" not in line


@pytest.mark.parametrize("text", ['{"argoCd": {"adminPassword": "hunter2"}', "['hunter2'"])
def test_of_a_text_that_should_have_been_a_mapping_nothing_is_shown(text: str) -> None:
    (line,) = refused({"platform": text})
    assert line.startswith(f"platform: found a text of {len(text)} characters, which is not shown")


@pytest.mark.parametrize(
    "values",
    [
        {"services": {"image": "a-" * 5000}},
        {"hardening": {"kernel": "a-" * 5000}},
        {"a-" * 5000: 1},
        {"bundle": "/a-" * 5000},
        {"platform": {"externalSecrets": {"provider": {"a-" * 5000: 1, "vault": {}}}}},
    ],
)
def test_a_long_value_is_cut_short(values: dict[str, Any]) -> None:
    (line,) = refused(values)
    assert "a-a-a" in line.replace("/", "")
    assert len(line) < 500


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"k3s": []}, "k3s: found a list of 0, expected a mapping of keys to values"),
        ({"nodes": {}}, "nodes: found a mapping, expected a list"),
        ({"nodes": [["a1"]]}, "nodes[0]: found a list of 1, expected a mapping of keys to values"),
        ({"bundle": ["x"]}, "bundle: found a list of 1, expected a path"),
        ({"k3s": {"maxPods": 5}}, "k3s.maxPods: found 5, expected at least 10"),
        ({"k3s": {"maxPods": 500}}, "k3s.maxPods: found 500, expected at most 250"),
        ({"k3s": {"maxPods": None}}, "k3s.maxPods: found null, expected an integer"),
        (
            {"k3s": {"version": "v1.٣.5+k3s1"}},
            "k3s.version: found 'v1.٣.5+k3s1', expected a text such as 'v1.30.5+k3s1'",
        ),
        (
            {"platform": {"externalSecrets": None}},
            "platform.externalSecrets: found null, expected a mapping of keys to values",
        ),
        (
            {"platform": {"argoCd": False}},
            "platform.argoCd: found false, expected a mapping of keys to values",
        ),
        (
            {"platform": {"monitoring": None}},
            "platform.monitoring: found null, expected a mapping of keys to values",
        ),
        ({"k3s": {"version": "1.30"}}, "k3s.version: found '1.30', expected a text such as 'v1.30.5+k3s1'"),
        (
            {"k3s": {"clusterCidr": "10.42.0.5/16"}},
            "k3s.clusterCidr: found '10.42.0.5/16' with host bits, expected '10.42.0.0/16'",
        ),
        (
            {"k3s": {"serviceCidr": "10.43.0.0"}},
            "k3s.serviceCidr: found '10.43.0.0', expected an IPv4 range such as 10.42.0.0/16",
        ),
        (
            {"k3s": {"serviceCidr": 5}},
            "k3s.serviceCidr: found 5, expected an IPv4 range such as 10.42.0.0/16",
        ),
        (
            {"hardening": {"firewall": {"webRanges": ["192.0.2.5/24"]}}},
            "hardening.firewall.webRanges[0]: found '192.0.2.5/24' with host bits, expected '192.0.2.0/24'",
        ),
        (
            {"hardening": {"firewall": {"adminRanges": []}}},
            "hardening.firewall.adminRanges: found a list of 0, expected at least 1 in the list",
        ),
    ],
)
def test_what_is_expected_is_said_in_words(values: dict[str, Any], line: str) -> None:
    assert refused(values) == [line]


def _everywhere(schema: dict[str, Any], depth: int, wrong: object) -> dict[str, Any]:
    """Return a configuration with one value at every key of a depth, through lists and mappings."""
    given: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        for one in (field, *field.get("anyOf", ())):
            inner = _SCHEMA["$defs"].get(one.get("$ref", "").rpartition("/")[2])
            if not depth:
                given[name] = wrong
            elif inner and "properties" in inner:
                given[name] = _everywhere(inner, depth - 1, wrong)
    return given


_SCHEMA = A1Settings.model_json_schema()


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("wrong", [None, True, 1.5, -1, "", "%", [], ["%", 1], {}, {"%": 1}])
def test_no_problem_is_told_in_the_words_of_the_library(wrong: object, depth: int) -> None:
    try:
        parse(_everywhere(_SCHEMA, depth, wrong))
    except SettingsError as error:
        for line in str(error).splitlines()[1:]:
            assert re.search(r": found .+, expected ", line), line
            assert not re.search(r"valid |should|class '|instance|tuple|pattern|dictionary|\\d", line), line


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (text for text in [schema.get("pattern")] if isinstance(text, str))
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else []:
        yield from _patterns(inner)


def test_every_pattern_has_an_example_that_it_matches() -> None:
    known = examples(A1Settings)
    patterns = set(_patterns(_SCHEMA))
    assert patterns == set(known)
    assert all(re.search(pattern, known[pattern]) for pattern in patterns)


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/bundle", "/" + "x" * 5000, "/nowhere\0"])
def test_what_can_be_no_folder_is_told_like_one_that_is_not_there(folder: str) -> None:
    (line,) = refused({"bundle": folder})
    assert line.startswith("bundle: found no bundle.json in '")


def test_the_one_name_that_there_is_stands_alone_in_what_is_expected() -> None:
    assert one_of("maxRatoi", ["maxRatio"]) == "expected maxRatio"
    assert one_of("maxRatoi", ["maxRatio", "limits"]) == "expected maxRatio, or another of limits"
