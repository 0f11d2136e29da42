"""Build programs from Go modules, where their releases cannot be reached.

`go install module@version` refuses modules with replace directives, so a small module of our own requires the
wanted one and repeats its replacements (those that name a local folder left out), with its go.sum beside it.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandbox.build.golang import search_path
from sandbox.build.process import StalledError, ask, run
from sandbox.cache import Cache
from sandbox.progress import Progress, elapsed, now_and_then

GO_FOLDERS = "go-folders"
"""The lock that every build shares, so that nobody removes its sources."""
_DOWNLOAD_SECONDS = 900
_NOT_REACHED = "dial tcp"
"""What Go says where it cannot connect."""


class BuildError(RuntimeError):
    """A build failed; the text names the recipe and holds the last lines of its output."""


class ProxyError(BuildError):
    """The module proxy cannot be reached, or does not answer."""


@dataclass(frozen=True)
class Edit:
    """One change to a file of another module, made in a copy of that module for the build.

    Attributes:
        module: Path of the module, which must be among the build's modules.
        version: Its version.
        file: The file, relative to the module.
        old: Text that must stand in the file.
        new: What stands there in the copy.
    """

    module: str
    version: str
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class GoRecipe:
    """How to build programs from one Go module: data, hashed into the name of the result.

    Attributes:
        name: Name of the recipe, such as `keda`.
        module: Path of the Go module that holds the programs.
        version: Version of the module.
        programs: Output file name to package path below the module; a path that starts with `./` is in
            `sources`, one whose first element has a dot is a whole import path.
        toolchain: Go toolchain, fetched from the module proxy when another one is installed.
        requires: Further `path version` requirements.
        replaces: `path => path version` (or a folder below `sources`) that override the module's own
            replacements.
        drops: Module paths whose own replacement is left out.
        upstream: Where the module's own replacements point to a fork below the key, the version of the
            original that is taken instead.
        edits: Changes to files of other modules.
        sources: A folder with Go files of our own, copied beside go.mod.
        copies: Files of the module that our own sources embed, copied beside them under their own names.
        sums: Lines for go.sum that the checksum database does not answer for.
        tags: Build tags.
        variables: Go variables set at link time, `import/path.Name` to value.
        cgo: Whether C code is compiled in.
    """

    name: str
    module: str
    version: str
    programs: Mapping[str, str]
    toolchain: str = "go1.26.8"
    requires: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    upstream: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    sources: Path | None = None
    copies: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    cgo: bool = False

    def digest(self) -> str:
        """Return a digest of everything that decides the result, our own sources included."""
        facts = {**asdict(self), "sources": None}
        hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for path in sorted(self.sources.rglob("*")) if self.sources else ():
            if path.is_file():
                hashed.update(
                    str(path.relative_to(self.sources or path)).encode() + b"\0" + path.read_bytes()
                )
        return hashed.hexdigest()


def environment(cache: Cache, recipe: GoRecipe) -> dict[str, str]:
    """Return the environment of a `go` command: our own folders, and memory for its compiler."""
    return {
        **os.environ,
        "PATH": search_path(cache),
        "GOMODCACHE": str(cache.folder("go", "mod")),
        "GOCACHE": str(cache.folder("go", "build")),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": recipe.toolchain,
        "GOWORK": "off",
        # Two clients of cloud services took 80 s of CPU so, and 97 to 105 s as Go does it by itself; the
        # linker needs no more memory. Some packages take 3 GiB as Go does it.
        "GOGC": os.environ.get("GOGC", "400"),
        "GOMEMLIMIT": os.environ.get("GOMEMLIMIT", "3GiB"),
        "CGO_ENABLED": "1" if recipe.cgo else "0",
    }


def download(recipe: GoRecipe, cache: Cache, progress: Progress = lambda _: None) -> Path:
    """Return the folder of the recipe's module in the module cache, downloaded where it is missing.

    Args:
        recipe: Names the module.
        cache: Where it is kept.
        progress: Takes a line every 15 s.

    Raises:
        BuildError: The module cannot be had.
    """
    # Inside a module whose go.sum knows the version, Go does not ask the checksum database.
    folder = cache.folder("work", f"{recipe.name}-sums") if recipe.sums else cache.root
    if recipe.sums:
        (folder / "go.mod").write_text("module a1platform.build/sums\n")
        (folder / "go.sum").write_text("".join(f"{line}\n" for line in recipe.sums))
    which = f"{recipe.module}@{recipe.version}"
    tick = now_and_then(lambda taken: progress(f"  downloading {which}, {taken}"))
    answer: dict[str, Any] = json.loads(
        _go(recipe, cache, folder, "mod", "download", "-json", which, tick=tick)
    )
    return Path(answer["Dir"])


def build(recipe: GoRecipe, cache: Cache, progress: Progress) -> Path:
    """Build the programs of a recipe, or return what an earlier run built.

    Interrupted builds resume: Go keeps every compiled package, and a result becomes visible only when whole.

    Args:
        recipe: What to build.
        cache: Where sources, compiled packages and results are kept.
        progress: Takes a line every 15 s.

    Returns:
        The folder that holds the programs.

    Raises:
        ProxyError: The module proxy cannot be reached.
        BuildError: The module cannot be had or does not compile.
    """
    target = built_folder(recipe, cache)
    with cache.lock(f"go-{recipe.name}"), cache.lock(GO_FOLDERS, shared=True):
        if target.is_dir():
            return target
        module = download(recipe, cache, progress)
        work = cache.folder("work", recipe.name)
        _write_module(recipe, cache, module, work)
        with cache.making(target) as out:
            for program, package in recipe.programs.items():
                _compile(_Job(recipe, cache, work, progress), out / program, package)
    return target


def built_folder(recipe: GoRecipe, cache: Cache) -> Path:
    """Return the folder that holds a recipe's programs once they are built."""
    return cache.root / "programs" / f"{recipe.name}-{recipe.digest()[:12]}"


