"""A container engine for the sandbox: the one that is there, or Debian's, started by us and ended by us."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.apt import apt_install
from sandbox.cache import Cache
from sandbox.capabilities import missing_capabilities, require_capabilities
from sandbox.fitness import UnfitError
from sandbox.mounts import unmount_below
from sandbox.progress import Progress, step

_STARTS_WITHIN_SECONDS = 60
_ENDS_WITHIN_SECONDS = 30
_PROGRAMS = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2")


class EngineError(RuntimeError):
    """There is no engine and none can be made, or it refused a command; the text says which and why."""


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    Attributes:
        client: The `docker` program that fits this engine.
        host: Its address in `DOCKER_HOST` form; empty where the client's own default is meant.
        origin: Where it comes from, in one line for a person.
        ours: Whether `stop_engine` ends it.
    """

    client: str
    host: str
    origin: str
    ours: bool

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs a docker command on this engine."""
        return [self.client, *(("--host", self.host) if self.host else ()), *arguments]

    def run(self, *arguments: str, given: bytes | None = None) -> str:
        """Run a docker command and return its standard output without the last line break.

        Args:
            arguments: The command, such as `"volume", "ls"`.
            given: What the command reads from standard input.

        Raises:
            EngineError: The engine refused; the text holds its answer.
        """
        done = subprocess.run(self.command(*arguments), input=given, capture_output=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise EngineError(f"docker {' '.join(arguments[:2])} failed: {said}")
        return done.stdout.decode(errors="replace").rstrip("\n")


def ensure_engine(cache: Cache, progress: Progress) -> Engine:
    """Return an engine that answers: one already there, else Debian's package started by us.

    Ours is told to make no firewall rule and to change no sysctl (`--iptables=false --ip-forward=false`):
    measured on Linux 6.18, host to container and container to container on one bridge need neither.

    Args:
        cache: Where our engine keeps images and containers.
        progress: Takes one line that says which engine it is.

    Raises:
        UnfitError: None answers and none can be had here; the text says what to install.
        EngineError: One could be had, and does not start.
    """
    with cache.lock("engine"):
        engine = find_engine(cache)
        if engine is None:
            _require_start()
            _install(progress)
            # Under systemd, the package starts an engine of its own.
            engine = find_engine(cache) or _start(cache, progress)
    progress(f"container engine: {engine.origin}")
    return engine


def require_engine(cache: Cache) -> None:
    """Return where an engine answers or can be started; starts and installs nothing.

    Raises:
        UnfitError: None can be had here; the text says what to do.
    """
    if find_engine(cache) is None:
        _require_start()


def _require_start() -> None:
    if os.geteuid() != 0 or not (shutil.which("dockerd") or shutil.which("apt-get")):
        raise UnfitError(
            "no container engine answers here; install docker and start it, or run this as root on Debian"
        )
    require_capabilities(missing_capabilities())


def find_engine(cache: Cache) -> Engine | None:
    """Return the engine that answers now, or None; starts and installs nothing."""
    client = shutil.which("docker")
    there = Engine(client or "docker", "", "", ours=False)
    if client and (version := _version(there)):
        return Engine(client, "", f"already here, docker {version}", ours=False)
    ours = _ours(cache)
    version = _version(ours)
    return Engine(ours.client, ours.host, f"{ours.origin} {version}", ours=True) if version else None


def engine_with_nodes(cache: Cache, progress: Progress) -> Engine | None:
    """Return the engine that may hold nodes: the one that answers, else ours, started where it holds some.

    After a restart of this machine, ours does not run, and only itself can remove what is in its data.

    Args:
        cache: Where our engine keeps containers.
        progress: Takes a line where it is started.

    Raises:
        EngineError: It holds containers, and does not start.
    """
    with cache.lock("engine"):
        engine = find_engine(cache)
        held = cache.root / "engine" / "containers"
        if engine or not any(held.glob("*")):
            return engine
        if not shutil.which("dockerd"):
            raise EngineError(
                f"found nodes in {held} and no dockerd, expected the one that has made them: install "
                f"docker.io again, or remove {held.parent}"
            )
        _require_start()
        return _start(cache, progress)


def stop_engine(cache: Cache, progress: Progress) -> None:
    """End the engine that we started, with every node on it and what it left on the host.

    Images stay in the cache for the next start. An engine that is not ours goes on, and only the sandbox's
    bridge is removed from it, once no node is left there.
    """
    with cache.lock("engine"):
        engine = find_engine(cache)
        if engine:
            _remove_bridge(engine)
        run = _run_folder(cache)
        if run.exists():
            with step(progress, "stopping the container engine"):
                _end_leftovers(cache, run)


def _remove_bridge(engine: Engine) -> None:
    nodes = engine.run("ps", "--all", "--quiet", "--filter", "label=a1.sandbox").split()
    if nodes and not engine.ours:
        return
    if nodes:
        engine.run("rm", "--force", "--volumes", *nodes)
        volumes = engine.run("volume", "ls", "--quiet", "--filter", "name=a1-sandbox-").split()
        engine.run("volume", "rm", *volumes)
    networks = engine.run("network", "ls", "--quiet", "--filter", "label=a1.sandbox").split()
    if networks:
        engine.run("network", "rm", *networks)


def _run_folder(cache: Cache) -> Path:
    # Below /run, as a socket's path may hold 107 characters at most and a cache folder may lie deep.
    return Path("/run") / f"a1-sandbox-{hashlib.sha256(str(cache.root.resolve()).encode()).hexdigest()[:8]}"


def _ours(cache: Cache) -> Engine:
    # The packaged client: a newer one, first on PATH, may refuse to speak to the packaged engine.
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker") or "docker"
    origin = "our own, from the Debian package docker.io"
    return Engine(client, f"unix://{_run_folder(cache) / 'docker.sock'}", origin, ours=True)


def _version(engine: Engine) -> str:
    with contextlib.suppress(EngineError, FileNotFoundError):
        return engine.run("version", "--format", "{{.Server.Version}}")
    return ""


def _install(progress: Progress) -> None:
    if shutil.which("dockerd") and Path("/usr/bin/docker").exists():
        return
    with step(progress, "installing the Debian package docker.io"):
        apt_install("docker.io")


def _start(cache: Cache, progress: Progress) -> Engine:
    run, log = _run_folder(cache), cache.folder("logs") / "dockerd.log"
    _end_leftovers(cache, run)
    run.mkdir(mode=0o700)
    options = {
        "data-root": cache.folder("engine"),
        "exec-root": run / "exec",
        "pidfile": run / "dockerd.pid",
        "host": f"unix://{run / 'docker.sock'}",
        "bridge": "none",
        "iptables": "false",
        "ip6tables": "false",
        "ip-forward": "false",
        "userland-proxy": "false",
        # Lowering it needs CAP_SYS_RESOURCE, which not every machine has.
        "oom-score-adjust": "0",
        "shutdown-timeout": "5",
        "log-level": "warn",
    }
    with step(progress, "starting a container engine"), log.open("w") as output:
        process = subprocess.Popen(
            ["dockerd", *(f"--{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
        ours = _ours(cache)
        deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
        while not (version := _version(ours)):
            if process.poll() is not None or time.monotonic() > deadline:
                _end_leftovers(cache, run)
                raise EngineError(f"dockerd did not start:\n{log.read_text()[-2000:]}\nWhole log: {log}")
            time.sleep(0.1)
    return Engine(ours.client, ours.host, f"{ours.origin} {version}", ours=True)


def _end_leftovers(cache: Cache, run: Path) -> None:
    """End every process of our engine and drop its run folder, also when an earlier run was cut off."""
    _end([pid for pid, program in _processes(run) if program == "dockerd"])
    _end_containers(run)
    _end([pid for pid, _ in _processes(run)])
    unmount_below(run, cache.root / "engine")
    for group in Path("/sys/fs/cgroup").glob("*/docker"):
        # One that still holds another engine's containers refuses.
        with contextlib.suppress(OSError):
            group.rmdir()
    shutil.rmtree(run, ignore_errors=True)


def _end_containers(run: Path) -> None:
    """End containers that outlived their engine, as after a kill: their processes and control groups."""
    for file in run.glob("exec/containerd/daemon/io.containerd.runtime.v2.task/moby/*/init.pid"):
        container, pid = file.parent.name, int(file.read_text())
        with contextlib.suppress(OSError):
            if container in Path(f"/proc/{pid}/cgroup").read_text():
                os.kill(pid, signal.SIGKILL)
                _end([pid])
        for group in Path("/sys/fs/cgroup").glob(f"**/docker/{container}"):
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()


def _processes(run: Path) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            program = Path(words[0]).name
            if program in _PROGRAMS and any(f"{run}/" in word for word in words[1:]):
                yield int(folder.name), program


def _end(pids: list[int]) -> None:
    for number, patience in ((signal.SIGTERM, _ENDS_WITHIN_SECONDS), (signal.SIGKILL, 5)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while pids and time.monotonic() < deadline:
            pids = [pid for pid in pids if _alive(pid)]
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError, ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
