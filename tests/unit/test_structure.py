"""The shape of the code: which way imports go, who reads the configuration, how long things get."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "a1platform"

_BASE = frozenset({"versions", "naming", "types", "bundle"})
_FLOW = ("settings", "node", "cluster", "platform", "services", "outputs")
_BESIDE = {
    # Data and pure functions that the platform's parts and the services share.
    "delivery": frozenset[str](),
    "observability": frozenset({"delivery"}),
}
_READS_THE_CONFIGURATION = PRODUCT / "settings" / "load.py"
_MAX_FILE, _MAX_FUNCTION = 300, 60


def _allowed() -> dict[str, frozenset[str]]:
    allowed = dict.fromkeys(_BASE, _BASE) | {name: _BASE | left | {name} for name, left in _BESIDE.items()}
    for index, package in enumerate(_FLOW):
        beside = frozenset(_BESIDE) if index else frozenset[str]()
        allowed[package] = _BASE | beside | frozenset(_FLOW[: index + 1])
    allowed["refusal"] = frozenset(allowed) | {"refusal"}
    # The command line stands at the end of the flow.
    every = frozenset(allowed) | {"cli"}
    return allowed | {"cli": every, "__main__": every}


ALLOWED = _allowed()
MODULES = sorted(PRODUCT.rglob("*.py"))
CODE = sorted(
    path
    for folder in ("a1platform", "sandbox", "services", "stacks")
    for path in (ROOT / folder).rglob("*.py")
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _package(path: Path) -> str:
    return path.relative_to(PRODUCT).parts[0].removesuffix(".py")


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of everything that is imported, `from a import b` as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function that is not inside another one, with its qualified name."""

    def walk(
        body: list[ast.stmt], prefix: str
    ) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + node.name, node
            elif isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(tree.body, "")


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_package_imports_only_from_its_left(path: Path) -> None:
    if path.parent == PRODUCT and path.stem == "__init__":
        assert not list(_imported(_tree(path)))
        return
    package = _package(path)
    assert package in ALLOWED, f"{package} has no place in the flow: give it one in this file"
    wrong = [
        f"{_name(path)}:{line}: {package} imports {name}"
        for line, name in _imported(_tree(path))
        if name.startswith("a1platform.") and name.split(".")[1] not in ALLOWED[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_the_product_needs_neither_the_sandbox_nor_the_tests(path: Path) -> None:
    outside = {"sandbox", "tests", "stacks", "mcp_services"}
    assert [name for _, name in _imported(_tree(path)) if name.split(".")[0] in outside] == []


@pytest.mark.parametrize("path", [one for one in CODE if one != _READS_THE_CONFIGURATION], ids=_name)
def test_only_one_module_reads_the_configuration(path: Path) -> None:
    tree = _tree(path)
    found = [
        f"{_name(path)}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "Config"
        and isinstance(node.value, ast.Name)
        and node.value.id == "pulumi"
    ]
    found += [
        f"{_name(path)}:{line}"
        for line, name in _imported(tree)
        if re.match(r"pulumi\.(Config|config)", name)
    ]
    assert found == []


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_files_and_functions_stay_short_enough_to_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    too_long = [f"{_name(path)}: {text.count(chr(10))} lines"] if text.count("\n") > _MAX_FILE else []
    too_long += [
        f"{_name(path)}:{node.lineno}: {name} has {length} lines"
        for name, node in _functions(_tree(path))
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > _MAX_FUNCTION
    ]
    assert too_long == []


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_everything_public_says_what_it_is(path: Path) -> None:
    tree = _tree(path)
    silent = [
        f"{_name(path)}:{node.lineno}: {name}"
        for name, node in _functions(tree)
        if not any(part.startswith("_") for part in name.split("."))
        and ast.get_docstring(node) is None
        and "/tests/" not in _name(path)
        and not any(
            isinstance(one, ast.Name) and one.id in {"override", "overload"} for one in node.decorator_list
        )
    ]
    assert silent == []
    assert ast.get_docstring(tree) is not None or not tree.body, (
        f"{_name(path)}: a module says what it is for"
    )


def test_renovate_sees_every_pin() -> None:
    text = (PRODUCT / "versions.py").read_text(encoding="utf-8")
    renovate = json.loads((ROOT / ".github" / "renovate.json").read_text(encoding="utf-8"))
    (pattern,) = renovate["customManagers"][0]["matchStrings"]
    seen = [match["currentValue"] for match in re.finditer(pattern.replace("(?<", "(?P<"), text)]
    assigned = [node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    constants = [value.value for value in assigned if isinstance(value, ast.Constant)]
    assert seen == [value for value in constants if isinstance(value, str)]


def test_a_commit_is_checked_by_the_commands_of_make_check() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = [
        line.strip().removeprefix("@").replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()
    ]
    assert commands == [hook["entry"] for hook in hooks]
    # On every file, as there, and whatever file a commit changes.
    assert all(hook["pass_filenames"] is False for hook in hooks)
    # So the hooks need no run of their own where `make check` runs.
    assert "make check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_actions_are_pinned_by_digest() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
        assert used
        assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_pulumi_runs_the_program_in_the_environment_that_make_venv_makes() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    made = re.search(r"^VENV := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert made
    # Relative to the folder of Pulumi.yaml, wherever `main` is.
    assert project["runtime"]["options"]["virtualenv"] == made[1]