def _write_module(recipe: GoRecipe, cache: Cache, module: Path, work: Path) -> None:
    shutil.rmtree(work)
    if recipe.sources:
        shutil.copytree(recipe.sources, work)
    else:
        work.mkdir()
    for path in recipe.copies:
        shutil.copyfile(module / path, work / Path(path).name)
    replaces = _replacements(recipe, cache, module)
    replaces.update({edit.module: _edited(recipe, cache, edit, work, module) for edit in recipe.edits})
    lines = [
        f"module a1platform.build/{recipe.name}",
        f"go {recipe.toolchain.removeprefix('go')}",
        *(f"require {entry}" for entry in (f"{recipe.module} {recipe.version}", *recipe.requires)),
        *(f"replace {entry}" for entry in replaces.values()),
    ]
    (work / "go.mod").write_text("\n".join(lines) + "\n")
    known = (module / "go.sum").read_text() if (module / "go.sum").exists() else ""
    (work / "go.sum").write_text(known + "".join(f"{line}\n" for line in recipe.sums))


def _replacements(recipe: GoRecipe, cache: Cache, module: Path) -> dict[str, str]:
    theirs: dict[str, Any] = json.loads(
        _go(recipe, cache, cache.root, "mod", "edit", "-json", str(module / "go.mod"))
    )
    replaces = {entry.split(" => ")[0].split(" ")[0]: entry for entry in recipe.replaces}
    for entry in theirs.get("Replace") or []:
        old, new = entry["Old"], entry["New"]
        local = new["Path"].startswith(".")
        if not local and old["Path"] not in replaces and old["Path"] not in recipe.drops:
            original = next(
                (to for fork, to in recipe.upstream.items() if new["Path"].startswith(fork)), None
            )
            left = " ".join(filter(None, (old["Path"], old.get("Version"))))
            right = f"{old['Path']} {original}" if original else f"{new['Path']} {new['Version']}"
            replaces[left] = f"{left} => {right}"
    return replaces


def _edited(recipe: GoRecipe, cache: Cache, edit: Edit, work: Path, own: Path) -> str:
    """Make the edited copy of a module below the work folder and return the replacement that names it."""
    copy = work / "edited" / edit.module
    if not copy.exists():
        source = own
        if edit.module != recipe.module:
            which = f"{edit.module}@{edit.version}"
            source = Path(
                json.loads(_go(recipe, cache, cache.root, "mod", "download", "-json", which))["Dir"]
            )
        shutil.copytree(source, copy, copy_function=os.link)
    file = copy / edit.file
    text = file.read_text()
    if edit.old not in text:
        raise BuildError(f"{edit.module}@{edit.version} has no {edit.old!r} in {edit.file}")
    file.unlink()  # the copy is made of hard links: writing in place would change the module cache
    file.write_text(text.replace(edit.old, edit.new, 1))
    return f"{edit.module} => ./{copy.relative_to(work)}"


@dataclass(frozen=True)
class _Job:
    """A recipe that is being carried out in a folder."""

    recipe: GoRecipe
    cache: Cache
    work: Path
    progress: Progress


def _compile(job: _Job, out: Path, package: str) -> None:
    recipe, cache = job.recipe, job.cache
    whole = package == "." or package.startswith("./") or "." in package.split("/", maxsplit=1)[0]
    linked = " ".join(["-s", "-w", *(f"-X '{name}={value}'" for name, value in recipe.variables.items())])
    path = package if whole else f"{recipe.module}/{package}".removesuffix("/")
    # The linker leaves debug information out (-w); making it is 7 % of the compiler's time.
    command = ["go", "build", "-v", "-mod=mod", "-trimpath", "-gcflags=all=-dwarf=false"]
    command += ["-tags", ",".join(recipe.tags), "-ldflags", linked]
    log = cache.folder("logs") / f"build-{recipe.name}.log"

    def report(taken: str) -> None:
        job.progress(f"  {out.name}: {len(log.read_text().splitlines())} packages compiled, {taken}")

    what = f"building {out.name} from {recipe.module}@{recipe.version}"
    try:
        command += ["-o", str(out), path]
        status = run(command, job.work, environment(cache, recipe), log, now_and_then(report))
    except StalledError as problem:
        raise ProxyError(
            f"{what} was given up: {problem}; the module proxy does not answer\nWhole log: {log}"
        ) from None
    if status != 0:
        tail = "\n".join(log.read_text().splitlines()[-15:])
        raise _failed(what, f"{tail}\nWhole log: {log}")


def _go(
    recipe: GoRecipe, cache: Cache, folder: Path, *arguments: str, tick: Callable[[], None] = lambda: None
) -> str:
    what = f"go {' '.join(arguments)} for {recipe.name}"
    try:
        done = ask(["go", *arguments], folder, environment(cache, recipe), _DOWNLOAD_SECONDS, tick)
    except subprocess.TimeoutExpired:
        raise ProxyError(f"{what} was given up after {elapsed(_DOWNLOAD_SECONDS)}: no answer") from None
    if done.returncode != 0:
        raise _failed(what, done.stderr.strip() or done.stdout)
    return done.stdout


def _failed(what: str, said: str) -> BuildError:
    return (ProxyError if _NOT_REACHED in said else BuildError)(f"{what} failed:\n{said}")
